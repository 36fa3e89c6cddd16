<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use Exception;
use GatewayWorker\Lib\BadReplyException;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Lib\RejectedException;
use GatewayWorker\Lib\UnreachableException;
use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Gatewayd;
use GatewayWorker\Tests\Support\Outcome;
use GatewayWorker\Tests\Support\Php;

/**
 * What happens when a gateway or the register fails: an error that says so, never an empty result.
 */
final class FailureTest extends ClusterTestCase
{
    /** @var list<Gatewayd> */
    private $started = [];

    protected function tearDown(): void
    {
        parent::tearDown();
        foreach ($this->started as $cluster) {
            $cluster->stop();
        }
        $this->started = [];
    }

    /**
     * The queries that go to all gateways, with arguments.
     */
    private const FAN_OUT = [
        'getAllClientCount' => [],
        'getAllClientIdCount' => [],
        'getClientCountByGroup' => ['room'],
        'getClientIdCountByGroup' => ['room'],
        'getAllClientIdList' => [],
        'getAllClientSessions' => [],
        'getClientSessionsByGroup' => ['room'],
        'getClientIdListByGroup' => ['room'],
        'getClientIdByUid' => ['ann'],
        'isUidOnline' => ['ann'],
        'getUidListByGroup' => ['room'],
        'getUidCountByGroup' => ['room'],
        'getAllUidList' => [],
        'getAllUidCount' => [],
        'getAllGroupIdList' => [],
        'getAllGroupUidList' => [],
        'getAllGroupUidCount' => [],
        'getAllGroupClientIdList' => [],
        'getAllGroupClientIdCount' => [],
    ];

    /** The commands of those queries. */
    private const FAN_OUT_COMMANDS = [10, 15, 16, 23, 24, 25, 26, 28];

    /**
     * @return array<string, array{string, array<mixed>}>
     */
    public static function fanOutQueries(): array
    {
        $queries = [];
        foreach (self::FAN_OUT as $method => $arguments) {
            $queries[$method] = [$method, $arguments];
        }
        return $queries;
    }

    /**
     * @dataProvider fanOutQueries
     * @group better-than-original
     *
     * @param array<mixed> $arguments
     */
    public function testAQueryThrowsWhenAGatewayClosesInsteadOfReplying(string $method, array $arguments): void
    {
        $this->enter('client');
        $this->text(0);
        foreach (self::FAN_OUT_COMMANDS as $command) {
            $this->cluster->reply(1, $command, '', 100);
        }
        try {
            $outcome = $this->observe(static function () use ($method, $arguments) {
                return Gateway::$method(...$arguments);
            });
        } finally {
            foreach (self::FAN_OUT_COMMANDS as $command) {
                $this->cluster->reply(1, $command, '', 0);
            }
        }
        $this->assertQueryFailed($outcome, $this->cluster->internal(1), '/clos|end of/i');
        self::assertSame(1, Gateway::getAllClientCount(), 'the next query gets its reply');
    }

    /**
     * @group better-than-original
     */
    public function testAQueryOfOneClientThrowsWhenItsGatewayCloses(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        foreach (['isOnline' => 11, 'getSession' => 203, 'getUidByClientId' => 25] as $method => $command) {
            $this->cluster->reply(1, $command, '', 100);
            try {
                $outcome = $this->observe(static function () use ($method, $client) {
                    return Gateway::$method($client->clientId());
                });
            } finally {
                $this->cluster->reply(1, $command, '', 0);
            }
            $this->assertQueryFailed($outcome, $this->cluster->internal(1), '/clos|end of/i');
        }
        self::assertSame(1, Gateway::isOnline($client->clientId()), 'the next query gets its reply');
    }

