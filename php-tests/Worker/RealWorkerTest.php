<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker;

use GatewayWorker\Tests\Support\Client;
use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\Surface;
use PHPUnit\Framework\TestCase;

/**
 * The extension inside the real GatewayWorker: Register, four Gateways, two BusinessWorkers and
 * clients.
 */
final class RealWorkerTest extends TestCase
{
    private const NEITHER = 'GatewayWorker and Workerman are not there: install them with Composer, or name a file '
        . 'that loads them in the environment variable GATEWAYWORKER_AUTOLOAD.';

    /** @var Application|null */
    private $application;

    protected function setUp(): void
    {
        if (Application::autoload() === null) {
            self::markTestSkipped(self::NEITHER);
        }
        if (!extension_loaded('pcntl') || !extension_loaded('posix')) {
            self::markTestSkipped('Workerman needs the PHP extensions pcntl and posix.');
        }
    }

    protected function tearDown(): void
    {
        if ($this->application !== null) {
            $this->application->destroy();
            $this->application = null;
        }
    }

    /**
     * @return array<string, array{bool, string}>
     */
    public static function implementations(): array
    {
        return [
            'the extension' => [true, ''],
            'the extension, with a secret key' => [true, "k-ey/\u{e9}"],
            'the original' => [false, ''],
            'the original, with a secret key' => [false, "k-ey/\u{e9}"],
        ];
    }

    /**
     * Clients see no difference between the extension and the original.
     *
     * @dataProvider implementations
     */
    public function testClientsSeeTheSameWithTheExtensionAndWithout(bool $native, string $secret): void
    {
        $app = $this->everything($native, $secret);
        $class = $native ? 'native' : 'original';
        self::assertSame([$class, $class], $app->lines('class '), 'the implementation that was requested');
        self::assertSame(
            file(__DIR__ . '/scenario.txt', FILE_IGNORE_NEW_LINES),
            explode("\n", implode("\n", Scenario::play($app)))
        );
    }

    public function testTheScenarioCallsEveryMethodOfTheOriginal(): void
    {
        $called = Scenario::methods((array) file(__DIR__ . '/scenario.txt', FILE_IGNORE_NEW_LINES));
        $original = array_slice(array_keys(Surface::expected()), 0, 42);
        // That one is called by BusinessWorker itself.
        self::assertSame(['setBusinessWorker'], array_values(array_diff($original, $called)));
    }

    /**
     * The original replies on a connection of its own, which may be ahead of the commands.
     */
    public function testACallbackSeesItsOwnCommandsAtOnce(): void
    {
        $app = $this->everything();
        $player = new Player($app);
        $player->connect('t0', 0);
        $player->connect('w1', 1);
        for ($i = 0; $i < 50; $i++) {
            foreach (['t0', 'w1'] as $name) {
                $results = $player->steps('t0', [
                    ['call', 'bindUid', ["@$name", "u$i"]],
                    ['call', 'getClientIdByUid', ["u$i"]],
                    ['call', 'joinGroup', ["@$name", "g$i"]],
                    ['call', 'getClientCountByGroup', ["g$i"]],
                    ['call', 'setSession', ["@$name", ['i' => $i]]],
                    ['call', 'getSession', ["@$name"]],
                    ['call', 'ungroup', ["g$i"]],
                    ['call', 'unbindUid', ["@$name", "u$i"]],
                    ['call', 'isUidOnline', ["u$i"]],
                ]);
                self::assertSame(
                    [null, [$player->id($name)], null, 1, null, ['i' => $i], null, null, 0],
                    array_column($results, 'returned')
                );
            }
        }
    }

    public function testTheMasterHasNeitherThreadNorConnection(): void
    {
        $app = $this->application = new Application(true);
        $app->start('front', ['register', 'gateways']);
        $app->start('back', ['workers']);
        $app->waitForWorkers();
        $player = new Player($app);
        foreach (['t0', 'w0', 't1', 'w1'] as $name) {
            $player->connect($name, (int) $name[1]);
            self::assertSame(count($player->ids()), $player->call($name, 'getAllClientCount'));
        }
        $master = $app->masterPid('back');
        self::assertCount(1, (array) glob("/proc/$master/task/*"), 'threads of the master');
        // What it has inherited from this process is not of its making.
        $own = array_diff(self::descriptors($master), self::descriptors((int) getmypid()));
        self::assertSame([], array_values($own), 'sockets of the master');
        $used = array_unique(array_map(static function (string $name) use ($player): int {
            return $player->step($name, 'worker')['pid'];
        }, ['t0', 'w0', 't1', 'w1']));
        self::assertSame([], array_diff($used, Application::children($master)));
        foreach ($used as $worker) {
            self::assertCount(2, (array) glob("/proc/$worker/task/*"), 'threads of a worker that made calls');
        }
    }

