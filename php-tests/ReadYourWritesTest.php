<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\OriginalConnection;

/**
 * A query sees every command that was issued before it.
 *
 * The original keeps this promise outside of a BusinessWorker, where it has one connection for
 * both, and inside with luck only: there, the reply to a query may be ahead of the command that was
 * issued first.
 *
 * @group better-than-original
 */
final class ReadYourWritesTest extends ClusterTestCase
{
    private const BARRIER = 11;

    protected function setUp(): void
    {
        parent::setUp();
        OriginalConnection::$ordered = false;
    }

    protected function tearDown(): void
    {
        OriginalConnection::$ordered = true;
        parent::tearDown();
    }

    /**
     * @dataProvider modes
     */
    public function testABindingIsSeenAtOnce(string $mode): void
    {
        $this->enter($mode);
        $clients = $this->fourClients();
        for ($i = 0; $i < 100; $i++) {
            $client = $clients[$i % 4];
            Gateway::bindUid($client->clientId(), "u$i");
            self::assertSame([$client->clientId()], Gateway::getClientIdByUid("u$i"));
            self::assertSame("u$i", Gateway::getUidByClientId($client->clientId()));
            Gateway::unbindUid($client->clientId(), "u$i");
            self::assertSame(0, Gateway::isUidOnline("u$i"));
        }
    }

    /**
     * @dataProvider modes
     */
    public function testAGroupIsSeenAtOnce(string $mode): void
    {
        $this->enter($mode);
        $clients = $this->fourClients();
        for ($i = 0; $i < 25; $i++) {
            foreach ($clients as $number => $client) {
                Gateway::joinGroup($client->clientId(), "g$i");
                self::assertSame($number + 1, Gateway::getClientCountByGroup("g$i"));
            }
            Gateway::leaveGroup($clients[0]->clientId(), "g$i");
            self::assertSame(3, Gateway::getClientIdCountByGroup("g$i"));
            Gateway::ungroup("g$i");
            self::assertSame([], Gateway::getAllGroupIdList());
        }
    }

    /**
     * @dataProvider modes
     */
    public function testASessionIsSeenAtOnce(string $mode): void
    {
        $this->enter($mode);
        [$a, , $c] = $this->fourClients();
        for ($i = 0; $i < 50; $i++) {
            Gateway::setSession($a->clientId(), ['i' => $i]);
            self::assertSame(['i' => $i], Gateway::getSession($a->clientId()));
            Gateway::updateSession($c->clientId(), ["k$i" => $i]);
            self::assertCount($i + 1, Gateway::getSession($c->clientId()));
        }
    }

    /**
     * @dataProvider modes
     */
    public function testABigCommandIsSeenAsWell(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $big = str_repeat('x', 4 << 20);
        for ($i = 0; $i < 3; $i++) {
            Gateway::setSession($client->clientId(), ['big' => $big, 'i' => $i]);
            self::assertSame($i, Gateway::getSession($client->clientId())['i']);
        }
    }

    /**
     * @dataProvider modes
     */
    public function testAQueryCostsNothingMoreWhereNoCommandIsOutstanding(string $mode): void
    {
        $this->enter($mode);
        [$a] = $this->fourClients();
        Gateway::joinGroup($a->clientId(), 'room');
        self::assertSame(1, Gateway::getClientCountByGroup('room'));
        $before = $this->cluster->framesOf(self::BARRIER);
        for ($i = 0; $i < 20; $i++) {
            self::assertSame(1, Gateway::getClientCountByGroup('room'));
            self::assertSame(0, Gateway::isUidOnline('nobody'));
            self::assertSame([], Gateway::getSession($a->clientId()));
        }
        self::assertSame($before, $this->cluster->framesOf(self::BARRIER));
    }

    /**
     * @dataProvider modes
     */
    public function testAQueryBehindCommandsTakesNoRoundTripOfItsOwn(string $mode): void
    {
        $this->enter($mode);
        [$a] = $this->fourClients();
        // Where a link is not there yet, this query waits for a barrier. From then on the links are there.
        Gateway::sendToAll('links');
        self::assertSame(4, Gateway::getAllClientCount());
        $before = $this->cluster->framesOf(self::BARRIER);
        for ($i = 0; $i < 10; $i++) {
            Gateway::joinGroup($a->clientId(), "a$i");
            Gateway::joinGroup($a->clientId(), "b$i");
        }
        self::assertSame(1, Gateway::getClientCountByGroup('b9'));
        self::assertSame(1, Gateway::getClientCountByGroup('a0'));
        self::assertSame($before, $this->cluster->framesOf(self::BARRIER), 'it goes behind them, and nothing goes ahead');
    }
}