    /**
     * @group better-than-original
     */
    public function testAQueryThrowsWhenAGatewayDoesNotReplyInTime(): void
    {
        $this->pointAt($this->cluster = $this->started[] = Gatewayd::start());
        $client = $this->text(1);
        self::assertSame(1, Gateway::getAllClientCount());
        $this->cluster->gateway('mute_gateway', 1, ['muted' => true]);
        $outcome = $this->observe(static function () {
            return Gateway::getAllClientCount();
        });
        $this->assertQueryFailed($outcome, $this->cluster->internal(1), '/time(d)?[ -]?out|in time/i');
        $this->cluster->gateway('mute_gateway', 1, ['muted' => false]);
        self::assertSame(1, Gateway::getAllClientCount(), 'the late reply is not taken for that of another query');
        self::assertSame([], Gateway::getSession($client->clientId()));
    }

    /**
     * @group better-than-original
     */
    public function testAQueryOfOneClientThrowsWhenItsGatewayIsTooSlow(): void
    {
        $this->requireNative('waits for ever');
        $this->pointAt($this->cluster = $this->started[] = Gatewayd::start());
        $client = $this->text(1);
        $this->cluster->gateway('mute_gateway', 1, ['muted' => true]);
        $outcome = $this->observe(static function () use ($client) {
            return Gateway::isOnline($client->clientId());
        });
        $this->assertQueryFailed($outcome, $this->cluster->internal(1), '/time(d)?[ -]?out|in time/i');
        $this->cluster->gateway('mute_gateway', 1, ['muted' => false]);
        self::assertSame(1, Gateway::isOnline($client->clientId()));
    }

    /**
     * @group better-than-original
     */
    public function testAQueryThrowsWhenAGatewayCannotBeReached(): void
    {
        $nobody = self::unusedAddress();
        $this->enter('client');
        $this->text(0);
        self::assertSame(1, Gateway::getAllClientCount());
        Gateway::setBusinessWorker($this->worker(array_merge($this->cluster->internalAddresses(), [$nobody])));
        $outcome = $this->observe(static function () {
            return Gateway::getAllClientCount();
        });
        $this->assertQueryFailed($outcome, $nobody, '/can ?not connect|refused/i');
        Gateway::setBusinessWorker(null);
        $outcome = $this->observe(static function () use ($nobody) {
            return Gateway::isOnline(self::clientAt($nobody));
        });
        $this->assertQueryFailed($outcome, $nobody, '/can ?not connect|refused/i');
    }

    /**
     * @dataProvider fanOutQueries
     * @group better-than-original
     *
     * @param array<mixed> $arguments
     */
    public function testPartialResultsLeaveOutAnUnreachableGateway(
        string $method,
        array $arguments
    ): void {
        $this->requireNative('has no such setting');
        $this->enter('client');
        $client = $this->text(0);
        Gateway::bindUid($client->clientId(), 'ann');
        Gateway::joinGroup($client->clientId(), 'room');
        $whole = Gateway::$method(...$arguments);
        self::assertNotEmpty($whole);
        $nobody = self::unusedAddress();
        Gateway::setBusinessWorker($this->worker(array_merge($this->cluster->internalAddresses(), [$nobody])));
        $query = static function () use ($method, $arguments) {
            return Gateway::$method(...$arguments);
        };
        $this->assertQueryFailed($this->observe($query), $nobody, '/can ?not connect|refused/i');
        ini_set('gatewayworker.partial_results', '1');
        try {
            foreach (['logged once' => 1, 'not again' => 0] as $what => $lines) {
                $outcome = $this->observe($query);
                self::assertEquals($whole, $outcome->returned, (string) $outcome->thrown);
                $line = "~^.*gatewayworker: tcp://$nobody left out of results: .*refused.*gatewayworker\.partial_results~m";
                self::assertSame($lines, preg_match_all($line, $outcome->logged), "$what: {$outcome->logged}");
            }
            Gateway::setBusinessWorker($this->worker([$nobody]));
            $this->assertQueryFailed($this->observe($query), $nobody, '/can ?not connect|refused/i');
        } finally {
            ini_restore('gatewayworker.partial_results');
        }
    }

