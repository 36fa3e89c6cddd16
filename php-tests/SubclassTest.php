<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;

/**
 * Subclasses that call the protected methods of the class, and subclasses that override them.
 */
final class SubclassTest extends ClusterTestCase
{
    private const NOTHING = [
        'cmd' => 0, 'local_ip' => 0, 'local_port' => 0, 'client_ip' => 0, 'client_port' => 0,
        'connection_id' => 0, 'flag' => 0, 'gateway_port' => 0, 'ext_data' => '', 'body' => '',
    ];

    private const SEND_TO_ALL = ['cmd' => 6] + self::NOTHING;

    // ---- protected methods do what they say ----

    public function testTheAddressesAreThoseOfTheRegister(): void
    {
        $class = self::subclass('Caller', '');
        $this->enter('client');
        $expected = $this->cluster->internalAddresses();
        self::assertSameMap($expected, $class::call('getAllGatewayAddressesFromRegister'));
        self::assertSameMap($expected, $class::call('getAllGatewayAddress'));
        $this->enter('worker');
        Gateway::setBusinessWorker($this->worker([$expected[0]], [$expected[0]]));
        self::assertSameMap($expected, $class::call('getAllGatewayAddressesFromRegister'), 'in a worker too');
        self::assertSame([$expected[0]], array_values($class::call('getAllGatewayAddress')));
    }

    /**
     * @dataProvider modes
     */
    public function testFramesAreSent(string $mode): void
    {
        $class = self::subclass('Caller', '');
        $this->enter($mode);
        [$a, $b] = [$this->text(0), $this->text(1)];
        [$first, $second] = $this->cluster->internalAddresses();
        $data = ['body' => 'to one gateway'] + self::SEND_TO_ALL;
        self::assertTrue((bool) $class::call('sendToGateway', $first, $data));
        self::assertNull($class::call('sendToAllGateway', ['body' => 'to all gateways'] + self::SEND_TO_ALL));
        $id = $b->clientId();
        self::assertTrue((bool) $class::call('sendCmdAndMessageToClient', $id, 5, 'to a client'));
        $class::call('sendCmdAndMessageToClient', $id, 12, '', 'bob');
        self::assertSame([$id], Gateway::getClientIdByUid('bob'));
        $connection = hexdec(substr($id, -8));
        self::assertTrue((bool) $class::call('kickAddress', $second, $connection, 'bye'));
        self::assertSame(['to all gateways', 'to a client', 'bye'], $b->receiveUntilClosed());
        $this->assertReceived(['to one gateway', 'to all gateways'], $a);
        self::assertTrue((bool) $class::call('destroyAddress', $first, hexdec(substr($a->clientId(), -8))));
        self::assertSame([], $a->receiveUntilClosed());
    }

    /**
     * @dataProvider modes
     */
    public function testQueriesAreRepliedTo(string $mode): void
    {
        $class = self::subclass('Caller', '');
        $this->enter($mode);
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::joinGroup($b->clientId(), 'room');
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::getAllClientIdCount();
        [$first, $second] = $this->cluster->internalAddresses();
        $count = ['cmd' => 24] + self::NOTHING;
        $reply = static function (string $address, $reply): array {
            [$ip, $port] = explode(':', $address);
            return [ip2long($ip) => [(int) $port => $reply]];
        };
        self::assertSameMap(
            array_replace_recursive($reply($first, 1), $reply($second, 1)),
            $class::call('getBufferFromAllGateway', $count)
        );
        self::assertSame($reply($second, 1), $class::call('getBufferFromSomeGateway', [$second => $count]));
        self::assertSame(1, $class::call('sendAndRecv', $first, $count));
        $online = ['cmd' => 11, 'connection_id' => hexdec(substr($a->clientId(), -8))] + self::NOTHING;
        self::assertSame(1, (int) $class::call('sendAndRecv', $first, $online));
        $rows = $class::call('select', ['uid'], ['client_id' => [$a->clientId()]]);
        $row = current(current(current($rows)));
        self::assertSame('ann', $row['uid']);
        self::assertSame($reply($first, [hexdec(substr($a->clientId(), -8)) => $row]), $rows);
        $members = $class::call('select', ['uid', 'groups'], ['groups' => ['room']]);
        self::assertSame(self::ids($b), $class::call('formatClientIdFromGatewayBuffer', $members));
        self::assertSameMap(
            self::ids($a, $b),
            $class::call('formatClientIdFromGatewayBuffer', $class::call('select', ['uid']))
        );
    }

