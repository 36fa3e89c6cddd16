<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\Fpm;
use GatewayWorker\Tests\Support\ServerTestCase;

/**
 * Under a real php-fpm: connections outlive the request, nothing else does.
 *
 * @group better-than-original
 */
final class FpmTest extends ServerTestCase
{
    /** @var list<Fpm> */
    private $servers = [];

    /** @var Fpm */
    private $fpm;

    protected function setUp(): void
    {
        parent::setUp();
        if (Fpm::program() === null) {
            self::markTestSkipped('php-fpm ' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION . ' is not installed '
                . '(Debian has it as php-fpm; PHP_FPM names another)');
        }
    }

    protected function tearDown(): void
    {
        foreach ($this->servers as $server) {
            $server->dispose();
        }
        parent::tearDown();
    }

    public function testAGracefulStopDeliversWhatIsQueued(): void
    {
        $this->startCluster();
        $this->deliverAtTheEnd(function (): void {
            $this->fpm->signal(SIGQUIT);
        });
        $this->fpm->wait();
    }

    public function testAReloadDeliversWhatIsQueuedAndGoesOn(): void
    {
        $this->startCluster();
        $this->deliverAtTheEnd(function (): void {
            $this->fpm->signal(SIGUSR2);
        });
        $seen = $this->do('session', ['client' => $this->text(1)->clientId()]);
        self::assertSame(self::DEFAULTS, $seen['statics']);
    }

    public function testAWorkerThatIsReplacedDeliversWhatItHasAccepted(): void
    {
        $this->startCluster();
        $this->startFpm([], ['pm.max_requests' => '2']);
        $client = $this->text(1);
        $processes = [];
        for ($i = 0; $i < 20; $i++) {
            $seen = $this->do('push', ['client' => $client->clientId(), 'from' => $i * 100, 'to' => $i * 100 + 100]);
            $processes[$seen['pid']] = true;
            $this->fpm->client()->close();
        }
        self::assertCount(10, $processes);
        for ($i = 0; $i < 2000; $i++) {
            self::assertSame("push $i", $client->receive());
        }
        self::assertSame(10, $this->cluster->stats()['gateways'][1]['internal_total'], 'a connection per worker');
    }

    public function testWhatIsSentAfterTheResponseIsDeliveredToo(): void
    {
        $this->startCluster();
        $this->startFpm();
        $client = $this->text(1);
        $this->request(['do' => 'push after the end', 'client' => $client->clientId(), 'to' => 500,
            'register' => $this->cluster->register()]);
        for ($i = 0; $i < 500; $i++) {
            self::assertSame("push $i", $client->receive());
        }
    }

    public function testSeveralWorkersHaveTheirOwnConnections(): void
    {
        $this->startCluster();
        $this->startFpm([], ['pm.max_children' => '4']);
        $client = $this->text(1);
        $processes = [];
        for ($i = 0; count($processes) < 4 && $i < 1000; $i++) {
            $seen = $this->do('push and query', ['client' => $client->clientId(), 'number' => $i]);
            $processes[$seen['pid']] = true;
            self::assertSame("request $i", $client->receive());
            $this->fpm->client()->close();
        }
        self::assertSame(count($processes), $this->cluster->stats()['register']['connections_total']);
    }

    public function testAPoolMayHaveARegisterAndASecretOfItsOwn(): void
    {
        $this->startCluster(2, self::SECRET);
        $this->text(1);
        $register = $this->cluster->register();
        $this->startFpm(['gatewayworker.gateway_client' => '1'], [
            'php_admin_value[gatewayworker.register_address]' => $register,
            'php_admin_value[gatewayworker.secret_key]' => '"' . self::SECRET . '"',
        ]);
        $statics = array_merge(self::DEFAULTS, ['registerAddress' => $register, 'secretKey' => self::SECRET]);
        for ($i = 0; $i < 3; $i++) {
            $seen = $this->do('count');
            self::assertSame($statics, $seen['statics'], "request $i");
            self::assertSame([$register, self::SECRET], $seen['client'], "the other class in request $i");
            self::assertSame(['own', 1], $seen['own'], 'a subclass with its own');
            self::assertSame(1, $seen['count']);
        }
        self::assertNothingLogged($this->serverLog());
    }

