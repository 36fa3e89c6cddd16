<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\LifeCycleTestCase;

/**
 * Signals belong to the script: they behave as if there were no extension.
 *
 * @group better-than-original
 */
final class SignalTest extends LifeCycleTestCase
{
    public function testSignalsSleepsAndTimersBehaveAsWithoutTheExtension(): void
    {
        $this->startCluster();
        $client = ['client' => $this->text(1)->clientId()];
        // Both at once: they wait more than they work.
        $used = $this->script('signals', ['used' => true] + $client);
        // With no class there is no static to be set either.
        $without = $this->script(
            'signals',
            ['used' => false, 'register' => null] + $client,
            ['gatewayworker.enable' => '0']
        );
        $reports = [];
        foreach ([$used, $without] as $script) {
            self::assertSame(0, $script->wait(), $script->errors());
            self::assertSame('', $script->errors());
            $reports[] = json_decode($script->output(), true);
        }
        self::assertSame($reports[1], $reports[0]);
        self::assertSame(
            [SIGUSR1, SIGHUP, SIGTERM, SIGINT, SIGIO, SIGPIPE],
            $reports[0]['asynchronous'],
            'and it is what was to be expected'
        );
        self::assertSame([[], true, 'interrupted', [true, [SIGALRM]], [], [SIGUSR1]], [
            $reports[0]['not before the dispatch'],
            $reports[0]['sleep'],
            $reports[0]['usleep'],
            $reports[0]['alarm'],
            $reports[0]['blocked'],
            $reports[0]['unblocked'],
        ]);
    }

    public function testOnlyTheBackgroundThreadBlocksSignals(): void
    {
        if (!is_readable('/proc/self/task')) {
            self::markTestSkipped('there is no /proc/self/task here');
        }
        $this->startCluster();
        $report = $this->resultOf('signal-masks', ['client' => $this->text(1)->clientId()]);
        self::assertSame($report['main before'], $report['main after']);
        self::assertCount(1, $report['other']);
        $blocked = (int) hexdec(substr($report['other'][0], -8));
        foreach (
            [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGCONT, SIGTSTP, SIGWINCH,
                SIGIO, SIGPROF, SIGVTALRM] as $signal
        ) {
            self::assertNotSame(0, $blocked & 1 << ($signal - 1), "signal $signal is blocked");
        }
        self::assertSame(['gatewayworker'], $report['names']);
    }

    /**
     * @return array<string, array{bool, bool}>
     */
    public static function handlers(): array
    {
        return [
            'async' => [true, false],
            'async, restarting' => [true, true],
            'dispatched' => [false, false],
            'dispatched, restarting' => [false, true],
        ];
    }

    /**
     * @dataProvider handlers
     */
    public function testCallsAreNotDisturbedBySignals(bool $async, bool $restart): void
    {
        $this->startCluster();
        $client = $this->text(1);
        $report = $this->resultOf(
            'signal-storm',
            ['client' => $client->clientId(), 'async' => $async, 'restart' => $restart]
        );
        self::assertSame(['flushed' => true, 'handled' => true], $report);
        $this->assertDelivered(['storm' => 3000], $client);
    }

    /**
     * @return array<string, array{bool, bool}>
     */
    public static function queries(): array
    {
        return [
            'async, with a reply' => [true, true],
            'async, without a reply' => [true, false],
            'dispatched, with a reply' => [false, true],
            'dispatched, without a reply' => [false, false],
        ];
    }

    /**
     * @dataProvider queries
     */
    public function testASignalDuringAQueryIsHandledAndDoesNotEndIt(bool $async, bool $hasReply): void
    {
        $this->startCluster();
        $script = $this->script(
            'signal-in-query',
            ['async' => $async, 'signal' => $hasReply ? SIGUSR1 : SIGALRM],
            ['gatewayworker.query_timeout' => $hasReply ? '20' : '1.2']
        );
        self::assertSame('ready', $script->readJson());
        if ($hasReply) {
            $this->cluster->gateway('pause_gateway', 1, ['paused' => true]);
            $script->writeLine('go');
            $script->signal(SIGUSR1);
            $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        } else {
            $this->cluster->gateway('mute_gateway', 1, ['muted' => true]);
            $script->writeLine('go');
        }
        $events = $script->readJson();
        self::assertContains('signal', $events, 'the handler ran');
        self::assertCount(2, $events, 'once, and the query ended once');
        if ($hasReply) {
            self::assertContains(0, $events);
        } else {
            self::assertStringContainsString('within 1.2 s', implode(' ', $events), 'the query had all its time');
        }
        self::assertSame([0, ''], [$script->wait(), $script->errors()]);
    }
}
