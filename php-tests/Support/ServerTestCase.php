<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

/**
 * The promises that hold under every server whose processes serve many requests.
 */
abstract class ServerTestCase extends LifeCycleTestCase
{
    /** The statics of the class at the start of a request. */
    protected const DEFAULTS = [
        'businessWorker' => null,
        'registerAddress' => '127.0.0.1:1236',
        'secretKey' => '',
        'connectTimeout' => 3,
        'persistentConnection' => true,
        'addressesCacheDisable' => false,
        'gatewayConnections' => [],
    ];

    /** For how many seconds a query connection is used. */
    private const LIFE = 50;

    /**
     * How a request may end before its time.
     *
     * @return array<string, array{string}>
     */
    public static function badEnds(): array
    {
        $ends = [];
        foreach (
            [
                'fatal', 'exit', 'memory in a message', 'memory in a group', 'memory in a session',
                'memory in the list of gateways', 'exit in the list of gateways',
            ] as $end
        ) {
            $ends[$end] = [$end];
        }
        return $ends;
    }

    /**
     * Starts a server.
     *
     * @param array<string, string> $ini
     */
    abstract protected function startServer(array $ini = []): void;

    /**
     * Has request.php run; what it printed.
     *
     * @param array<string, scalar> $query
     */
    abstract protected function request(array $query): string;

    /**
     * What PHP has logged so far.
     */
    abstract protected function serverLog(): string;

    public function testAThousandRequestsShareTheConnectionsOfTheProcess(): void
    {
        $this->startCluster();
        $this->startServer();
        $client = $this->text(1);
        $start = Clock::now();
        $processes = [];
        for ($i = 0; $i < 1000; $i++) {
            $seen = $this->do('push and query', ['client' => $client->clientId(), 'number' => $i]);
            self::assertSame(self::DEFAULTS, $seen['statics'], "the statics at the start of request $i");
            self::assertSame(['own', 1], $seen['own'], 'and those of a subclass');
            self::assertSame(1, $seen['count']);
            self::assertSame("request $i", $client->receive());
            $processes[$seen['pid']] = true;
        }
        self::assertCount(1, $processes, 'one process has served them all');
        $stats = $this->cluster->stats();
        self::assertSame(1, $stats['register']['connections_total'], 'connections to the register');
        foreach ($stats['gateways'] as $gateway) {
            // One for commands, and one for queries in each period for which these are used.
            $most = 2 + (int) ((Clock::now() - $start) / self::LIFE);
            self::assertLessThanOrEqual($most, $gateway['internal_total'], 'connections to a gateway');
        }
        self::assertSame(1000, $this->cluster->framesOf(5));
        self::assertNothingLogged($this->serverLog());
    }

    /**
     * @dataProvider badEnds
     */
    public function testARequestThatEndsBadlyLeavesTheNextOnesWell(string $end): void
    {
        $this->startCluster();
        $this->startServer(['memory_limit' => '64M']);
        $client = $this->text(1);
        $id = $client->clientId();
        $first = $this->do('session', ['client' => $id]);
        for ($i = 0; $i < 3; $i++) {
            $printed = $this->request(['do' => $end, 'register' => $this->cluster->register(), 'client' => $id]);
            self::assertStringNotContainsString('statics', $printed, 'the request does not come to its end');
            $next = $this->do('session', ['client' => $id]);
            self::assertSame($first, $next, "request after number $i that ended badly");
        }
        $error = strpos($end, 'memory') === 0 ? 'Allowed memory size' : 'Uncaught Error';
        $log = $this->serverLog();
        self::assertSame(strpos($end, 'exit') === 0 ? 0 : 3, substr_count($log, $error), "as it was to end: $log");
    }

