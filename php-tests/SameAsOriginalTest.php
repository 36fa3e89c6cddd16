<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * What odd arguments and states come to: the same as with the original.
 */
final class SameAsOriginalTest extends ClusterTestCase
{
    // ---- no current client ----

    /**
     * @return array<string, array{string, array<mixed>, mixed}>
     */
    public static function callsWithoutAClient(): array
    {
        return [
            'sendToClient' => ['sendToClient', [null, 'm'], false],
            'sendToCurrentClient' => ['sendToCurrentClient', ['m'], false],
            'bindUid' => ['bindUid', [null, 'ann'], null],
            'unbindUid' => ['unbindUid', [null, 'ann'], null],
            'joinGroup' => ['joinGroup', [null, 'room'], null],
            'leaveGroup' => ['leaveGroup', [null, 'room'], null],
            'setSession' => ['setSession', [null, ['a' => 1]], null],
            'updateSession' => ['updateSession', [null, ['a' => 1]], null],
            'setSocketSession' => ['setSocketSession', [null, 'a:0:{}'], false],
        ];
    }

    /**
     * @dataProvider callsWithoutAClient
     *
     * @param array<mixed> $arguments
     */
    public function testANullClientIdOutsideOfACallbackThrows(string $method, array $arguments): void
    {
        $this->enter('client');
        $outcome = $this->observe(static function () use ($method, $arguments) {
            return Gateway::$method(...$arguments);
        });
        self::assertInstanceOf(\Exception::class, $outcome->thrown);
        $session = in_array($method, ['setSession', 'updateSession'], true) ? ['a' => 1] : null;
        self::assertSame($session, $_SESSION, 'the session is set before');
    }

    /**
     * @dataProvider callsWithoutAClient
     *
     * @param array<mixed> $arguments
     * @param mixed        $returned
     */
    public function testInAWorkerItIsRefusedInstead(string $method, array $arguments, $returned): void
    {
        $this->enter('worker');
        $outcome = $this->observe(static function () use ($method, $arguments) {
            return Gateway::$method(...$arguments);
        });
        self::assertNull($outcome->thrown, (string) $outcome->thrown);
        self::assertSame($returned, $outcome->returned);
    }

    /**
     * @dataProvider modes
     */
    public function testClosingNobodyThrows(string $mode): void
    {
        $this->enter($mode);
        foreach (['closeClient' => 'closeCurrentClient', 'destoryClient' => 'destoryCurrentClient'] as $method => $inner) {
            $outcome = $this->observe(static function () use ($method) {
                return Gateway::$method(null);
            });
            self::assertNotNull($outcome->thrown, $method);
            self::assertSame("$inner can not be called in async context", $outcome->thrown->getMessage());
        }
    }

