<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\BuiltInServer;
use GatewayWorker\Tests\Support\ServerTestCase;

/**
 * Under `php -S`: connections outlive the request, nothing else does.
 *
 * @group better-than-original
 */
final class BuiltInServerTest extends ServerTestCase
{
    /** @var BuiltInServer|null */
    private $server;

    protected function tearDown(): void
    {
        if ($this->server !== null) {
            $this->server->dispose();
        }
        parent::tearDown();
    }

    public function testItDeliversWhatIsQueuedWhenItIsStopped(): void
    {
        $this->startCluster();
        $this->startServer(['gatewayworker.send_buffer' => '64M', 'gatewayworker.flush_timeout' => '15']);
        $client = $this->text(1);
        $this->do('session', ['client' => $client->clientId()]);
        $this->cluster->gateway('pause_gateway', 1, ['paused' => true]);
        $this->do('push', ['client' => $client->clientId(), 'to' => 300, 'padding' => 64 << 10]);
        $this->server->signal(SIGINT);
        $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        for ($i = 0; $i < 300; $i++) {
            self::assertSame("push $i", rtrim((string) $client->receive(), '.'));
        }
        $this->server->wait();
        $this->awaitNoConnections();
    }

    public function testEachOfItsWorkersHasItsOwnConnections(): void
    {
        if (!is_dir('/proc/self/task')) {
            self::markTestSkipped('without /proc the workers cannot be found, to end them');
        }
        $this->startCluster();
        $this->server = new BuiltInServer(dirname(self::scriptFile('request')), [], 3);
        $client = $this->text(1);
        $processes = [];
        for ($i = 0; $i < 100; $i++) {
            $seen = $this->do('push and query', ['client' => $client->clientId(), 'number' => $i]);
            $processes[$seen['pid']] = true;
            self::assertSame("request $i", $client->receive());
        }
        self::assertSame(count($processes), $this->cluster->stats()['register']['connections_total']);
    }

    protected function startServer(array $ini = []): void
    {
        $this->server = new BuiltInServer(dirname(self::scriptFile('request')), $ini);
    }

    protected function request(array $query): string
    {
        return $this->server->get('request.php', $query);
    }

    protected function serverLog(): string
    {
        return $this->server->log();
    }
}
