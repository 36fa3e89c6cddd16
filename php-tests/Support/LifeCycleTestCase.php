<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

/**
 * The base of the tests about processes: each has a cluster of its own, whose counters show what
 * the processes did, and scripts that run in processes of their own. The test's own process never
 * talks to that cluster.
 */
abstract class LifeCycleTestCase extends ClusterTestCase
{
    /** @var list<PhpProcess> */
    private $processes = [];

    /** @var list<Gatewayd> */
    private $clusters = [];

    /** @var string|null */
    private $directory;

    protected function setUp(): void
    {
        parent::setUp();
        $this->requireNative('has no thread, no queue and no settings: these promises are not its own');
        if (!extension_loaded('pcntl') || !extension_loaded('posix')) {
            self::markTestSkipped('the extensions pcntl and posix are needed');
        }
    }

    protected function tearDown(): void
    {
        foreach ($this->processes as $process) {
            $process->dispose();
        }
        parent::tearDown();
        foreach ($this->clusters as $cluster) {
            $cluster->stop();
        }
        if ($this->directory !== null) {
            foreach (array_diff((array) scandir($this->directory), ['.', '..']) as $name) {
                unlink("{$this->directory}/$name");
            }
            rmdir($this->directory);
        }
    }

    /**
     * Starts a cluster that nobody else uses.
     *
     * @param list<string> $options further options of gatewayd
     */
    protected function startCluster(int $gateways = 2, ?string $secret = null, array $options = []): Gatewayd
    {
        return $this->cluster = $this->clusters[] = Gatewayd::start($gateways, $secret, $options);
    }

    /**
     * Runs a script of LifeCycle/scripts; it finds the register, the gateways and what is passed
     * here in $config.
     *
     * @param array<string, mixed>  $config
     * @param array<string, string> $ini
     */
    protected function script(string $name, array $config = [], array $ini = []): PhpProcess
    {
        return $this->processes[] = new PhpProcess(self::scriptFile($name), $config + $this->config(), $ini);
    }

    /**
     * Runs a script to its end, which has to succeed, and returns the JSON that it printed.
     *
     * @param array<string, mixed>  $config
     * @param array<string, string> $ini
     *
     * @return mixed
     */
    protected function resultOf(string $name, array $config = [], array $ini = [])
    {
        $process = $this->script($name, $config, $ini);
        $code = $process->wait();
        self::assertSame([0, ''], [$code, $process->errors()], $process->output());
        return json_decode($process->output(), true, 512, JSON_THROW_ON_ERROR);
    }

    /**
     * The file of a script.
     */
    protected static function scriptFile(string $name): string
    {
        return dirname(__DIR__) . "/LifeCycle/scripts/$name.php";
    }

    /**
     * An empty directory that is removed after the test.
     */
    protected function directory(): string
    {
        if ($this->directory === null) {
            $this->directory = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-dir-');
            unlink($this->directory);
            mkdir($this->directory, 0755);
        }
        return $this->directory;
    }

    /**
     * The configuration that every script gets.
     *
     * @return array<string, mixed>
     */
    protected function config(): array
    {
        if ($this->cluster === null) {
            return [];
        }
        return ['register' => $this->cluster->register(), 'gateways' => $this->cluster->internalAddresses()];
    }

    /**
     * Requires that every connection to the cluster has ended, those to the register too; waits for
     * that. Whatever was sent on them has then been processed.
     */
    protected function awaitNoConnections(string $why = ''): void
    {
        Clock::waitUntil(function (): bool {
            return $this->openConnections() === 0;
        }, "for all connections to end $why");
    }

    /**
     * How many connections processes have to the register and to the gateways.
     */
    protected function openConnections(): int
    {
        $stats = $this->cluster->stats();
        return $stats['register']['connections_open'] + array_sum(array_column($stats['gateways'], 'internal_open'));
    }

    /**
     * Requires that clients have got these messages, each exactly once and the numbered ones of
     * each sender in order; that nothing else was sent to any client; and that whoever sent them
     * has gone.
     *
     * @param array<string, int> $senders how many messages "<sender> 0", "<sender> 1", … there are of each sender
     */
    protected function assertDelivered(array $senders, Client $client, int $elsewhere = 0): void
    {
        $this->awaitNoConnections();
        $expected = array_sum($senders);
        self::assertSame($expected + $elsewhere, $this->cluster->framesOf(5), 'frames that gateways got for clients');
        $next = array_fill_keys(array_keys($senders), 0);
        for ($i = 0; $i < $expected; $i++) {
            [$sender, $number] = explode(' ', (string) $client->receive());
            self::assertArrayHasKey($sender, $next);
            self::assertSame($next[$sender]++, (int) $number, "the next message of $sender");
        }
        self::assertSame($senders, $next);
    }
}
