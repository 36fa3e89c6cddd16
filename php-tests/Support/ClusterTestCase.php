<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use GatewayWorker\Lib\Gateway;

/**
 * The base of the tests with a development gateway and real clients.
 */
abstract class ClusterTestCase extends GatewayTestCase
{
    protected const SECRET = "k-ey/\u{e9}";

    /** @var Gatewayd */
    protected $cluster;

    /** @var list<Client> */
    private $clients = [];

    /** @var int */
    private static $counter = 0;

    /**
     * The ways in which the class is used: outside of a BusinessWorker and within, without a secret and with one.
     *
     * @return array<string, array{string}>
     */
    public static function modes(): array
    {
        return [
            'client' => ['client'],
            'client with secret' => ['client with secret'],
            'worker' => ['worker'],
            'worker with secret' => ['worker with secret'],
        ];
    }

    protected function tearDown(): void
    {
        foreach ($this->clients as $client) {
            $client->close();
        }
        if ($this->clients !== []) {
            $cluster = $this->cluster;
            Clock::waitUntil(static function () use ($cluster): bool {
                return $cluster->clients() === 0;
            }, 'for the gateways to see that the clients have gone');
        }
        parent::tearDown();
    }

    /**
     * Points the class under test at a running cluster.
     */
    protected function enter(string $mode): void
    {
        $secret = strpos($mode, 'secret') !== false ? static::SECRET : null;
        $this->cluster = Gatewayd::shared($secret);
        $this->pointAt($this->cluster, (string) $secret);
        if (strpos($mode, 'worker') === 0) {
            Gateway::setBusinessWorker(new WorkerStub($this->cluster->internalAddresses()));
        }
    }

    /**
     * Points the class under test at a cluster, outside of a BusinessWorker.
     */
    protected function pointAt(Gatewayd $cluster, string $secret = ''): void
    {
        $this->cluster = $cluster;
        Gateway::$registerAddress = $cluster->register();
        Gateway::$secretKey = $secret;
    }

    /**
     * Connects a client that speaks in lines.
     */
    protected function text(int $gateway = 0): TextClient
    {
        return $this->clients[] = new TextClient($this->cluster->text($gateway));
    }

    /**
     * Connects a WebSocket client.
     */
    protected function websocket(int $gateway = 0): WebSocketClient
    {
        return $this->clients[] = new WebSocketClient($this->cluster->websocket($gateway));
    }

    /**
     * A text and a WebSocket client at each of the two gateways.
     *
     * @return array{TextClient, WebSocketClient, TextClient, WebSocketClient}
     */
    protected function fourClients(): array
    {
        return [$this->text(0), $this->websocket(0), $this->text(1), $this->websocket(1)];
    }

    /**
     * The ids of clients, as keys and values, which is the form of most lists.
     *
     * @return array<string, string>
     */
    protected static function ids(Client ...$clients): array
    {
        $ids = [];
        foreach ($clients as $client) {
            $ids[$client->clientId()] = $client->clientId();
        }
        return $ids;
    }

    /**
     * A name that no other test uses.
     */
    protected static function unusedName(string $prefix): string
    {
        return $prefix . '-' . ++self::$counter;
    }

    /**
     * Requires that a client has got exactly these messages and no other so far.
     *
     * A further message is sent after them, on the same way: once it is there, nothing else is on its way.
     *
     * @param list<string> $messages
     */
    protected function assertReceived(array $messages, Client $client, string $why = ''): void
    {
        $fence = self::unusedName('fence');
        Gateway::sendToClient($client->clientId(), $fence);
        self::assertSame($messages, $client->receiveUntil($fence), $why);
    }

    /**
     * Requires equal maps, in whatever order.
     *
     * @param array<mixed> $expected
     * @param mixed        $actual
     */
    protected static function assertSameMap(array $expected, $actual, string $why = ''): void
    {
        self::assertIsArray($actual, $why);
        self::sort($expected);
        self::sort($actual);
        self::assertSame($expected, $actual, $why);
    }

    /**
     * @param array<mixed> $map
     */
    private static function sort(array &$map): void
    {
        ksort($map, SORT_STRING);
        foreach ($map as &$value) {
            if (is_array($value)) {
                self::sort($value);
            }
        }
    }
}
