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

    /** @var array<string, Gatewayd> the shared clusters that the test has entered, by their secrets */
    private $entered = [];

    /** @var list<WorkerStub> the workers that the test has been in */
    private $workers = [];

    /** @var int */
    private static $counter = 0;

    /**
     * The ways in which the class is used: outside of a BusinessWorker and within, without a secret
     * and with one.
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
        try {
            foreach ($this->clients as $client) {
                $client->close();
            }
            foreach ($this->entered as $secret => $cluster) {
                $this->settle($cluster, (string) $secret);
            }
        } finally {
            $this->clients = $this->entered = $this->workers = [];
            parent::tearDown();
        }
    }

    /**
     * Points the class under test at a running cluster.
     */
    protected function enter(string $mode): void
    {
        $secret = strpos($mode, 'secret') !== false ? static::SECRET : null;
        $cluster = $this->entered[(string) $secret] = Gatewayd::shared($secret);
        $this->pointAt($cluster, (string) $secret);
        if (strpos($mode, 'worker') === 0) {
            Gateway::setBusinessWorker($this->worker($cluster->internalAddresses()));
        }
    }

    /**
     * A stand-in for a BusinessWorker, for setBusinessWorker().
     *
     * @param list<string>      $connected the gateways to which there is a connection
     * @param list<string>|null $known     all gateways that the worker knows of, if they differ
     */
    protected function worker(array $connected, ?array $known = null): WorkerStub
    {
        return $this->workers[] = new WorkerStub($connected, $known);
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
     * A further message is sent after them, on the same path: once it has arrived, nothing else is
     * on its way.
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
     * Sees to it that nothing of this test is under way any more in a cluster that others enter
     * after it.
     *
     * A command is on its way when the call returns: left alone, one of this test could reach a
     * client of the next. The reply to a query comes after all commands that were sent before it,
     * outside of a BusinessWorker or in the same one; each has connections of its own. The settings
     * are fresh ones, whatever the test has made of them.
     */
    private function settle(Gatewayd $cluster, string $secret): void
    {
        foreach (array_merge([null], $this->workers) as $worker) {
            Implementation::reset();
            $this->pointAt($cluster, $secret);
            if ($worker !== null) {
                $worker->know($cluster->internalAddresses());
                Gateway::setBusinessWorker($worker);
            }
            Gateway::getAllClientCount();
        }
        Clock::waitUntil(static function () use ($cluster): bool {
            return $cluster->clients() === 0;
        }, 'for the gateways to see that the clients have gone');
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
