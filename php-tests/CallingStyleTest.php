<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\PoliteGateway;

/**
 * The ways in which real projects call the class.
 */
final class CallingStyleTest extends ClusterTestCase
{
    public function testNamedArgumentsMayComeInAnyOrderAndSkipSome(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::sendToClient(message: 'named', client_id: $a->clientId());
        Gateway::sendToAll('skipped', exclude_client_id: [$b->clientId()]);
        Gateway::sendToAll("raw\n", raw: true);
        Gateway::joinGroup(group: 'room', client_id: $b->clientId());
        Gateway::sendToGroup(message: "room\n", group: 'room', raw: true);
        self::assertSame(1, Gateway::getClientCountByGroup(group: 'room'));
        $this->assertReceived(['named', 'skipped', 'raw'], $a);
        $this->assertReceived(['raw', 'room'], $b);
    }

    public function testAnUnknownNameIsAnError(): void
    {
        $this->expectException(\Error::class);
        $this->expectExceptionMessage('Unknown named parameter $clientId');
        Gateway::isOnline(clientId: 'x');
    }

    public function testCallUserFuncWorksWithListsAndWithNames(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        call_user_func('GatewayWorker\Lib\Gateway::sendToClient', $client->clientId(), 'one');
        call_user_func_array([Gateway::class, 'sendToClient'], [$client->clientId(), 'two']);
        call_user_func_array([Gateway::class, 'sendToClient'], [
            'message' => 'three',
            'client_id' => $client->clientId(),
        ]);
        $this->assertReceived(['one', 'two', 'three'], $client);
    }

    public function testDynamicNamesOfMethodAndClassWork(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $class = '\GatewayWorker\Lib\Gateway';
        $send = 'sendToAll';
        Gateway::$send('one');
        $class::SENDTOALL('two');
        $class::{'sendTo' . 'All'}('three');
        $this->assertReceived(['one', 'two', 'three'], $client);
    }

    public function testCallablesWork(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $send = Gateway::sendToClient(...);
        self::assertTrue($send($a->clientId(), 'first class'));
        $send = \Closure::fromCallable([Gateway::class, 'sendToClient']);
        self::assertTrue($send($b->clientId(), 'from callable'));
        self::assertSame([1, 1], array_map([Gateway::class, 'isOnline'], [$a->clientId(), $b->clientId()]));
        $this->assertReceived(['first class'], $a);
        $this->assertReceived(['from callable'], $b);
    }

    public function testTheMethodsMayBeCalledOnAnInstance(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $gateway = new Gateway();
        $gateway->bindUid($client->clientId(), 'ann');
        $gateway->sendToUid('ann', 'from an instance');
        $gateway::sendToUid('ann', 'from its class');
        self::assertSame(1, $gateway->isUidOnline('ann'));
        $this->assertReceived(['from an instance', 'from its class'], $client);
    }

    public function testAnInstanceMayBeClonedAndSerialized(): void
    {
        $this->enter('client');
        $this->text();
        $gateway = unserialize(serialize(clone new Gateway()));
        self::assertInstanceOf(Gateway::class, $gateway);
        self::assertSame(1, $gateway->getAllClientCount());
    }

    public function testFurtherArgumentsAreAccepted(): void
    {
        $this->enter('client');
        $client = $this->text();
        self::assertSame(1, Gateway::isOnline($client->clientId(), 'more', 'and more'));
        self::assertSame(1, Gateway::getAllClientCount('more'));
        self::assertTrue(Gateway::sendToClient($client->clientId(), 'x', false, 'more'));
        $this->assertReceived(['x'], $client);
    }

    public function testArgumentsMayBeUnpacked(): void
    {
        $this->enter('client');
        $client = $this->text();
        Gateway::sendToClient(...[$client->clientId(), 'one']);
        Gateway::sendToClient(...['message' => 'two', 'client_id' => $client->clientId()]);
        Gateway::sendToClient($client->clientId(), ...['message' => 'three']);
        $this->assertReceived(['one', 'two', 'three'], $client);
    }

    public function testTheArgumentsAreNotChanged(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $list = [$a->clientId(), $b->clientId()];
        $excluded = [$b->clientId()];
        $message = ['an' => 'array'];
        $session = ['n' => ['x' => 1]];
        $reference = &$session['n'];
        Gateway::sendToAll('x', $list, $excluded);
        Gateway::sendToAll($message, []);
        Gateway::setSession($a->clientId(), $session);
        self::assertSame([$a->clientId(), $b->clientId()], $list);
        self::assertSame([$b->clientId()], $excluded);
        self::assertSame(['an' => 'array'], $message);
        self::assertSame(['x' => 1], $reference);
    }

    public function testReferencesAreFollowed(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $ids = [$a->clientId(), $b->clientId()];
        foreach ($ids as &$id) {
            Gateway::bindUid($id, 'ann');
        }
        $uids = ['ann'];
        $uid = &$uids[0];
        Gateway::sendToAll('by list', $ids);
        Gateway::sendToUid($uids, 'by uid');
        $this->assertReceived(['by list', 'by uid'], $a);
        $this->assertReceived(['by list', 'by uid'], $b);
    }