    /**
     * Each address is found, and others are not: the chains of the hash are whole.
     */
    public function testTheAddressesOfManyGatewaysAreAllFound(): void
    {
        $class = self::subclass('Caller', '');
        $this->enter('client');
        for ($round = 0; $round < 20; $round++) {
            $ids = $expected = [];
            for ($i = 0; $i < 600; $i++) {
                $gateway = $i % 300;
                $ids[] = sprintf('%08x%04x%08x', 0x0a000000 + $gateway, 2900 + $gateway, $i);
                $expected[long2ip(0x0a000000 + $gateway) . ':' . (2900 + $gateway)][$i] = $i;
            }
            $addresses = $class::call('clientIdArrayToAddressArray', $ids);
            self::assertSame($expected, $addresses);
            foreach (array_keys($expected) as $number => $address) {
                self::assertArrayHasKey($address, $addresses);
                self::assertFalse(isset($addresses["10.9.9.9:$number"]));
            }
        }
    }

    public function testTheHelpersHelp(): void
    {
        $class = self::subclass('Caller', '');
        $this->enter('client with secret');
        $ids = ['7f0000010b5400000001', '7f0000010b5400000002', '0a0000010b5500000003'];
        self::assertSame(
            ['127.0.0.1:2900' => [1 => 1, 2 => 2], '10.0.0.1:2901' => [3 => 3]],
            $class::call('clientIdArrayToAddressArray', $ids)
        );
        $body = json_encode(['secret_key' => Gateway::$secretKey]);
        $frame = pack('NCNnNnNCnN', 28 + strlen($body), 202, 0, 0, 0, 0, 0, 1, 0, 0) . $body;
        self::assertSame($frame, $class::call('generateAuthBuffer'));
        self::assertTrue($class::call('isValidGroupId', 'room'));
        $outcome = $this->observe(static function () use ($class) {
            return $class::call('isValidGroupId', '0');
        });
        self::assertFalse($outcome->returned);
        $this->assertComplaint(true, $outcome);
        [$address] = $this->cluster->internalAddresses();
        $stream = $class::call('getGatewayConnection', "tcp://$address");
        self::assertIsResource($stream);
        self::assertSame($address, stream_socket_get_name($stream, true));
    }

    public function testTheyAreProtected(): void
    {
        $this->expectException(\Error::class);
        $this->expectExceptionMessage('protected method');
        Gateway::sendToAllGateway([]);
    }

    public function testAllProtectedMethodsOfTheOriginalAreThere(): void
    {
        $methods = [];
        foreach ((new \ReflectionClass(Gateway::class))->getMethods(\ReflectionMethod::IS_PROTECTED) as $method) {
            $parameters = array_map(static function (\ReflectionParameter $parameter): string {
                $default = $parameter->isOptional() ? '=' . json_encode($parameter->getDefaultValue()) : '';
                return $parameter->getName() . $default;
            }, $method->getParameters());
            $methods[$method->getName()] = implode(' ', $parameters);
            self::assertTrue($method->isStatic());
        }
        self::assertSameMap([
            'formatClientIdFromGatewayBuffer' => 'data',
            'select' => 'fields=["session","uid","groups"] where=[]',
            'generateAuthBuffer' => '',
            'getBufferFromSomeGateway' => 'gateway_data_array',
            'getBufferFromAllGateway' => 'gateway_data',
            'getAllGatewayAddress' => '',
            'getBufferFromGateway' => 'gateway_buffer_array',
            'sendCmdAndMessageToClient' => 'client_id cmd message ext_data="" raw=false',
            'sendAndRecv' => 'address data',
            'sendToGateway' => 'address gateway_data',
            'sendBufferToGateway' => 'address gateway_buffer',
            'sendToAllGateway' => 'gateway_data',
            'kickAddress' => 'address connection_id message',
            'destroyAddress' => 'address connection_id',
            'clientIdArrayToAddressArray' => 'client_id_array',
            'getAllGatewayAddressesFromRegister' => '',
            'isValidGroupId' => 'group',
            'getGatewayConnection' => 'address',
        ], $methods);
    }

