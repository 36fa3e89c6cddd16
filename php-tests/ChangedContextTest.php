<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * A Context that its users have changed: client ids and sessions of their own form.
 */
final class ChangedContextTest extends ClusterTestCase
{
    /** Ids of 28 digits: the time of the deployment stands in front of the address. */
    private const OWN_IDS = '
        public static function addressToClientId($local_ip, $local_port, $connection_id)
        {
            self::$calls[] = __FUNCTION__;
            return bin2hex(pack("NNnN", 0x5eed, $local_ip, $local_port, $connection_id));
        }
        public static function clientIdToAddress($client_id)
        {
            self::$calls[] = __FUNCTION__;
            if (strlen($client_id) !== 28) {
                echo "no id: $client_id\n";
                return false;
            }
            return unpack("Nepoch/Nlocal_ip/nlocal_port/Nconnection_id", pack("H*", $client_id));
        }';

    private const ORIGINAL_IDS = '
        public static function addressToClientId($local_ip, $local_port, $connection_id)
        {
            self::$calls[] = __FUNCTION__;
            return bin2hex(pack("NnN", $local_ip, $local_port, $connection_id));
        }
        public static function clientIdToAddress($client_id)
        {
            self::$calls[] = __FUNCTION__;
            return unpack("Nlocal_ip/nlocal_port/Nconnection_id", pack("H*", $client_id));
        }';

    private const OWN_SESSIONS = '
        public static function sessionEncode($session = "")
        {
            self::$calls[] = __FUNCTION__;
            return $session === "" ? "" : json_encode($session);
        }
        public static function sessionDecode($bytes)
        {
            self::$calls[] = __FUNCTION__;
            return json_decode($bytes, true);
        }';

    private const ORIGINAL_SESSIONS = '
        public static function sessionEncode($session = "")
        {
            self::$calls[] = __FUNCTION__;
            return $session === "" ? "" : serialize($session);
        }
        public static function sessionDecode($bytes)
        {
            self::$calls[] = __FUNCTION__;
            return unserialize($bytes);
        }';

    /**
     * @return array<string, array{string}>
     */
    public static function classes(): array
    {
        return ['GatewayWorker\Lib' => ['GatewayWorker\Lib'], 'GatewayClient' => ['GatewayClient']];
    }

    /**
     * @dataProvider classes
     */
    public function testOwnIdsAreUnderstoodByEveryMethodThatTakesThem(string $namespace): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $report = $this->report($namespace, self::OWN_IDS . self::ORIGINAL_SESSIONS, '
            [$a, $b] = [own($argv[2]), own($argv[3])];
            $report = [
                "sent" => Gateway::sendToClient($a, "to a"),
                "online" => [Gateway::isOnline($a), Gateway::isOnline(substr($b, 0, -8) . "00ffffff")],
                "bad" => Gateway::sendToClient($argv[2], "to nobody"),
            ];
            Gateway::bindUid($b, "bob");
            Gateway::joinGroup($a, "room");
            Gateway::joinGroup($b, "room");
            Gateway::setSession($a, ["name" => "ann"]);
            Gateway::updateSession($a, ["age" => 7]);
            $report["session"] = Gateway::getSession($a);
            $report["uid"] = Gateway::getUidByClientId($b);
            Gateway::sendToAll("to the list", [$a, $b], [$b]);
            Gateway::sendToAll("to all but a", null, [$a]);
            Gateway::sendToGroup("room", "to the room but b", [$b]);
            $report["closed"] = Gateway::closeClient($a, "bye");
        ', [$a->clientId(), $b->clientId()]);
        self::assertSame("no id: {$a->clientId()}\n", $report['printed'], 'Context says that it is none');
        self::assertSame(true, $report['sent']);
        self::assertSame([1, 0], $report['online']);
        self::assertSame(false, $report['bad']);
        self::assertSame(['name' => 'ann', 'age' => 7], $report['session']);
        self::assertSame('bob', $report['uid']);
        self::assertSame(true, $report['closed']);
        self::assertSame(['to a', 'to the list', 'to the room but b', 'bye'], $a->receiveUntilClosed());
        $this->assertReceived(['to all but a'], $b);
    }

