<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\Client;
use GatewayWorker\Tests\Support\LifeCycleTestCase;
use GatewayWorker\Tests\Support\PhpProcess;

/**
 * What was accepted is delivered, however the process ends; and the wait for that is bounded and
 * not silent.
 *
 * @group better-than-original
 */
final class ShutdownTest extends LifeCycleTestCase
{
    private const BIG = ['gatewayworker.send_buffer' => '64M'];

    /**
     * How a process may end, with the exit code that follows.
     *
     * @return array<string, array{string, int, int}>
     */
    public static function ends(): array
    {
        $ends = [];
        $codes = [
            'normal' => 0,
            'exit' => 0,
            'exit with a code' => 7,
            'exit in a function' => 0,
            'exception' => 255,
            'fatal error' => 255,
            'memory' => 255,
            'time' => 255,
            'SIGTERM, async' => 0,
            'SIGTERM, dispatched' => 0,
            'shutdown function' => 0,
            'pcntl_exec' => 3,
            'pcntl_exec that fails' => 0,
            'destructor' => 0,
            'closed output' => 0,
        ];
        foreach ($codes as $how => $code) {
            $ends[$how] = [$how, $code];
        }
        return $ends;
    }

    /**
     * @dataProvider ends
     */
    public function testWhatWasAcceptedIsDelivered(string $how, int $code): void
    {
        $this->startCluster();
        $this->sendAndEnd($how, $code, [$this->text(0), $this->text(1)], 2000);
    }

    public function testPhpCodeBehindTheEndOfTheRequestDoesNoHarm(): void
    {
        if (!extension_loaded('session')) {
            self::markTestSkipped('the extension session is needed');
        }
        $this->startCluster();
        $client = $this->text(1);
        $ini = ['session.use_cookies' => '0', 'session.cache_limiter' => '', 'session.save_handler' => 'files'];
        self::assertSame(1, $this->resultOf('after-request', ['client' => $client->clientId()], $ini));
        $this->assertDelivered(['script' => 3, 'handler' => 3], $client);
    }

    public function testTenThousandMessagesAndExitInTheNextStatement(): void
    {
        $this->startCluster();
        $clients = [$this->text(0), $this->text(1)];
        $rounds = getenv('GATEWAYWORKER_LONG_TESTS') === '1' ? 100 : 10;
        for ($round = 1; $round <= $rounds; $round++) {
            $this->sendAndEnd('exit', 0, $clients, 10000);
            self::assertSame($round * 10000, $this->cluster->framesOf(5), "round $round");
        }
    }

    public function testItIsDeliveredAfterAWaitToo(): void
    {
        $this->startCluster();
        $clients = [$this->text(0), $this->text(1)];
        $script = $this->sendWhatIsNotRead($clients, ['gatewayworker.flush_timeout' => '30']);
        self::assertSame('ends', $script->readJson());
        // It waits for the gateway now, which reads on.
        $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        self::assertSame([0, ''], [$script->wait(), $script->errors()]);
        $this->awaitNoConnections();
        self::assertSame(400, $this->cluster->framesOf(5), 'all frames');
        for ($i = 0; $i < 300; $i++) {
            self::assertSame($i, (int) $clients[1]->receive());
        }
    }

    public function testTheWaitIsBoundedByFlushTimeoutAndTheLogSaysWhatWasLeft(): void
    {
        $this->startCluster();
        $clients = [$this->text(0), $this->text(1)];
        // Long enough for what the other gateway gets.
        $script = $this->sendWhatIsNotRead($clients, ['gatewayworker.flush_timeout' => '1']);
        self::assertSame('ends', $script->readJson());
        self::assertSame(0, $script->wait(), 'it ends although the gateway does not read');
        $left = $this->assertNamesWhatIsLeft($script, '1 s');
        self::assertStringNotContainsString($this->cluster->internal(0), $script->errors());
        $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        $this->awaitNoConnections();
        self::assertSame(300 - $left, $this->cluster->stats()['gateways'][1]['frames']['5'], 'the number is right');
        self::assertSame(100, $this->cluster->stats()['gateways'][0]['frames']['5'], 'the other gateway has all');
        for ($i = 0; $i < 100; $i++) {
            self::assertSame("reads $i", $clients[0]->receive());
        }
    }