    /**
     * @return array<string, array{list<string>}>
     */
    public static function orders(): array
    {
        return [
            'workers first' => [['workers', 'register', 'gateways']],
            'workers last' => [['gateways', 'register', 'workers']],
            'register last' => [['gateways', 'workers', 'register']],
        ];
    }

    /**
     * @dataProvider orders
     *
     * @param list<string> $order
     */
    public function testTheOrderOfStartingDoesNotMatter(array $order): void
    {
        $app = $this->application = new Application(true);
        foreach ($order as $part) {
            $app->start($part, [$part]);
            if ($part === 'workers') {
                $app->waitForLines('worker ', 2);
            }
        }
        self::assertSame(
            array_fill(0, 2, 'GatewayWorker\Lib\UnreachableException businessWorker::getAllGatewayAddresses return empty'),
            $app->lines('early '),
            'a query before any gateway is known'
        );
        $app->waitForWorkers();
        self::assertSame(
            file(__DIR__ . '/scenario.txt', FILE_IGNORE_NEW_LINES),
            explode("\n", implode("\n", Scenario::play($app)))
        );
    }

    public function testGatewaysThatGoAndComeAreFollowedAtTheNextCall(): void
    {
        $app = $this->application = new Application(true);
        $app->start('register', ['register']);
        $app->start('first', ['gateways'], [0, 1]);
        $app->start('second', ['gateways'], [2, 3]);
        $app->start('back', ['workers']);
        $app->waitForWorkers();
        $player = new Player($app);
        foreach (['t0' => 0, 'w0' => 0, 't1' => 1, 'w1' => 1] as $name => $gateway) {
            $player->connect($name, $gateway);
        }
        self::assertSame(4, $player->call('t0', 'getAllClientCount'));

        $app->stop('second');
        $player->client('t1')->receiveUntilClosed();
        $player->client('w1')->receiveUntilClosed();
        $player->leave('t1');
        $player->leave('w1');
        foreach (['t0', 'w0'] as $by) {
            // Seen and called in the same callback.
            $results = $this->untilKnown($player, $by, 2, [
                ['call', 'getAllClientCount', []],
                ['call', 'sendToAll', ["to the rest, from $by"]],
                ['call', 'isOnline', ['@t0']],
                ['call', 'isOnline', ['@t1']],
                ['call', 'sendToClient', ['@t1', 'to one who is away']],
            ]);
            self::assertSame([2, null, 1, 0, false], $results);
        }

        $app->start('second', ['gateways'], [2, 3]);
        $app->waitForWorkers(4, [2, 3]);
        $player->connect('t1', 1);
        $player->connect('w1', 1);
        foreach (['t0', 'w0', 't1', 'w1'] as $by) {
            $results = $this->untilKnown($player, $by, 4, [
                ['call', 'getAllClientCount', []],
                ['call', 'sendToAll', ["to all, from $by"]],
                ['call', 'isOnline', ['@t1']],
                ['call', 'sendToClient', ['@t1', 'to one who is back']],
            ]);
            self::assertSame([4, null, 1, true], $results);
        }
        $received = implode("\n", $player->transcript());
        foreach (['t0', 'w0', 't1', 'w1'] as $by) {
            self::assertSame(4, substr_count($received, "received 'to all, from $by'"), "messages from $by");
        }
        self::assertSame(4, substr_count($received, "t1 received 'to one who is back'"));
    }

    /**
     * A worker that reloads sends what it has accepted, up to its onWorkerStop.
     */
    public function testAReloadLosesNoMessage(): void
    {
        $app = $this->everything();
        [$player, $observer] = $this->observed($app);
        $this->flood($player, 20);
        $received = [];
        $this->receive($observer, $received, 1);
        posix_kill($app->masterPid('app'), SIGUSR1);
        $app->waitForLines('stopped ', 2);
        $this->assertAllAcceptedAreReceived($app, $observer, $received);
        $app->waitForWorkers(4);
        self::assertCount(4, array_unique($app->workerPids()));
        self::assertSame(2, $player->call('t0', 'getAllClientCount'), 'the new workers work');
    }

    /**
     * Workers that are stopped send what they have accepted, up to their onWorkerStop.
     */
    public function testAStopLosesNoMessage(): void
    {
        $app = $this->application = new Application(true);
        $app->start('front', ['register', 'gateways']);
        $app->start('back', ['workers']);
        $app->waitForWorkers();
        [$player, $observer] = $this->observed($app);
        $this->flood($player, 20);
        $received = [];
        $this->receive($observer, $received, 1);
        $app->stop('back');
        self::assertCount(2, $app->lines('stopped '));
        $this->assertAllAcceptedAreReceived($app, $observer, $received);
    }