    /**
     * @dataProvider classes
     */
    public function testOwnIdsAreGivenByEveryMethodThatReturnsIds(string $namespace): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $report = $this->report($namespace, self::OWN_IDS . self::ORIGINAL_SESSIONS, '
            [$a, $b] = [own($argv[2]), own($argv[3])];
            Gateway::bindUid($b, "bob");
            Gateway::joinGroup($a, "room");
            Gateway::setSession($a, ["name" => "ann"]);
            $report = ["a" => $a, "b" => $b];
            $report["of uid"] = Gateway::getClientIdByUid("bob");
            $report["online"] = [Gateway::isUidOnline("bob"), Gateway::isUidOnline("eve")];
            $report["all"] = Gateway::getAllClientIdList();
            $report["of group"] = Gateway::getClientIdListByGroup("room");
            $report["counts"] = [Gateway::getAllClientIdCount(), Gateway::getClientIdCountByGroup("room")];
            $report["sessions"] = Gateway::getAllClientSessions();
            $report["sessions of group"] = Gateway::getClientSessionsByGroup("room");
            if (method_exists(Gateway::class, "batchGetClientIdByUid")) {
                $report["batch"] = Gateway::batchGetClientIdByUid(["bob", "eve"]);
            }
        ', [$a->clientId(), $b->clientId()]);
        [$a, $b] = [$report['a'], $report['b']];
        self::assertSame(28, strlen($a));
        self::assertSame([$b], $report['of uid']);
        self::assertSame([1, 0], $report['online']);
        self::assertSameMap([$a => $a, $b => $b], $report['all']);
        self::assertSame([$a => $a], $report['of group']);
        self::assertSame([2, 1], $report['counts']);
        self::assertSameMap([$a => ['name' => 'ann'], $b => []], $report['sessions']);
        self::assertSame([$a => ['name' => 'ann']], $report['sessions of group']);
        if (isset($report['batch'])) {
            self::assertSameMap(['bob' => [$b], 'eve' => []], $report['batch'] + ['eve' => []]);
        }
        self::assertSame('', $report['printed']);
    }