    /**
     * @dataProvider malformedReplies
     * @group better-than-original
     */
    public function testAQueryThrowsWhenTheReplyIsMalformed(string $bytes): void
    {
        $this->enter('client');
        $this->text(0);
        $this->cluster->reply(1, 24, $bytes);
        $outcome = $this->observe(static function () {
            return Gateway::getAllClientCount();
        });
        $this->cluster->reply(1, 24, '', 0);
        $this->assertQueryFailed($outcome, $this->cluster->internal(1), '/./');
        self::assertSame(1, Gateway::getAllClientCount(), 'the next query gets its reply');
    }

    /**
     * @group better-than-original
     */
    public function testAGroupIdThatCannotBeOneIsAnErrorOfItsGateway(): void
    {
        $this->enter('client');
        $this->text(0);
        $query = static function (): array {
            return Gateway::getAllGroupIdList();
        };
        foreach (['N;', 'b:1;', 'd:0.5;'] as $id) {
            $reply = "a:1:{i:0;$id}";
            $this->cluster->reply(1, 26, pack('N', strlen($reply)) . $reply);
            $outcome = $this->observe($query);
            $this->assertQueryFailed($outcome, $this->cluster->internal(1), '/GetGroupIdList.+a group id is neither/');
            self::assertInstanceOf(BadReplyException::class, $outcome->thrown);
        }
        $this->cluster->reply(1, 26, '', 0);
        self::assertSame([], Gateway::getAllGroupIdList(), 'the next query gets its reply');
    }

    /**
     * @return array<string, array{string}>
     */
    public static function malformedReplies(): array
    {
        return [
            'nothing' => [pack('N', 0)],
            'no PHP value' => [pack('N', 7) . 'garbage'],
            'cut short' => [pack('N', 9) . 'a:1:{i:0;'],
            'more than anybody takes' => ["\xff\xff\xff\xff" . 'i:1;'],
        ];
    }

    /**
     * @group better-than-original
     */
    public function testAWrongSecretIsAnErrorAndNoEmptyResult(): void
    {
        $this->enter('client with secret');
        $client = $this->text(1);
        Gateway::$secretKey = 'wrong';
        $isOnline = static function () use ($client) {
            return Gateway::isOnline($client->clientId());
        };
        // Only the register knows whose the id is, and it refuses the key already.
        $this->assertQueryFailed($this->observe($isOnline), $this->cluster->register(), '/secret|key|auth|reject/i');

        Gateway::setBusinessWorker($this->worker($this->cluster->internalAddresses()));
        $this->assertQueryFailed($this->observe($isOnline), $this->cluster->internal(1), '/secret|key|auth|reject/i');
        $all = $this->observe(static function () {
            return Gateway::getAllClientCount();
        });
        // One of the two: their hosts differ in the last part.
        $hosts = substr($this->cluster->internal(0), 0, (int) strrpos($this->cluster->internal(0), '.') + 1);
        $this->assertQueryFailed($all, $hosts, '/secret|key|auth|reject/i');

        Gateway::setBusinessWorker(null);
        Gateway::$secretKey = self::SECRET;
        self::assertSame(1, Gateway::getAllClientCount(), 'with the right one it works at once');
    }

    public function testARegisterThatRefusesTheSecretIsAnError(): void
    {
        $this->enter('client with secret');
        Gateway::$secretKey = 'wrong';
        $outcome = $this->observe(static function () {
            return Gateway::getAllClientCount();
        });
        self::assertInstanceOf(Exception::class, $outcome->thrown);
        self::assertStringContainsString($this->cluster->register(), $outcome->thrown->getMessage());
    }

    /**
     * @group better-than-original
     */
    public function testARegisterThatRefusesTheSecretSaysThatItIsTheSecret(): void
    {
        $this->enter('client with secret');
        Gateway::$secretKey = 'wrong';
        $thrown = $this->observe(static function () {
            return Gateway::sendToAll('x');
        })->thrown;
        self::assertInstanceOf(RejectedException::class, $thrown);
        self::assertStringContainsString($this->cluster->register(), $thrown->getMessage());
        self::assertStringContainsString('secret key is wrong', $thrown->getMessage());
    }