    public function testGatewayClientThrowsForANullClientIdToo(): void
    {
        $this->enter('client');
        $php = $this->client('
            $calls = [["sendToClient", "m"], ["bindUid", "u"], ["joinGroup", "g"], ["setSession", []], ["updateSession", []],
                ["setSocketSession", ""], ["closeClient"], ["destoryClient"], ["isOnline"], ["getSession"]];
            foreach ($calls as $call) {
                $method = array_shift($call);
                try {
                    Gateway::$method(null, ...$call);
                    echo "$method returned\n";
                } catch (Throwable $thrown) {
                    echo "$method threw ", strpos($thrown->getMessage(), "async") ? "async" : "", "\n";
                }
            }
        ');
        self::assertStringNotContainsString('returned', $php);
        self::assertSame(10, substr_count($php, 'threw'), $php);
        self::assertStringContainsString('destoryClient threw async', $php);
    }

    // ---- the address of the register ----

    public function testTheAddressOfTheRegisterIsTakenAsTheOriginalTakesIt(): void
    {
        $this->enter('client');
        $register = $this->cluster->register();
        [$host, $port] = explode(':', $register);
        $addresses = [
            "$register\n", "$register\r\n", "$register ", "$register/", "$register/path", "$register?query", "$register\t",
            "$register,127.0.0.1:1", "$register; $register", "$host:0$port", "$host: $port", "{$register}abc",
            [$register], ["$register\n"], ['', $register], ['127.0.0.1:1', $register], ['key' => $register],
            new \ArrayObject([$register]), new \ArrayIterator(['127.0.0.1:1', $register]), (object) ['only' => $register],
        ];
        foreach ($addresses as $address) {
            Gateway::$registerAddress = $address;
            $outcome = $this->observe(static function () {
                return Gateway::getAllClientIdCount();
            });
            $what = var_export($address, true) . ": {$outcome->thrown}";
            self::assertNull($outcome->thrown, $what);
            self::assertSame(0, $outcome->returned, $what);
        }
    }

    /**
     * @group better-than-original
     */
    public function testWaysToWriteItThatTheOriginalRefusesAreTakenToo(): void
    {
        $this->requireNative('cannot connect');
        $this->enter('client');
        $register = $this->cluster->register();
        foreach ([" $register", "text://$register", "tcp://$register/", "127.0.0.1:1, $register"] as $address) {
            Gateway::$registerAddress = $address;
            self::assertSame(0, Gateway::getAllClientIdCount(), $address);
        }
    }

    /**
     * @group better-than-original
     */
    public function testAnAddressThatIsNoneIsNamedWithWhatIsDue(): void
    {
        $this->requireNative('says that it cannot connect');
        foreach (['127.0.0.1', 'host:port', 'a:1236:key@b:1', "127.0.0.1\u{ff1a}1236"] as $address) {
            Gateway::$registerAddress = $address;
            $outcome = $this->observe(static function () {
                return Gateway::getAllClientIdCount();
            });
            self::assertInstanceOf(\GatewayWorker\Lib\UnreachableException::class, $outcome->thrown);
            self::assertStringContainsString(
                "Gateway::\$registerAddress \"$address\" is not of the form host:port, such as 127.0.0.1:1236",
                $outcome->thrown->getMessage()
            );
        }
    }

    // ---- sessions ----

    /**
     * @return array<string, array{mixed, array<mixed>}>
     */
    public static function sessions(): array
    {
        return [
            'null' => [null, []],
            'int' => [5, [5]],
            'empty string' => ['', ['']],
            'false' => [false, [false]],
            'object' => [(object) ['x' => ['a' => 1]], ['x' => ['a' => 1]]],
            'ArrayObject' => [new \ArrayObject(['x' => ['a' => 1]]), ['x' => ['a' => 1]]],
        ];
    }

    /**
     * @dataProvider sessions
     *
     * @param mixed        $session
     * @param array<mixed> $asArray
     */
    public function testASessionThatIsNoArrayIsTakenAsOne($session, array $asArray): void
    {
        $this->enter('client');
        $id = $this->text()->clientId();
        $this->handleEventOf($id, $session);
        self::assertSame([$id => $asArray], Gateway::getAllClientSessions());
        self::assertEquals($session, $_SESSION);
        Gateway::updateSession($id, ['x' => ['b' => 2]]);
        $merged = array_replace_recursive($asArray, ['x' => ['b' => 2]]);
        self::assertSame([$merged, $merged], [$_SESSION, Context::$old_session]);
        $this->handleEventOf($id, $session);
        Gateway::setSession($id, ['new' => 1]);
        self::assertSame([['new' => 1], ['new' => 1]], [$_SESSION, Context::$old_session]);
    }

    public function testBytesBehindASessionAreIgnored(): void
    {
        $this->enter('client');
        $id = $this->text()->clientId();
        foreach (['a:1:{s:1:"n";i:1;}xyz', 'i:5;junk', 'O:8:"stdClass":0:{}zz', "a:0:{}\0"] as $bytes) {
            Gateway::setSocketSession($id, $bytes);
            $expected = @unserialize($bytes);
            self::assertEquals($expected, @Gateway::getSession($id), $bytes);
            self::assertEquals([$id => $expected], @Gateway::getAllClientSessions(), $bytes);
        }
    }

    // ---- Context ----

    public function testNumbersOfTheContextMayBeStringsOrFloats(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $this->handleEventOf($client->clientId());
        $numbers = [Context::$local_ip, Context::$local_port, Context::$connection_id];
        $forms = [
            'string' => 'strval',
            'float' => 'floatval',
            'blank in front' => static function (int $number): string {
                return " $number";
            },
        ];
        foreach ($forms as $name => $form) {
            [Context::$local_ip, Context::$local_port, Context::$connection_id] = array_map($form, $numbers);
            self::assertTrue(Gateway::sendToCurrentClient("current, $name"), $name);
            self::assertTrue(Gateway::sendToClient($client->clientId(), "by id, $name"), $name);
            $this->assertReceived(["current, $name", "by id, $name"], $client);
        }
    }

    // ---- exclusions ----

    public function testExclusionsFromAListAreComparedAsTheyAreWritten(): void
    {
        $this->enter('client');
        $client = $this->text();
        $id = $client->clientId();
        foreach ([['bad'], 'bad', [strtoupper($id)], [5], [[]], [null]] as $number => $excluded) {
            // The original warns of what cannot be a key.
            @Gateway::sendToAll("sent $number", [$id], $excluded);
        }
        Gateway::sendToAll('excluded', [$id], [$id]);
        Gateway::sendToAll('excluded', [$id], $id);
        $outcome = $this->observe(static function () use ($id) {
            Gateway::sendToAll('last', ['bad', $id], ['bad']);
        });
        $this->assertComplaint(false, $outcome);
        $this->assertReceived(['sent 0', 'sent 1', 'sent 2', 'sent 3', 'sent 4', 'sent 5', 'last'], $client);
    }

    public function testGatewayClientThrowsForABadExclusionFromAllOnly(): void
    {
        $this->enter('client');
        $client = $this->text();
        $printed = $this->client('
            Gateway::sendToAll("sent", [$argv[2]], ["bad"]);
            try {
                Gateway::sendToAll("not sent", null, ["bad"]);
            } catch (Exception $exception) {
                echo $exception->getMessage();
            }
            Gateway::getAllClientIdCount();
        ', [$client->clientId()]);
        self::assertSame('client_id bad is invalid', $printed);
        $this->assertReceived(['sent'], $client);
    }

    // ---- the BusinessWorker ----

    public function testABusinessWorkerThatIsFalseCountsForQueriesAlone(): void
    {
        $this->enter('client');
        $client = $this->text();
        $id = $client->clientId();
        foreach ([false, 0, '', []] as $worker) {
            Gateway::setBusinessWorker($worker);
            $type = gettype($worker);
            self::assertTrue(Gateway::sendToClient($id, 'one'));
            Gateway::sendToAll('all');
            self::assertSame(0, Gateway::isOnline($id), $type);
            self::assertNull(Gateway::getSession($id), $type);
            $outcome = $this->observe(static function () {
                return Gateway::getAllClientIdCount();
            });
            self::assertInstanceOf(\Error::class, $outcome->thrown);
            self::assertStringContainsString('getAllGatewayAddresses() on ', $outcome->thrown->getMessage());
            Gateway::setBusinessWorker(null);
            $this->assertReceived(['one', 'all'], $client, $type);
        }
    }

    public function testABusinessWorkerWithoutTheMethodIsNamed(): void
    {
        $this->enter('client');
        Gateway::setBusinessWorker(new \ArrayObject());
        $outcome = $this->observe(static function () {
            return Gateway::getAllClientIdCount();
        });
        self::assertInstanceOf(\Error::class, $outcome->thrown);
        self::assertSame(
            'Call to undefined method ArrayObject::getAllGatewayAddresses()',
            $outcome->thrown->getMessage()
        );
    }

    // ---- the protocol ----

    public function testTheProtocolHasItsShortName(): void
    {
        $php = Php::run('
            spl_autoload_register(static function (string $class): void {
                if ($class === "GatewayWorker\Protocols\GatewayProtocol" && !class_exists($class, false)) {
                    eval("namespace GatewayWorker\Protocols; class GatewayProtocol { public static \$empty = [1]; }");
                }
            });
            class_exists("GatewayWorker\Lib\Gateway");
            var_dump(
                is_array(\Protocols\GatewayProtocol::$empty),
                is_a("Protocols\GatewayProtocol", "GatewayWorker\Protocols\GatewayProtocol", true),
                class_exists("Protocols\Other")
            );
        ');
        self::assertSame("bool(true)\nbool(true)\nbool(false)\n", $php->stdout, $php->stderr);
    }

    public function testAProtocolOfTheUsersOwnKeepsTheShortName(): void
    {
        $php = Php::run('
            spl_autoload_register(static function (string $class): void {
                if ($class === "Protocols\GatewayProtocol") {
                    eval("namespace Protocols; class GatewayProtocol { const OWN = true; }");
                }
            });
            class_exists("GatewayWorker\Lib\Gateway");
            var_dump(\Protocols\GatewayProtocol::OWN);
        ');
        self::assertSame("bool(true)\n", $php->stdout, $php->stderr);
    }

    /**
     * Runs code with GatewayClient\Gateway, and gives what it prints.
     *
     * @param list<string> $arguments
     */
    private function client(string $code, array $arguments = []): string
    {
        $php = Php::run(
            'use GatewayClient\Gateway;
            error_reporting(0);
            Gateway::$registerAddress = $argv[1];
            ' . $code,
            array_merge([$this->cluster->register()], $arguments),
            ['gatewayworker.gateway_client' => '1', 'error_log' => '/dev/null']
        );
        self::assertSame(0, $php->exitCode, $php->stderr);
        return $php->stdout;
    }
}