    public function testOwnIdsAreGivenInTheListsByGroup(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $report = $this->report('GatewayWorker\Lib', self::OWN_IDS . self::ORIGINAL_SESSIONS, '
            [$a, $b] = [own($argv[2]), own($argv[3])];
            Gateway::joinGroup($a, "room");
            Gateway::joinGroup($b, "room");
            Gateway::joinGroup($b, "hall");
            $report = ["a" => $a, "b" => $b, "groups" => Gateway::getAllGroupClientIdList()];
        ', [$a->clientId(), $b->clientId()]);
        [$a, $b] = [$report['a'], $report['b']];
        self::assertSameMap(['room' => [$a => $a, $b => $b], 'hall' => [$b => $b]], $report['groups']);
    }

    public function testTheCurrentClientIsTheOneOfItsOwnId(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $report = $this->report('GatewayWorker\Lib', self::OWN_IDS . self::ORIGINAL_SESSIONS, '
            $address = unpack("Nip/nport/Nconnection", pack("H*", $argv[2]));
            [Context::$local_ip, Context::$local_port, Context::$connection_id] = array_values($address);
            Context::$client_id = own($argv[2]);
            $_SESSION = ["from" => "the callback"];
            Gateway::updateSession(Context::$client_id, ["and" => "more"]);
            $report["session"] = $_SESSION;
            $report["sessions"] = Gateway::getAllClientSessions();
            $report["sent"] = [Gateway::sendToCurrentClient("current"), Gateway::sendToClient(Context::$client_id, "id")];
            $report["a"] = Context::$client_id;
            $report["b"] = own($argv[3]);
        ', [$a->clientId(), $b->clientId()]);
        $session = ['from' => 'the callback', 'and' => 'more'];
        self::assertSame($session, $report['session']);
        self::assertSameMap([$report['a'] => $session, $report['b'] => []], $report['sessions']);
        self::assertSame([true, true], $report['sent']);
        $this->assertReceived(['current', 'id'], $a);
    }

    /**
     * @dataProvider classes
     */
    public function testOwnSessionsAreWrittenAndReadByTheContext(string $namespace): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $report = $this->report($namespace, self::ORIGINAL_IDS . self::OWN_SESSIONS, '
            Gateway::setSession($argv[2], ["name" => "ann"]);
            Gateway::setSocketSession($argv[3], "[1,2]");
            $report["sessions"] = Gateway::getAllClientSessions();
        ', [$a->clientId(), $b->clientId()]);
        self::assertSameMap([$a->clientId() => ['name' => 'ann'], $b->clientId() => [1, 2]], $report['sessions']);
        // A process with the original Context sees what has been stored.
        $stored = $this->report($namespace, self::ORIGINAL_IDS . str_replace(
            'unserialize($bytes)',
            '$bytes . " as bytes"',
            self::ORIGINAL_SESSIONS
        ), '$report["sessions"] = Gateway::getAllClientSessions();', []);
        self::assertSame('{"name":"ann"} as bytes', $stored['sessions'][$a->clientId()]);
    }

    /**
     * @group better-than-original
     */
    public function testGetSessionReadsOwnSessionsToo(): void
    {
        $this->requireNative('gives false, with a notice');
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $report = $this->report('GatewayWorker\Lib', self::ORIGINAL_IDS . self::OWN_SESSIONS, '
            Gateway::setSession($argv[2], ["name" => "ann"]);
            $nobody = substr($argv[2], 0, -8) . "00ffffff";
            $report["sessions"] = array_map([Gateway::class, "getSession"], [$argv[2], $argv[3], $nobody]);
        ', [$a->clientId(), $b->clientId()]);
        self::assertSame([['name' => 'ann'], [], null], $report['sessions']);
    }

    /**
     * @group better-than-original
     */
    public function testAnUnchangedContextIsTriedOnceAndNotCalledAgain(): void
    {
        $this->requireNative('calls it for each client');
        $this->enter('client');
        $a = $this->text(0);
        $report = $this->report('GatewayWorker\Lib', self::ORIGINAL_IDS . self::ORIGINAL_SESSIONS, '
            Gateway::setSession($argv[2], ["n" => 1]);
            $calls = count(Context::$calls);
            for ($i = 0; $i < 10; $i++) {
                Gateway::sendToClient($argv[2], "x");
                Gateway::getAllClientSessions();
                Gateway::getAllClientIdList();
                Gateway::getSession($argv[2]);
                Gateway::updateSession($argv[2], ["n" => 2]);
            }
            $report = ["at first" => $calls, "then" => count(Context::$calls) - $calls];
        ', [$a->clientId()]);
        self::assertGreaterThan(0, $report['at first']);
        self::assertLessThanOrEqual(8, $report['at first']);
        self::assertSame(0, $report['then']);
        self::assertSame('', $report['printed']);
    }

    /**
     * @group better-than-original
     */
    public function testAContextThatThrowsWhenItIsTriedHarmsNoCallThatDoesWithoutIt(): void
    {
        $this->requireNative('needs its methods in other places');
        $this->enter('client');
        $a = $this->text(0);
        $report = $this->report('GatewayWorker\Lib', self::ORIGINAL_IDS . '
            public static function sessionEncode($session = "") { throw new \LogicException("no key yet"); }
            public static function sessionDecode($bytes) { throw new \LogicException("no key yet"); }
        ', '
            $report["sent"] = Gateway::sendToClient($argv[2], "hello");
            try {
                Gateway::setSession($argv[2], ["n" => 1]);
            } catch (\LogicException $exception) {
                $report["thrown"] = $exception->getMessage();
            }
        ', [$a->clientId()]);
        self::assertSame(['sent' => true, 'thrown' => 'no key yet', 'printed' => ''], $report);
        $this->assertReceived(['hello'], $a);
    }

    public function testAnExceptionOfTheContextIsTheOneThatIsThrown(): void
    {
        $this->enter('client');
        $a = $this->text(0);
        $ids = str_replace('echo "no id: $client_id\n";', 'throw new \DomainException("no id");', self::OWN_IDS);
        $report = $this->report('GatewayWorker\Lib', $ids . self::ORIGINAL_SESSIONS, '
            foreach (["sendToClient" => ["m"], "isOnline" => [], "getSession" => [], "closeClient" => []] as $method => $more) {
                try {
                    Gateway::$method($argv[2], ...$more);
                } catch (\DomainException $exception) {
                    $report[$method] = $exception->getMessage();
                }
            }
        ', [$a->clientId()]);
        $thrown = array_fill_keys(['sendToClient', 'isOnline', 'getSession', 'closeClient'], 'no id');
        self::assertSame($thrown + ['printed' => ''], $report);
    }

    /**
     * Runs code with a Context of its own, and gives what it puts into $report and what it prints.
     *
     * @param list<string> $arguments
     *
     * @return array<string, mixed>
     */
    private function report(string $namespace, string $methods, string $code, array $arguments): array
    {
        $php = Php::run('
            namespace ' . $namespace . ' {
                class Context
                {
                    public static $local_ip, $local_port, $client_ip, $client_port;
                    public static $client_id, $connection_id, $old_session;
                    public static $calls = [];
                    ' . $methods . '
                }
            }
            namespace {
                use ' . $namespace . '\Context;
                use ' . $namespace . '\Gateway;
                function own(string $id): string
                {
                    $address = unpack("Nip/nport/Nconnection", pack("H*", $id));
                    return Context::addressToClientId(...array_values($address));
                }
                Gateway::$registerAddress = $argv[1];
                Gateway::$secretKey = "";
                $report = [];
                ob_start();
                ' . $code . '
                $report["printed"] = ob_get_clean();
                echo serialize($report);
            }
        ', array_merge([$this->cluster->register()], $arguments), ['gatewayworker.gateway_client' => '1']);
        $report = @unserialize($php->stdout);
        self::assertIsArray($report, $php->stdout . $php->stderr);
        return $report;
    }
}