    public function testASubclassMayOverrideAndCallItsParent(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $this->handleEventOf($a->clientId());
        PoliteGateway::$closed = [];
        self::assertTrue(PoliteGateway::closeClient($b->clientId()));
        self::assertSame(['bye'], $b->receiveUntilClosed());
        self::assertTrue(PoliteGateway::closeClient($a->clientId()));
        self::assertSame(['current: bye'], $a->receiveUntilClosed());
        self::assertSame([$b->clientId(), $a->clientId()], PoliteGateway::$closed);
        self::assertSame('macro', PoliteGateway::greet('macro'));
        self::assertSame('macro', (new PoliteGateway())->greet('macro'));
    }

    /**
     * @return array<string, array{string, array<mixed>, string, mixed, mixed}>
     */
    public static function overrides(): array
    {
        $map = ['g' => ['a' => 'a', 'b' => 'b']];
        return [
            'isUidOnline' => ['isUidOnline', ['ann'], 'getClientIdByUid', ['x'], 1],
            'getAllClientInfo' => ['getAllClientInfo', [], 'getAllClientSessions', ['x' => []], ['x' => []]],
            'getClientInfoByGroup' => ['getClientInfoByGroup', ['g'], 'getAllClientSessions', ['x' => []], ['x' => []]],
            'getClientSessionsByGroup' =>
                ['getClientSessionsByGroup', ['g'], 'getAllClientSessions', ['x' => []], ['x' => []]],
            'getAllClientIdCount' => ['getAllClientIdCount', [], 'getClientCountByGroup', 7, 7],
            'getAllClientCount' => ['getAllClientCount', [], 'getAllClientIdCount', 7, 7],
            'getClientCountByGroup' => ['getClientCountByGroup', ['g'], 'getClientIdCountByGroup', 7, 7],
            'getUidCountByGroup' => ['getUidCountByGroup', ['g'], 'getUidListByGroup', ['a' => 'a', 'b' => 'b'], 2],
            'getAllUidCount' => ['getAllUidCount', [], 'getAllUidList', ['a' => 'a', 'b' => 'b'], 2],
            'getAllGroupUidCount' => ['getAllGroupUidCount', [], 'getAllGroupUidList', $map, ['g' => 2]],
            'getAllGroupClientIdCount' =>
                ['getAllGroupClientIdCount', [], 'getAllGroupClientIdList', $map, ['g' => 2]],
            'closeClient' =>
                ['closeClient', ['7f0000010b5400000001', 'bye'], 'closeCurrentClient', 'closed', 'closed'],
            'destoryClient' =>
                ['destoryClient', ['7f0000010b5400000001'], 'destoryCurrentClient', 'destroyed', 'destroyed'],
            'setSession' => ['setSession', ['7f0000010b5400000001', ['a' => 1]], 'setSocketSession', true, null],
        ];
    }

    /**
     * @dataProvider overrides
     *
     * @param array<mixed> $arguments
     * @param mixed        $reply
     * @param mixed        $expected
     */
    public function testAnOverrideIsHonouredByTheMethodsThatRestOnIt(
        string $method,
        array $arguments,
        string $overridden,
        $reply,
        $expected
    ): void {
        // There is no cluster: whoever does not call the override fails.
        Gateway::$registerAddress = '127.0.0.99:1';
        $this->handleEventOf('7f0000010b5400000001');
        $class = self::overriding($overridden);
        $class::$reply = $reply;
        $class::$calls = 0;
        $outcome = $this->observe(static function () use ($class, $method, $arguments) {
            return $class::$method(...$arguments);
        });
        self::assertNull($outcome->thrown, (string) $outcome->thrown);
        self::assertSame($expected, $outcome->returned);
        self::assertSame(1, $class::$calls);
    }

    /**
     * @group better-than-original
     */
    public function testAnOverrideIsHonouredByTheAddedMethods(): void
    {
        Gateway::$registerAddress = '127.0.0.99:1';
        $class = self::overriding('batchGetClientIdByUid');
        $class::$reply = ['ann' => ['x'], 'bob' => []];
        self::assertSame(['ann' => 1, 'bob' => 0], $class::isUidsOnline(['ann', 'bob']));
        self::assertSame(1, $class::$calls);
        $class::$reply = null;
        $outcome = $this->observe(static function () use ($class) {
            return $class::isUidsOnline(['ann']);
        });
        self::assertNotNull($outcome->thrown);
        self::assertSame(
            "$class::batchGetClientIdByUid(): Return value must be of type array, null returned",
            $outcome->thrown->getMessage(),
            'the argument was right'
        );
    }

    /**
     * A subclass that overrides one method, which then returns $reply.
     *
     * @return class-string
     */
    private static function overriding(string $method): string
    {
        $class = 'Overriding' . ucfirst($method);
        if (!class_exists(__NAMESPACE__ . "\\$class", false)) {
            eval('namespace ' . __NAMESPACE__ . "; class $class extends \\GatewayWorker\\Lib\\Gateway {
                public static \$reply;
                public static \$calls = 0;
                public static function $method(...\$arguments) {
                    self::\$calls++;
                    return self::\$reply;
                }
            }");
        }
        return __NAMESPACE__ . "\\$class";
    }
}