    /**
     * Memory can run out anywhere, so it does at one place after the other: inside of the
     * extension, too.
     */
    public function testMemoryThatRunsOutInsideOfACallLeavesTheNextRequestsWell(): void
    {
        $this->startCluster();
        $this->startServer(['memory_limit' => '64M']);
        $client = $this->text(1);
        $id = $client->clientId();
        // A session that takes some memory to be read.
        $this->do('session', ['client' => $id]);
        $this->resultOf('fill-sessions', ['clients' => [$id], 'elements' => 50000]);
        foreach (['memory in a merged session', 'memory in a reply'] as $place) {
            $ended = ['bad' => 0, 'good' => 0];
            for ($until = 40 << 20; $until < 63 << 20; $until += 1 << 18) {
                $printed = $this->request(
                    ['do' => $place, 'register' => $this->cluster->register(), 'client' => $id, 'until' => $until]
                );
                $ended[$printed === '' ? 'bad' : 'good']++;
                $next = $this->do('count', ['client' => $id]);
                self::assertSame(self::DEFAULTS, $next['statics']);
            }
            $seen = $this->do('session', ['client' => $id]);
            self::assertSame([['a' => 1, 'b' => 2], ['a' => 1, 'b' => 2]], $seen['session'], "after $place");
            $this->resultOf('fill-sessions', ['clients' => [$id], 'elements' => 50000]);
            self::assertGreaterThan(0, $ended['bad'], "$place: it did run out");
            self::assertGreaterThan(0, $ended['good'], "$place: and sometimes it did not");
        }
    }

    /**
     * The engine jumps out of a call in which an error ends the request, or memory runs out: what
     * the call holds then is never freed by itself.
     */
    public function testARequestThatEndsWhileAReplyIsReadLeaksNothing(): void
    {
        if (!is_readable('/proc/self/statm')) {
            self::markTestSkipped('without /proc the memory of a process cannot be seen');
        }
        $this->startCluster();
        $this->startServer();
        $bytes = 1 << 20;
        foreach ([$this->text(0), $this->text(1)] as $client) {
            $this->do('deadly session', ['client' => $client->clientId(), 'bytes' => $bytes]);
        }
        $pages = [];
        foreach ([10, 50] as $requests) {
            for ($i = 0; $i < $requests; $i++) {
                $printed = $this->request(['do' => 'all sessions', 'register' => $this->cluster->register()]);
                self::assertSame('', $printed, 'the request does not come to its end');
            }
            $seen = $this->do('count');
            self::assertSame(2, $seen['count']);
            $memory = (string) file_get_contents("/proc/{$seen['pid']}/statm");
            $pages[$seen['pid']][] = (int) explode(' ', $memory)[1];
        }
        self::assertSame(60, substr_count($this->serverLog(), 'Class NeverToBe contains'), 'they end as they were to');
        self::assertCount(1, $pages, 'it is one process');
        [[$before, $after]] = array_values($pages);
        // 50 times two replies would be ten times as much.
        self::assertLessThan(10 * $bytes, ($after - $before) * 4096, 'it grows with each request');
    }

    public function testASettingThatARequestChangesIsBackInTheNext(): void
    {
        $this->startCluster();
        $this->startServer(['gatewayworker.query_timeout' => '0.1']);
        for ($i = 0; $i < 2; $i++) {
            $seen = $this->do('setting');
            self::assertSame(['0.1', '1.5'], [$seen['before'], $seen['changed']]);
        }
        $this->cluster->gateway('mute_gateway', 1, ['muted' => true]);
        $seen = $this->do('query a silent gateway');
        self::assertStringContainsString('within 0.1 s', $seen['message'], 'the setting itself is back, too');
    }

    /**
     * Runs request.php, which has to complete; returns what it saw.
     *
     * @param array<string, scalar> $query
     *
     * @return array<string, mixed>
     */
    protected function do(string $what, array $query = []): array
    {
        $printed = $this->request(['do' => $what, 'register' => $this->cluster->register()] + $query);
        $seen = json_decode($printed, true);
        self::assertIsArray($seen, "'$what' printed '$printed'; logged: " . $this->serverLog());
        return $seen;
    }
}
