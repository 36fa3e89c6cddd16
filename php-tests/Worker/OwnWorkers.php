<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker;

use GatewayWorker\Tests\Support\ChildProcess;
use GatewayWorker\Tests\Support\Gatewayd;
use GatewayWorker\Tests\Support\TextClient;
use GatewayWorker\Tests\Support\WebSocketClient;

/**
 * The development gateway with the application in app/, on workers of the tests' own.
 */
final class OwnWorkers implements Site
{
    /** @var Gatewayd */
    public $gatewayd;

    /** @var string */
    private $secret;

    /** @var list<ChildProcess> */
    private $workers = [];

    public function __construct(string $secret = '')
    {
        $this->secret = $secret;
        $this->gatewayd = new Gatewayd(
            ['--gateway', '127.0.0.1:0', '--gateway', '127.0.0.1:0', '--secret', $secret, '--strict']
        );
        foreach (['worker:0', 'worker:1'] as $key) {
            $this->workers[] = $this->worker($key);
        }
    }

    public function text(int $number): TextClient
    {
        return new TextClient($this->gatewayd->text($number));
    }

    public function websocket(int $number): WebSocketClient
    {
        return new WebSocketClient($this->gatewayd->websocket($number));
    }

    public function gateways(): array
    {
        return array_combine($this->gatewayd->internalAddresses(), ['gateway0', 'gateway1']);
    }

    /**
     * Has a worker end, as at the end of its loop.
     */
    public function stopWorker(int $number): void
    {
        $this->workers[$number]->stop();
    }

    public function stop(): void
    {
        foreach ($this->workers as $worker) {
            $worker->stop();
        }
        $this->gatewayd->stop();
    }

    /**
     * Starts a worker. It is ready when this returns.
     */
    private function worker(string $key): ChildProcess
    {
        $config = json_encode([
            'register' => $this->gatewayd->register(),
            'secret' => $this->secret,
            'key' => $key,
            'gateways' => 2,
        ]);
        $worker = new ChildProcess(array_merge(
            [PHP_BINARY],
            Application::extensionOptions(),
            [__DIR__ . '/app/worker.php', (string) $config]
        ));
        $worker->readLine();
        return $worker;
    }
}