    // ---- overrides ----

    /**
     * @return array<string, array{string, array<mixed>, int}>
     */
    public static function sends(): array
    {
        return [
            'sendToClient' => ['sendToClient', ['A', 'm'], 5],
            'bindUid' => ['bindUid', ['A', 'ann'], 12],
            'unbindUid' => ['unbindUid', ['A', 'ann'], 13],
            'joinGroup' => ['joinGroup', ['A', 'room'], 20],
            'leaveGroup' => ['leaveGroup', ['A', 'room'], 21],
            'setSession' => ['setSession', ['A', ['n' => 1]], 204],
            'setSocketSession' => ['setSocketSession', ['A', 'a:0:{}'], 204],
            'updateSession' => ['updateSession', ['A', ['n' => 1]], 9],
            'closeClient' => ['closeClient', ['A', 'bye'], 7],
            'destoryClient' => ['destoryClient', ['A'], 8],
            'sendToAll with a list' => ['sendToAll', ['m', ['A']], 6],
        ];
    }

    /**
     * @dataProvider sends
     *
     * @param array<mixed> $arguments
     */
    public function testAnOverriddenSendToGatewayGetsEverySendToOneGateway(
        string $method,
        array $arguments,
        int $command
    ): void {
        $class = self::subclass('Diverter', '
            protected static function sendToGateway($address, $gateway_data)
            {
                self::$seen[] = [$address, $gateway_data["cmd"], $gateway_data["connection_id"]];
                return true;
            }');
        $this->enter('client');
        $client = $this->text();
        $id = $client->clientId();
        $arguments = self::withId($arguments, $id);
        $outcome = $this->observe(static function () use ($class, $method, $arguments) {
            return $class::$method(...$arguments);
        });
        self::assertNull($outcome->thrown, (string) $outcome->thrown);
        $connection = $method === 'sendToAll' ? 0 : hexdec(substr($id, -8));
        [$address] = $this->cluster->internalAddresses();
        self::assertSame([[$address, $command, $connection]], $class::$seen);
        self::assertSame(1, Gateway::isOnline($id));
        $this->assertReceived([], $client);
    }

    public function testItsReturnValueIsThatOfTheCall(): void
    {
        $class = self::subclass('Answerer', '
            protected static function sendToGateway($address, $gateway_data) { return "taken"; }');
        $this->enter('client');
        $id = $this->text()->clientId();
        self::assertSame('taken', $class::sendToClient($id, 'm'));
        self::assertSame('taken', $class::closeClient($id));
        self::assertSame('taken', $class::setSocketSession($id, ''));
        self::assertNull($class::bindUid($id, 'ann'));
    }

    public function testAnOverrideMayChangeTheMessageAndCallItsParent(): void
    {
        $class = self::subclass('Changer', '
            protected static function sendToGateway($address, $gateway_data)
            {
                $gateway_data["body"] = is_array($gateway_data["body"]) ? "array" : strtoupper($gateway_data["body"]);
                return parent::sendToGateway($address, $gateway_data);
            }
            protected static function sendToAllGateway($gateway_data)
            {
                $gateway_data["body"] .= "!";
                return parent::sendToAllGateway($gateway_data);
            }');
        $this->enter('client');
        $client = $this->text();
        self::assertTrue((bool) $class::sendToClient($client->clientId(), 'hello'));
        $class::sendToClient($client->clientId(), ['an' => 'array']);
        $class::sendToAll('to all');
        Gateway::bindUid($client->clientId(), 'ann');
        Gateway::joinGroup($client->clientId(), 'room');
        $class::sendToUid('ann', 'to a uid');
        $class::sendToGroup('room', 'to a group');
        $this->assertReceived(['HELLO', 'array', 'to all!', 'to a uid!', 'to a group!'], $client);
    }

    /**
     * @dataProvider modes
     */
    public function testAnOverriddenSendBufferToGatewaySeesEveryFrame(string $mode): void
    {
        $class = self::subclass('Counter', '
            protected static function sendBufferToGateway($address, $gateway_buffer)
            {
                self::$seen[] = [$address, ord($gateway_buffer[4])];
                return parent::sendBufferToGateway($address, $gateway_buffer);
            }');
        $this->enter($mode);
        [$a, $b] = [$this->text(0), $this->text(1)];
        [$first, $second] = $this->cluster->internalAddresses();
        $class::sendToClient($a->clientId(), 'one');
        $class::sendToAll('listed', [$b->clientId()]);
        self::assertSame([[$first, 5], [$second, 6]], $class::$seen);
        $class::$seen = [];
        $class::sendToAll('all');
        $class::sendToAll('all but a', null, [$a->clientId()]);
        if ($mode === 'client' || $mode === 'client with secret') {
            self::assertSameMap([[$first, 6], [$second, 6], [$first, 6], [$second, 6]], $class::$seen);
        }
        $this->assertReceived(['one', 'all'], $a);
        $this->assertReceived(['listed', 'all', 'all but a'], $b);
    }

    public function testAnOverrideThatNarrowsTheGatewaysNarrowsBroadcastsAndQueries(): void
    {
        $class = self::subclass('Narrow', '
            public static $only;
            protected static function getAllGatewayAddressesFromRegister()
            {
                return array_values(array_intersect(parent::getAllGatewayAddressesFromRegister(), self::$only));
            }');
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        foreach ([$a, $b] as $client) {
            Gateway::bindUid($client->clientId(), 'ann');
            Gateway::joinGroup($client->clientId(), 'room');
        }
        $class::$only = [$this->cluster->internalAddresses()[1]];
        $class::sendToAll('narrow');
        $class::sendToUid('ann', 'narrow uid');
        $class::sendToGroup('room', 'narrow room');
        $class::sendToAll('narrow but b', null, [$b->clientId()]);
        self::assertSame(1, $class::getAllClientIdCount());
        self::assertSame(self::ids($b), $class::getAllClientIdList());
        self::assertSame([$b->clientId()], $class::getClientIdByUid('ann'));
        self::assertSame([$b->clientId() => []], $class::getAllClientSessions());
        self::assertSame(['room' => 'room'], $class::getAllGroupIdList());
        self::assertSame(['ann' => 'ann'], $class::getUidListByGroup('room'));
        self::assertSame(2, Gateway::getAllClientIdCount(), 'the class itself is as it was');
        Gateway::sendToAll('wide');
        self::assertSame(1, $class::isOnline($a->clientId()), 'single clients are where they are');
        self::assertTrue((bool) $class::sendToClient($a->clientId(), 'to a'));
        $this->assertReceived(['narrow', 'narrow uid', 'narrow room', 'wide'], $b);
        $this->assertReceived(['wide', 'to a'], $a);
        $class::ungroup('room');
        self::assertSame(self::ids($a), Gateway::getClientIdListByGroup('room'));
    }

    /**
     * @dataProvider modes
     */
    public function testAnOverriddenGetAllGatewayAddressNarrowsQueriesAlone(string $mode): void
    {
        $class = self::subclass('NarrowQueries', '
            public static $only;
            protected static function getAllGatewayAddress() { return self::$only; }');
        $this->enter($mode);
        [$a, $b] = [$this->text(0), $this->text(1)];
        $class::$only = [$this->cluster->internalAddresses()[0]];
        $class::bindUid($a->clientId(), 'ann');
        self::assertSame([$a->clientId()], $class::getClientIdByUid('ann'), 'and sees what was sent before');
        self::assertSame(1, $class::getAllClientIdCount());
        $class::$only = [];
        self::assertSame(0, $class::getAllClientIdCount());
        self::assertSame([], $class::getAllClientIdList());
        $class::sendToAll('to all');
        $this->assertReceived(['to all'], $a);
        $this->assertReceived(['to all'], $b);
    }

    public function testOtherProtectedMethodsMayBeOverriddenToo(): void
    {
        $class = self::subclass('Others', '
            protected static function sendCmdAndMessageToClient($client_id, $cmd, $message, $ext_data = "", $raw = false)
            {
                self::$seen[] = [$client_id, $cmd, $message, $ext_data, $raw];
                return true;
            }
            protected static function kickAddress($address, $connection_id, $message)
            {
                self::$seen[] = [$address, $connection_id, $message];
                return true;
            }
            protected static function isValidGroupId($group) { return $group !== "closed"; }');
        $this->enter('client');
        $id = '7f0000010b5400000007';
        self::assertTrue($class::sendToClient($id, 'm', true));
        self::assertTrue($class::sendToCurrentClient('m'));
        $class::joinGroup($id, 'room');
        $class::updateSession($id, ['a' => 1]);
        self::assertTrue($class::closeClient($id, 'bye'));
        self::assertSame([
            [$id, 5, 'm', '', true],
            [null, 5, 'm', '', false],
            [$id, 20, '', 'room', false],
            [$id, 9, '', 'a:1:{s:1:"a";i:1;}', false],
            ['127.0.0.1:2900', 7, 'bye'],
        ], $class::$seen);
        self::assertFalse($class::sendToGroup('closed', 'm'));
        self::assertSame([], $class::getClientIdListByGroup('closed'));
    }

    public function testWhatAnOverrideThrowsEndsTheCall(): void
    {
        $class = self::subclass('Thrower', '
            protected static function sendToGateway($address, $gateway_data) { throw new \DomainException("no"); }
            protected static function sendToAllGateway($gateway_data) { throw new \DomainException("no"); }
            protected static function getAllGatewayAddress() { throw new \DomainException("no"); }');
        $this->enter('client');
        $id = $this->text()->clientId();
        foreach (['sendToClient' => [$id, 'm'], 'sendToAll' => ['m'], 'getAllClientIdCount' => []] as $method => $arguments) {
            $outcome = $this->observe(static function () use ($class, $method, $arguments) {
                return $class::$method(...$arguments);
            });
            self::assertInstanceOf(\DomainException::class, $outcome->thrown, $method);
        }
    }

    /**
     * @group better-than-original
     */
    public function testAnOverrideThatIsNotUsedIsToldOnce(): void
    {
        $this->requireNative('uses it');
        $class = self::subclass('Unused', '
            protected static function getGatewayConnection($address) { throw new \LogicException("not used"); }
            protected static function sendAndRecv($address, $data) { throw new \LogicException("not used"); }');
        $this->enter('client');
        $id = $this->text()->clientId();
        self::assertTrue($class::sendToClient($id, 'm'));
        self::assertSame(1, $class::getAllClientIdCount());
        self::assertSame(1, $class::getAllClientIdCount());
        self::assertSame(1, substr_count($this->errorLog(), "$class overrides sendAndRecv(), getGatewayConnection()"));
        self::assertSame(1, substr_count($this->errorLog(), 'does not use an override'));
    }

    /**
     * @param array<mixed> $arguments
     *
     * @return array<mixed>
     */
    private static function withId(array $arguments, string $id): array
    {
        return array_map(static function ($argument) use ($id) {
            return $argument === 'A' ? $id : ($argument === ['A'] ? [$id] : $argument);
        }, $arguments);
    }

    /**
     * A subclass with these methods, and with call(), which calls a protected one.
     *
     * @return class-string
     */
    private static function subclass(string $name, string $methods): string
    {
        $class = __NAMESPACE__ . "\\Subclass$name";
        if (!class_exists($class, false)) {
            eval('namespace ' . __NAMESPACE__ . "; class Subclass$name extends \\GatewayWorker\\Lib\\Gateway {
                public static \$seen = [];
                public static function call(\$method, ...\$arguments) { return static::\$method(...\$arguments); }
                $methods
            }");
        }
        $class::$seen = [];
        return $class;
    }
}