    /**
     * In a process of its own: its link retries for the whole life of the process.
     *
     * @group better-than-original
     */
    public function testARejectedSecretIsReportedEverywhere(): void
    {
        $this->requireNative('sends to it for ever');
        $gateways = $this->started[] = Gatewayd::start(1, self::SECRET);
        $register = $this->started[] = Gatewayd::start(0, 'Wrong-Key', ['--register-only']);
        $register->control(['cmd' => 'add_address', 'address' => $gateways->internal(0)]);
        $php = Php::run(
            '
                use GatewayWorker\Lib\Gateway;
                [, Gateway::$registerAddress, Gateway::$secretKey] = $argv;
                // The first ones are sent on a connection that the gateway has not closed yet, or
                // that it has just closed.
                $thrown = null;
                for ($i = 0; !$thrown instanceof GatewayWorker\Lib\RejectedException && $i < 10000; $i++, usleep(1000)) {
                    try {
                        Gateway::sendToAll("x");
                    } catch (Exception $thrown) {
                    }
                }
                $link = Gateway::status()["clusters"][0]["gateways"][0];
                echo json_encode([(string) ($thrown ? get_class($thrown) : ""), $thrown?->getMessage(), $link["last_error"]]);
            ',
            [$register->register(), 'Wrong-Key'],
            ['error_log' => '', 'display_errors' => '0', 'gatewayworker.flush_timeout' => '0']
        );
        [$class, $message, $lastError] = json_decode($php->stdout, true);
        self::assertSame(RejectedException::class, $class, "$message; $php->stderr");
        self::assertMatchesRegularExpression("~tcp://{$gateways->internal(0)}.*secret key~", $message);
        self::assertStringContainsString('secret key', $lastError);
        $line = "~^.*gatewayworker: tcp://{$gateways->internal(0)} rejects the connection: .*secret key~m";
        self::assertSame(1, preg_match_all($line, $php->stderr), $php->stderr);
        self::assertStringNotContainsString('Wrong-Key', $php->stdout . $php->stderr);
    }

    public function testAnUnreachableRegisterIsAnError(): void
    {
        Gateway::$registerAddress = self::unusedAddress();
        foreach (['sendToAll' => ['x'], 'getAllClientCount' => [], 'ungroup' => ['room']] as $method => $arguments) {
            $outcome = $this->observe(static function () use ($method, $arguments) {
                return Gateway::$method(...$arguments);
            });
            self::assertInstanceOf(Exception::class, $outcome->thrown, $method);
            self::assertMatchesRegularExpression(
                '~^can ?not connect to tcp://' . Gateway::$registerAddress . '~i',
                $outcome->thrown->getMessage()
            );
        }
    }

    /**
     * @group better-than-original
     */
    public function testNoAddressOfARegisterIsAnUnreachableRegister(): void
    {
        foreach (['', [], ['', '']] as $none) {
            Gateway::$registerAddress = $none;
            foreach (['sendToAll' => ['x'], 'getAllClientCount' => []] as $method => $arguments) {
                $outcome = $this->observe(static function () use ($method, $arguments) {
                    return Gateway::$method(...$arguments);
                });
                self::assertInstanceOf(UnreachableException::class, $outcome->thrown, $method);
                self::assertStringStartsWith('cannot connect to a register: ', $outcome->thrown->getMessage());
                self::assertStringContainsString('$registerAddress is empty', $outcome->thrown->getMessage());
            }
        }
    }

    /**
     * @group better-than-original
     */
    public function testAnErrorOfTheConnectionRaisesNoWarning(): void
    {
        Gateway::$registerAddress = $nobody = self::unusedAddress();
        $calls = [
            'sendToAll' => ['x'],
            'getAllClientCount' => [],
            'sendToClient' => [self::clientAt($nobody), 'x'],
            'isOnline' => [self::clientAt($nobody)],
        ];
        foreach ($calls as $method => $arguments) {
            $outcome = $this->observe(static function () use ($method, $arguments) {
                return Gateway::$method(...$arguments);
            });
            self::assertInstanceOf(Exception::class, $outcome->thrown, $method);
            self::assertSame([], $outcome->warnings, $method);
            self::assertSame('', $outcome->printed, $method);
        }
    }

