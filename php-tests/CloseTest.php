<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;

/**
 * Throwing clients out.
 */
final class CloseTest extends ClusterTestCase
{
    /**
     * @dataProvider modes
     */
    public function testCloseClientClosesThatClientOnly(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        self::assertTrue(Gateway::closeClient($a->clientId()));
        self::assertTrue(Gateway::closeClient($d->clientId()));
        self::assertSame([], $a->receiveUntilClosed());
        self::assertSame([], $d->receiveUntilClosed());
        $this->assertReceived([], $b);
        $this->assertReceived([], $c);
        self::assertSameMap(self::ids($b, $c), Gateway::getAllClientIdList());
    }

    /**
     * @dataProvider modes
     */
    public function testCloseClientSaysGoodbyeFirst(string $mode): void
    {
        $this->enter($mode);
        foreach ([$this->text(0), $this->websocket(1)] as $client) {
            Gateway::sendToClient($client->clientId(), 'before');
            self::assertTrue(Gateway::closeClient($client->clientId(), 'goodbye'));
            self::assertSame(['before', 'goodbye'], $client->receiveUntilClosed());
        }
    }

    /**
     * @dataProvider modes
     */
    public function testCloseClientOfTheCurrentClientClosesIt(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $this->handleEventOf($client->clientId());
        self::assertTrue(Gateway::closeClient($client->clientId(), 'goodbye'));
        self::assertSame(['goodbye'], $client->receiveUntilClosed());
    }

    /**
     * @dataProvider modes
     */
    public function testCloseCurrentClientClosesTheClientOfTheEvent(string $mode): void
    {
        $this->enter($mode);
        [$other, $current, $third] = [$this->text(0), $this->websocket(1), $this->text(1)];
        $this->handleEventOf($current->clientId());
        self::assertTrue(Gateway::closeCurrentClient('goodbye'));
        self::assertSame(['goodbye'], $current->receiveUntilClosed());
        $this->handleEventOf($third->clientId());
        self::assertTrue(Gateway::closeCurrentClient());
        self::assertSame([], $third->receiveUntilClosed());
        $this->assertReceived([], $other);
    }

    /**
     * @dataProvider modes
     */
    public function testThereIsNoCurrentClientOutsideOfAnEvent(string $mode): void
    {
        $this->enter($mode);
        foreach (['closeCurrentClient', 'destoryCurrentClient'] as $method) {
            $outcome = $this->observe(static function () use ($method) {
                return Gateway::$method();
            });
            self::assertInstanceOf(\Exception::class, $outcome->thrown, $method);
            self::assertSame(
                "$method can not be called in async context",
                $outcome->thrown->getMessage()
            );
        }
    }

    /**
     * @dataProvider modes
     */
    public function testDestoryClientDropsThatClientOnly(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        self::assertTrue(Gateway::destoryClient($a->clientId()));
        self::assertTrue(Gateway::destoryClient($d->clientId()));
        self::assertSame([], $a->receiveUntilClosed());
        self::assertSame([], $d->receiveUntilClosed());
        $this->assertReceived([], $b);
        $this->assertReceived([], $c);
    }

    /**
     * @dataProvider modes
     */
    public function testDestoryCurrentClientDropsTheClientOfTheEvent(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c] = [$this->text(0), $this->text(1), $this->websocket(1)];
        $this->handleEventOf($b->clientId());
        self::assertTrue(Gateway::destoryCurrentClient());
        self::assertSame([], $b->receiveUntilClosed());
        $this->handleEventOf($c->clientId());
        self::assertTrue(Gateway::destoryClient($c->clientId()));
        self::assertSame([], $c->receiveUntilClosed());
        $this->assertReceived([], $a);
    }

    /**
     * @dataProvider modes
     * @group better-than-original
     */
    public function testTheRightSpellingOfDestroyWorksToo(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c] = [$this->text(0), $this->text(1), $this->websocket(1)];
        self::assertTrue(Gateway::destroyClient($b->clientId()));
        self::assertSame([], $b->receiveUntilClosed());
        $this->handleEventOf($c->clientId());
        self::assertTrue(Gateway::destroyCurrentClient());
        self::assertSame([], $c->receiveUntilClosed());
        $this->assertReceived([], $a);
    }

    /**
     * @dataProvider modes
     */
    public function testAClosedClientIsGoneFromEverywhere(string $mode): void
    {
        $this->enter($mode);
        [$a, $b] = [$this->text(0), $this->text(0)];
        foreach ([$a, $b] as $client) {
            Gateway::bindUid($client->clientId(), 'ann');
            Gateway::joinGroup($client->clientId(), 'room');
        }
        Gateway::closeClient($a->clientId());
        self::assertSame([], $a->receiveUntilClosed());
        self::assertSame(0, Gateway::isOnline($a->clientId()));
        self::assertSame(1, Gateway::isOnline($b->clientId()));
        self::assertSame([$b->clientId()], Gateway::getClientIdByUid('ann'));
        self::assertSame(self::ids($b), Gateway::getClientIdListByGroup('room'));
        self::assertSame(1, Gateway::getAllClientCount());
    }
}
