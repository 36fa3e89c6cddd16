<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;

/**
 * Presence: who is online.
 */
final class PresenceTest extends ClusterTestCase
{
    /**
     * @dataProvider modes
     */
    public function testIsOnlineIsOneOrZero(string $mode): void
    {
        $this->enter($mode);
        foreach ($this->fourClients() as $client) {
            self::assertSame(1, Gateway::isOnline($client->clientId()));
            self::assertSame(1, Gateway::isOnline(strtoupper($client->clientId())), 'hex digits in capitals');
            self::assertSame(0, Gateway::isOnline(substr($client->clientId(), 0, 12) . 'fffffffe'));
        }
    }

    /**
     * @dataProvider modes
     */
    public function testAllClientsAreCountedAndListed(string $mode): void
    {
        $this->enter($mode);
        self::assertSame(0, Gateway::getAllClientCount());
        self::assertSame([], Gateway::getAllClientIdList());
        $clients = $this->fourClients();
        self::assertSame(4, Gateway::getAllClientCount());
        self::assertSame(4, Gateway::getAllClientIdCount());
        self::assertSameMap(self::ids(...$clients), Gateway::getAllClientIdList());
    }
}