    /**
     * @group better-than-original
     */
    public function testARegisterThatSaysNothingIsGivenUpOn(): void
    {
        $silent = stream_socket_server('tcp://127.0.0.1:0');
        Gateway::$registerAddress = stream_socket_get_name($silent, false);
        Gateway::$connectTimeout = 0.2;
        $outcome = $this->observe(static function () {
            return Gateway::getAllClientCount();
        });
        self::assertInstanceOf(Exception::class, $outcome->thrown);
        self::assertNotSame(Exception::class, get_class($outcome->thrown));
        self::assertStringContainsString(Gateway::$registerAddress, $outcome->thrown->getMessage());
        self::assertMatchesRegularExpression('/time(d)?[ -]?out|in time/i', $outcome->thrown->getMessage());
        self::assertSame([], $outcome->warnings);
    }

    public function testSendingToAClientOfAnUnreachableGatewayThrows(): void
    {
        $nobody = self::unusedAddress();
        $this->enter('client');
        foreach (['sendToClient', 'closeClient', 'bindUid', 'joinGroup'] as $method) {
            $outcome = $this->observe(static function () use ($method, $nobody) {
                return Gateway::$method(self::clientAt($nobody), 'x');
            });
            self::assertInstanceOf(Exception::class, $outcome->thrown, $method);
            self::assertStringContainsString("cannot connect to tcp://$nobody: ", $outcome->thrown->getMessage());
        }
    }

    /**
     * @group better-than-original
     */
    public function testADeadGatewayDoesNotKeepAFanOutFromTheOthers(): void
    {
        $this->pointAt($this->cluster = $this->started[] = Gatewayd::start(3));
        $this->killButKeepListed(2);
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::joinGroup($b->clientId(), 'room');
        $outcome = $this->observe(function () use ($a): void {
            self::assertNull(Gateway::sendToAll('to all'));
            self::assertNull(Gateway::sendToAll('to others', null, [$a->clientId()]));
            self::assertNull(Gateway::sendToUid('ann', 'for ann'));
            self::assertNull(Gateway::sendToGroup('room', 'for the room'));
            self::assertNull(Gateway::sendToGroup('room', 'for the room again', [$a->clientId()]));
            self::assertNull(Gateway::ungroup('room'));
            self::assertNull(Gateway::sendToGroup('room', 'for nobody'));
        });
        self::assertNull($outcome->thrown, (string) $outcome->thrown);
        self::assertSame([], $outcome->warnings);
        $this->assertReceived(['to all', 'for ann'], $a);
        $this->assertReceived(['to all', 'to others', 'for the room', 'for the room again'], $b);
    }

    /**
     * @group better-than-original
     */
    public function testAFanOutReachesTheOthersWhenAGatewayDiesThatWasInUse(): void
    {
        $this->pointAt($this->cluster = $this->started[] = Gatewayd::start(3));
        [$a, $c] = [$this->text(0), $this->text(2)];
        Gateway::sendToAll('all three');
        self::assertSame(2, Gateway::getAllClientCount());
        $this->killButKeepListed(1);
        for ($i = 0; $i < 3; $i++) {
            self::assertNull(Gateway::sendToAll("two left $i"));
        }
        foreach ([$a, $c] as $client) {
            $this->assertReceived(['all three', 'two left 0', 'two left 1', 'two left 2'], $client);
        }
    }

    public function testAFanOutThatReachesNobodyThrows(): void
    {
        $this->pointAt($this->cluster = $this->started[] = Gatewayd::start());
        $this->killButKeepListed(1);
        $this->cluster->gateway('remove_address', 0);
        $outcome = $this->observe(static function () {
            return Gateway::sendToAll('to nobody');
        });
        self::assertInstanceOf(Exception::class, $outcome->thrown);
        self::assertStringContainsString($this->cluster->internal(1), $outcome->thrown->getMessage());
    }