    public function testWithFlushTimeoutZeroNothingIsWaitedFor(): void
    {
        $this->startCluster();
        $script = $this->sendWhatIsNotRead(
            [$this->text(0), $this->text(1)],
            ['gatewayworker.flush_timeout' => '0']
        );
        self::assertSame('ends', $script->readJson());
        self::assertSame(0, $script->wait());
        $this->assertNamesWhatIsLeft($script, '0 s');
        $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        $this->awaitNoConnections();
    }

    public function testFlushTellsWhetherEverythingIsOut(): void
    {
        $this->startCluster();
        $script = $this->sendWhatIsNotRead([$this->text(0), $this->text(1)], [], 0.1);
        self::assertFalse($script->readJson(), 'the gateway does not read');
        $this->assertNamesWhatIsLeft($script, '0.1 s');
        $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        $script->writeLine('go on');
        self::assertTrue($script->readJson(), 'it does again');
        self::assertSame('ends', $script->readJson());
        self::assertSame(0, $script->wait());
        $this->awaitNoConnections();
        self::assertSame(400, $this->cluster->framesOf(5));
    }

    public function testAGatewayThatIsAwayIsNamedAtTheEnd(): void
    {
        $this->startCluster();
        $client = $this->text(0);
        $this->cluster->gateway('stop_gateway', 1);
        $this->cluster->gateway('add_address', 1);
        $script = $this->script('away', ['client' => $client->clientId()], ['gatewayworker.flush_timeout' => '0.2']);
        self::assertSame(0, $script->wait());
        self::assertMatchesRegularExpression(
            '~gatewayworker: tcp://' . preg_quote($this->cluster->internal(1), '~')
                . ' undelivered: 10 frames .*refused~',
            $script->errors()
        );
        $this->awaitNoConnections();
        for ($i = 0; $i < 10; $i++) {
            self::assertSame("to all $i", $client->receive());
        }
    }

    public function testAProcessThatUsedNothingEndsWithoutAWord(): void
    {
        $this->startCluster();
        $script = $this->script('idle');
        self::assertSame([0, '', ''], [$script->wait(), $script->output(), $script->errors()]);
        self::assertSame(0, $this->cluster->stats()['register']['connections_total'], 'no connection without a call');
    }

    /**
     * Even numbers go to the first client, odd ones to the second.
     *
     * @param array{Client, Client} $clients
     */
    private function sendAndEnd(string $how, int $code, array $clients, int $messages): void
    {
        $before = $this->cluster->framesOf(5);
        $script = $this->script('end', [
            'how' => $how,
            'clients' => [$clients[0]->clientId(), $clients[1]->clientId()],
            'messages' => $messages,
        ], ['memory_limit' => '32M']);
        self::assertSame($code, $script->wait(), $script->errors());
        self::assertNothingLogged($script->errors());
        $this->awaitNoConnections();
        self::assertSame($messages, $this->cluster->framesOf(5) - $before, "frames after '$how'");
        foreach ($clients as $parity => $client) {
            $expected = '';
            for ($i = $parity; $i < $messages; $i += 2) {
                // The message has an end of its own, and the gateway adds another.
                $expected .= "$i\n\n";
            }
            self::assertSame(md5($expected), md5($client->receiveRaw(strlen($expected))));
        }
    }

    /**
     * Starts a script that sends 300 big messages to a gateway that does not read, and 100 small
     * ones to another.
     *
     * @param array{Client, Client} $clients
     * @param array<string, string> $ini
     */
    private function sendWhatIsNotRead(array $clients, array $ini, ?float $flush = null): PhpProcess
    {
        $script = $this->script('unread', [
            'clients' => [$clients[0]->clientId(), $clients[1]->clientId()],
            'messages' => 300,
            'flush' => $flush,
        ], self::BIG + $ini);
        self::assertSame('ready', $script->readJson());
        $this->cluster->gateway('pause_gateway', 1, ['paused' => true]);
        $script->writeLine('go');
        return $script;
    }

    /**
     * Requires the line about the second gateway; returns the number of frames in it.
     */
    private function assertNamesWhatIsLeft(PhpProcess $script, string $waited): int
    {
        self::assertSame(1, preg_match(
            '~^gatewayworker: tcp://' . preg_quote($this->cluster->internal(1), '~')
                . " undelivered: (\\d+) frames still queued after $waited \\(gatewayworker\\.flush_timeout\\)~m",
            $script->errors(),
            $match
        ), $script->errors());
        self::assertGreaterThan(0, (int) $match[1]);
        return (int) $match[1];
    }
}
