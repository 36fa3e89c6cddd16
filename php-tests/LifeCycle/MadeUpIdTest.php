<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\LifeCycleTestCase;
use GatewayWorker\Tests\Support\TextClient;

/**
 * Client ids come from browsers: a made-up one leads nowhere.
 *
 * @group better-than-original
 */
final class MadeUpIdTest extends LifeCycleTestCase
{
    /** Must not reach anybody but the gateways. */
    private const KEY = 'Th1s-1s-a-s3cret';

    /** @var resource */
    private $stranger;

    /** @var TextClient */
    private $client;

    /**
     * @return array<string, mixed> the script's configuration
     */
    private function withStranger(): array
    {
        $this->startCluster(1, self::KEY);
        $this->client = $this->text(0);
        $this->stranger = stream_socket_server('tcp://127.0.0.98:0');
        [$ip, $port] = explode(':', (string) stream_socket_get_name($this->stranger, false));
        return [
            'secret' => self::KEY,
            'client' => $this->client->clientId(),
            'made up' => bin2hex(pack('NnN', ip2long($ip), (int) $port, 1)),
        ];
    }

    public function testNobodyIsConnectedToAndTheCallSaysSo(): void
    {
        $config = $this->withStranger();
        $script = $this->script('made-up-id', $config);
        self::assertSame(0, $script->wait(), $script->errors());
        $report = json_decode($script->output(), true);
        foreach ($report['made up'] as $method => [$class, $message]) {
            self::assertSame('GatewayWorker\Lib\UnreachableException', $class, $method);
            self::assertStringContainsString('lists no such gateway', $message, $method);
        }
        self::assertSame(1, $report['online'], 'the others go on');
        $lines = preg_match_all('~gatewayworker: tcp://127\.0\.0\.98:\d+ left out: ~', $script->errors());
        self::assertSame(3, $lines, $script->errors());
        self::assertSame('to some', $this->client->receive());
        $waiting = [$this->stranger];
        $none = null;
        self::assertSame(0, stream_select($waiting, $none, $none, 0), 'somebody came');
    }

    public function testWhereIdsAreTrustedTheAddressInThemIsConnectedTo(): void
    {
        $config = $this->withStranger() + ['send' => true];
        $script = $this->script('made-up-id', $config, ['gatewayworker.trust_client_ids' => '1']);
        $connection = stream_socket_accept($this->stranger, 20);
        self::assertIsResource($connection);
        self::assertStringContainsString(self::KEY, (string) fread($connection, 8192));
        self::assertSame(0, $script->wait(), $script->errors());
    }
}