    /**
     * A list of clients concerns several gateways: one that is dead keeps nothing from the others.
     *
     * @group better-than-original
     */
    public function testADeadGatewayDoesNotKeepAListFromTheOthers(): void
    {
        $dead = self::unusedAddress();
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $outcome = $this->observe(static function () use ($a, $b, $dead) {
            return Gateway::sendToAll('to some', [self::clientAt($dead), $a->clientId(), $b->clientId()]);
        });
        self::assertNull($outcome->thrown, (string) $outcome->thrown);
        $this->assertReceived(['to some'], $a);
        $this->assertReceived(['to some'], $b);
    }

    public function testAGatewayThatComesBackIsUsedAgain(): void
    {
        $this->pointAt($this->cluster = $this->started[] = Gatewayd::start());
        Gateway::sendToAll('warm up');
        self::assertSame(0, Gateway::getAllClientCount());
        $this->cluster->gateway('stop_gateway', 1);
        $this->cluster->gateway('start_gateway', 1);
        // Queries have connections of their own.
        Clock::waitUntil(static function (): bool {
            try {
                return Gateway::getAllClientCount() === 0;
            } catch (Exception $exception) {
                return false;
            }
        }, 'for the gateway to reply again');
        $client = $this->text(1);
        // Commands fail, or are lost with the connection whose end has not been noticed yet, until
        // there is a new one.
        $received = null;
        Clock::waitUntil(static function () use ($client, &$received): bool {
            try {
                Gateway::sendToClient($client->clientId(), 'back');
                $received = $client->receive(0.1);
                return true;
            } catch (Exception $exception) {
                return false;
            }
        }, 'for the gateway to take commands again');
        self::assertSame('back', $received);
    }

    /**
     * @group better-than-original
     */
    public function testTheLastKnownGatewaysAreUsedWhileTheRegisterIsAway(): void
    {
        $this->pointAt($this->cluster = $this->started[] = Gatewayd::start());
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::sendToAll('with a register');
        $this->cluster->control(['cmd' => 'stop_register']);
        Gateway::sendToAll('without a register');
        self::assertSame(2, Gateway::getAllClientCount());
        foreach ([$a, $b] as $client) {
            $this->assertReceived(['with a register', 'without a register'], $client);
        }
    }

    /**
     * @group better-than-original
     */
    public function testTheRegisterIsAskedOnceForManyCalls(): void
    {
        $this->pointAt($this->cluster = $this->started[] = Gatewayd::start());
        for ($i = 0; $i < 20; $i++) {
            Gateway::sendToAll("$i");
            Gateway::getAllClientCount();
        }
        self::assertSame(1, $this->cluster->stats()['register']['worker_connects']);
    }

    /**
     * Ends a gateway that the register goes on to list.
     */
    private function killButKeepListed(int $gateway): void
    {
        $this->cluster->gateway('stop_gateway', $gateway);
        $this->cluster->gateway('add_address', $gateway);
    }

    private function assertQueryFailed(Outcome $outcome, string $gateway, string $reason): void
    {
        self::assertNotNull($outcome->thrown, 'it returned ' . json_encode($outcome->returned));
        self::assertInstanceOf(Exception::class, $outcome->thrown);
        self::assertNotSame(Exception::class, get_class($outcome->thrown), 'a class of its own');
        self::assertStringContainsString($gateway, $outcome->thrown->getMessage());
        self::assertMatchesRegularExpression($reason, $outcome->thrown->getMessage());
        self::assertSame([], $outcome->warnings);
        self::assertSame('', $outcome->printed);
    }

    /**
     * An address without a listener.
     */
    private static function unusedAddress(): string
    {
        // No gateway of the tests is ever started at this host, so the port stays free for the
        // length of a test.
        $listener = stream_socket_server('tcp://127.0.0.99:0');
        $address = stream_socket_get_name($listener, false);
        fclose($listener);
        return $address;
    }

    private static function clientAt(string $address): string
    {
        [$ip, $port] = explode(':', $address);
        return bin2hex(pack('NnN', ip2long($ip), (int) $port, 1));
    }
}