    public function testTheCommandsForADaemon(): void
    {
        $app = $this->application = new Application(true);
        $app->start('app', Application::EVERYTHING, null, true);
        $app->waitForWorkers();
        $expected = file(__DIR__ . '/scenario.txt', FILE_IGNORE_NEW_LINES);
        self::assertSame($expected, explode("\n", implode("\n", Scenario::play($app))));

        self::assertSame(0, $app->run('app', ['reload']));
        $app->waitForLines('worker ', 4);
        $app->waitForWorkers(4);
        $player = new Player($app);
        $player->connect('t5', 0);
        $player->connect('w5', 1);
        self::assertNull($player->call('t5', 'sendToAll', 'after the reload'));
        self::assertSame(2, substr_count(implode("\n", $player->transcript()), "received 'after the reload'"));

        $master = $app->masterPid('app');
        $workers = Application::children($master);
        self::assertSame(0, $app->run('app', ['stop']));
        $app->waitForEnd('app', $master);
        foreach ($workers as $worker) {
            self::assertFalse(posix_kill($worker, 0), "process $worker has ended");
        }
    }

    /**
     * The background thread takes no signal, and interrupts nothing.
     */
    public function testTimersSignalsAndSleepAreWorkermansOwn(): void
    {
        $app = $this->everything();
        $player = new Player($app);
        foreach (['t0', 'w1'] as $name) {
            $player->connect($name, (int) $name[1]);
            $player->step($name, 'timers');
            $timers = $player->await($name, 'timers');
            self::assertSame(['early', 'middle', 'late'], $timers['order']);
            self::assertSame(5, $timers['count']);
            for ($i = 0; $i < 10; $i++) {
                $player->step($name, 'signal');
                self::assertTrue($player->await($name, 'signal')['is the one']);
                $results = $player->steps($name, [['call', 'sendToAll', ["$i"]], ['sleep']]);
                self::assertSame([null, true], array_column($results, 'returned'));
            }
        }
    }

    private function everything(bool $native = true, string $secret = ''): Application
    {
        $this->application = new Application($native, $secret);
        $this->application->start('app', Application::EVERYTHING);
        $this->application->waitForWorkers();
        return $this->application;
    }

    /**
     * The sockets, and what a background thread needs, of a process.
     *
     * @return list<string>
     */
    private static function descriptors(int $pid): array
    {
        $targets = array_map(static function ($link): string {
            return (string) @readlink((string) $link);
        }, (array) glob("/proc/$pid/fd/*"));
        return array_values((array) preg_grep('/^(socket:|anon_inode:)/', $targets));
    }

    /**
     * Has a worker do these steps in the callback in which it first knows of, and is connected to,
     * so many gateways.
     *
     * @param list<array<mixed>> $steps
     *
     * @return list<mixed> what they returned
     */
    private function untilKnown(Player $player, string $by, int $gateways, array $steps): array
    {
        $returned = [];
        Clock::waitUntil(static function () use ($player, $by, $gateways, $steps, &$returned): bool {
            $guard = ['only with', $gateways];
            $returned = array_column($player->steps($by, array_merge([$guard], $steps)), 'returned');
            return array_shift($returned) === true;
        }, "for the worker of $by to know $gateways gateways");
        return $returned;
    }

    /**
     * Two clients; the second receives many messages.
     *
     * @return array{Player, Client}
     */
    private function observed(Application $app): array
    {
        $player = new Player($app);
        $player->connect('t0', 0);
        $player->connect('t1', 1);
        $player->call('t0', 'bindUid', '@t1', 'observer');
        return [$player, $player->client('t1')];
    }

    /**
     * Has a worker send many messages to the observer, without waiting.
     */
    private function flood(Player $player, int $times): void
    {
        for ($i = 0; $i < $times; $i++) {
            $player->tell('t0', [['flood', '@t1', "f$i", 200, 500]], true);
        }
    }

    /**
     * Receives some messages of floods, and counts them by the name of the flood.
     *
     * @param array<string, int> $received
     */
    private function receive(Client $observer, array &$received, int $messages): void
    {
        while ($messages-- > 0) {
            [$flood, $name, $number] = explode(' ', (string) $observer->receive(), 4);
            self::assertSame('flood', $flood);
            self::assertSame($received[$name] ?? 0, (int) $number, "all of $name come in order, once, without a gap");
            $received[$name] = (int) $number + 1;
        }
    }

    /**
     * @param array<string, int> $received
     */
    private function assertAllAcceptedAreReceived(Application $app, Client $observer, array $received): void
    {
        $accepted = [];
        foreach ($app->lines('accepted ') as $line) {
            [$name, $count] = explode(' ', $line);
            $accepted[$name] = (int) $count;
        }
        self::assertCount(2, (array) preg_grep('/^bye-/', array_keys($accepted)), 'the last messages of two workers');
        self::assertGreaterThan(2, count($accepted), 'floods before the end');
        $this->receive($observer, $received, array_sum($accepted) - array_sum($received));
        ksort($accepted);
        ksort($received);
        self::assertSame($accepted, $received);
    }
}