    public function testAPoolCannotSayWhichClassesThereAre(): void
    {
        $this->startCluster();
        $this->startFpm([], [
            'php_admin_value[gatewayworker.enable]' => '0',
            'php_admin_value[gatewayworker.gateway_client]' => '1',
        ]);
        self::assertSame(self::DEFAULTS, $this->do('setting')['statics']);
        $info = $this->request(['do' => 'phpinfo', 'register' => '']);
        foreach (['enable' => '1', 'gateway_client' => '0'] as $name => $value) {
            preg_match("~>gatewayworker\.$name\s*</td><td[^>]*>(\w+)\s*</td>~", $info, $shown);
            self::assertSame($value, $shown[1] ?? null, "gatewayworker.$name: what is shown is what is");
            self::assertSame(1, substr_count($this->serverLog(), "gatewayworker.$name ignored: "), $this->serverLog());
        }
    }

    /**
     * What the master process has started while it preloaded is not shared by its workers.
     */
    public function testAFileThatIsPreloadedAndSendsDoesNotHarmTheWorkers(): void
    {
        if (!is_file(ini_get('extension_dir') . '/opcache.so')) {
            self::markTestSkipped('opcache is not installed');
        }
        $this->startCluster();
        $client = $this->text(1);
        $file = "{$this->directory()}/preload.php";
        file_put_contents($file, '<?php
            use GatewayWorker\Lib\Gateway;
            class Preloaded extends Gateway {}
            Gateway::$registerAddress = ' . var_export($this->cluster->register(), true) . ';
            Gateway::sendToClient(' . var_export($client->clientId(), true) . ', "from the master");
            Gateway::getAllClientIdCount();
        ');
        $this->startFpm(['opcache.preload' => $file, 'opcache.preload_user' => 'root']);
        self::assertSame('from the master', $client->receive());
        for ($i = 0; $i < 20; $i++) {
            $seen = $this->do('push and query', ['client' => $client->clientId(), 'number' => $i]);
            self::assertSame(self::DEFAULTS, $seen['statics']);
            self::assertSame(1, $seen['count']);
            self::assertSame("request $i", $client->receive());
        }
    }

    protected function startServer(array $ini = []): void
    {
        $this->startFpm($ini);
    }

    protected function request(array $query): string
    {
        return $this->fpm->get(self::scriptFile('request'), $query);
    }

    protected function serverLog(): string
    {
        return $this->fpm->log();
    }

    /**
     * @param array<string, string> $ini
     * @param array<string, string> $pool
     */
    private function startFpm(array $ini = [], array $pool = []): void
    {
        $this->fpm = $this->servers[] = new Fpm($this->directory(), $ini, $pool);
    }

    /**
     * Has a worker queue more than a gateway takes, ends the worker, and lets the gateway read
     * again.
     */
    private function deliverAtTheEnd(callable $end): void
    {
        $this->startFpm(['gatewayworker.send_buffer' => '64M', 'gatewayworker.flush_timeout' => '15']);
        $client = $this->text(1);
        $this->do('session', ['client' => $client->clientId()]);
        $this->cluster->gateway('pause_gateway', 1, ['paused' => true]);
        $this->do('push', ['client' => $client->clientId(), 'to' => 300, 'padding' => 64 << 10]);
        // A worker does not end while a web server keeps a connection to it.
        $this->fpm->client()->close();
        $end();
        $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        for ($i = 0; $i < 300; $i++) {
            self::assertSame("push $i", rtrim((string) $client->receive(), '.'));
        }
        $this->awaitNoConnections('of the worker that ended');
    }
}
