<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;

/**
 * Users: binding clients to uids, sending to them, and querying them.
 */
final class UidTest extends ClusterTestCase
{
    /**
     * @dataProvider modes
     */
    public function testSendToUidReachesAllClientsOfTheUser(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        self::assertNull(Gateway::bindUid($a->clientId(), 'ann'));
        self::assertNull(Gateway::bindUid($d->clientId(), 'ann'));
        self::assertNull(Gateway::bindUid($b->clientId(), 'bob'));
        self::assertNull(Gateway::sendToUid('ann', 'for ann'));
        $this->assertReceived(['for ann'], $a);
        $this->assertReceived([], $b);
        $this->assertReceived([], $c);
        $this->assertReceived(['for ann'], $d);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToUidReachesManyUsers(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::bindUid($b->clientId(), 12);
        Gateway::bindUid($c->clientId(), 'carl');
        self::assertNull(Gateway::sendToUid(['ann', 12, 'nobody'], 'for two'));
        $this->assertReceived(['for two'], $a);
        $this->assertReceived(['for two'], $b);
        $this->assertReceived([], $c);
        $this->assertReceived([], $d);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToUidWithRawLeavesTheFramingToTheCaller(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        Gateway::bindUid($client->clientId(), 'ann');
        Gateway::sendToUid('ann', "one\ntwo\n", true);
        $this->assertReceived(['one', 'two'], $client);
    }

    /**
     * @dataProvider modes
     */
    public function testBindingAgainMovesTheClientToTheNewUser(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text();
        Gateway::bindUid($client->clientId(), 'ann');
        Gateway::bindUid($client->clientId(), 'bob');
        Gateway::sendToUid('ann', 'for ann');
        Gateway::sendToUid('bob', 'for bob');
        $this->assertReceived(['for bob'], $client);
        self::assertSame('bob', Gateway::getUidByClientId($client->clientId()));
        self::assertSame(0, Gateway::isUidOnline('ann'));
    }

    /**
     * @dataProvider modes
     */
    public function testUnbindUidTakesTheClientFromTheUser(string $mode): void
    {
        $this->enter($mode);
        [$a, , $c] = $this->fourClients();
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::bindUid($c->clientId(), 'ann');
        self::assertNull(Gateway::unbindUid($a->clientId(), 'ann'));
        Gateway::sendToUid('ann', 'for ann');
        $this->assertReceived([], $a);
        $this->assertReceived(['for ann'], $c);
        self::assertNull(Gateway::getUidByClientId($a->clientId()));
        self::assertSame([$c->clientId()], Gateway::getClientIdByUid('ann'));
    }

    /**
     * @dataProvider modes
     */
    public function testGetClientIdByUidListsTheClientsOfAllGateways(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c] = $this->fourClients();
        foreach ([$a, $b, $c] as $client) {
            Gateway::bindUid($client->clientId(), 'ann');
        }
        $found = Gateway::getClientIdByUid('ann');
        self::assertSame([0, 1, 2], array_keys($found));
        self::assertEqualsCanonicalizing(array_values(self::ids($a, $b, $c)), $found);
        self::assertSame([], Gateway::getClientIdByUid('nobody'));
    }

    /**
     * @dataProvider modes
     */
    public function testIsUidOnlineIsOneOrZero(string $mode): void
    {
        $this->enter($mode);
        [, , $c, $d] = $this->fourClients();
        Gateway::bindUid($c->clientId(), 'ann');
        Gateway::bindUid($d->clientId(), 'ann');
        self::assertSame(1, Gateway::isUidOnline('ann'));
        self::assertSame(0, Gateway::isUidOnline('nobody'));
    }

    /**
     * @dataProvider modes
     */
    public function testGetUidByClientIdIsTheUserOrNull(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c] = $this->fourClients();
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::bindUid($c->clientId(), 12);
        self::assertSame('ann', Gateway::getUidByClientId($a->clientId()));
        self::assertNull(Gateway::getUidByClientId($b->clientId()));
        self::assertSame('12', Gateway::getUidByClientId($c->clientId()));
        self::assertNull(Gateway::getUidByClientId(substr($a->clientId(), 0, 12) . 'fffffffe'));
    }

    /**
     * @dataProvider modes
     */
    public function testTheListOfUsersCountsEachOnce(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c] = $this->fourClients();
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::bindUid($b->clientId(), 12);
        Gateway::bindUid($c->clientId(), 'ann');
        self::assertSameMap(['ann' => 'ann', 12 => '12'], Gateway::getAllUidList());
        self::assertSame(2, Gateway::getAllUidCount());
    }

    /**
     * @dataProvider modes
     */
    public function testThereAreNoUsersWhereNoneIsBound(string $mode): void
    {
        $this->enter($mode);
        $this->text();
        self::assertSame([], Gateway::getAllUidList());
        self::assertSame(0, Gateway::getAllUidCount());
    }

    /**
     * @dataProvider modes
     * @group better-than-original
     */
    public function testManyUsersAreAskedForInOneCall(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c] = $this->fourClients();
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::bindUid($b->clientId(), 12);
        Gateway::bindUid($c->clientId(), 'ann');
        $expected = ['ann' => [$a->clientId(), $c->clientId()], 12 => [$b->clientId()], 'nobody' => []];
        foreach (['batchGetClientIdByUid', 'getClientIdByUids'] as $method) {
            $found = Gateway::$method(['ann', 12, 'nobody']);
            sort($found['ann']);
            sort($expected['ann']);
            self::assertSameMap($expected, $found, $method);
        }
        self::assertSameMap(['ann' => 1, 12 => 1, 'nobody' => 0], Gateway::isUidsOnline(['ann', 12, 'nobody']));
    }
}
