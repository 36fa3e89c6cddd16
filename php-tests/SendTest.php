<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;

/**
 * Messages to one client and to all of them.
 */
final class SendTest extends ClusterTestCase
{
    /**
     * @dataProvider modes
     */
    public function testSendToClientReachesThatClientOnAnyGateway(string $mode): void
    {
        $this->enter($mode);
        $clients = $this->fourClients();
        foreach ($clients as $number => $client) {
            self::assertTrue(Gateway::sendToClient($client->clientId(), "for $number"));
        }
        foreach ($clients as $number => $client) {
            $this->assertReceived(["for $number"], $client);
        }
    }

    /**
     * @dataProvider modes
     */
    public function testSendToClientWithRawLeavesTheFramingToTheCaller(string $mode): void
    {
        $this->enter($mode);
        $text = $this->text();
        $websocket = $this->websocket(1);
        self::assertTrue(Gateway::sendToClient($text->clientId(), "one\ntwo\n", true));
        self::assertTrue(Gateway::sendToClient($websocket->clientId(), "\x81\x03raw", true));
        $this->assertReceived(['one', 'two'], $text);
        $this->assertReceived(['raw'], $websocket);
    }

    /**
     * @dataProvider modes
     */
    public function testMessagesArriveInTheOrderOfTheCalls(string $mode): void
    {
        $this->enter($mode);
        $clients = $this->fourClients();
        $expected = array_fill(0, count($clients), []);
        for ($i = 0; $i < 200; $i++) {
            $to = $i % 4;
            if ($to === 3) {
                Gateway::sendToAll("$i");
                foreach (array_keys($clients) as $number) {
                    $expected[$number][] = "$i";
                }
            } else {
                Gateway::sendToClient($clients[$to]->clientId(), "$i");
                $expected[$to][] = "$i";
            }
        }
        foreach ($clients as $number => $client) {
            $this->assertReceived($expected[$number], $client);
        }
    }

    /**
     * @dataProvider modes
     */
    public function testScalarMessagesArriveAsTheirStrings(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text();
        foreach ([7, 0.5, true, ''] as $message) {
            self::assertTrue(Gateway::sendToClient($client->clientId(), $message));
        }
        $this->assertReceived(['7', '0.5', '1', ''], $client);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToCurrentClientReachesTheClientOfTheEvent(string $mode): void
    {
        $this->enter($mode);
        [$other, , $current] = $this->fourClients();
        $this->handleEventOf($current->clientId());
        self::assertTrue(Gateway::sendToCurrentClient('for you'));
        self::assertTrue(Gateway::sendToCurrentClient("raw\n", true));
        self::assertTrue(Gateway::sendToClient(null, 'for you, too'));
        self::assertTrue(Gateway::sendToClient($current->clientId(), 'by name'));
        $this->assertReceived(['for you', 'raw', 'for you, too', 'by name'], $current);
        $this->assertReceived([], $other);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToAllReachesEverybody(string $mode): void
    {
        $this->enter($mode);
        $clients = $this->fourClients();
        self::assertNull(Gateway::sendToAll('to all'));
        foreach ($clients as $client) {
            $this->assertReceived(['to all'], $client);
        }
    }

    /**
     * @dataProvider modes
     */
    public function testSendToAllWithRawLeavesTheFramingToTheCaller(string $mode): void
    {
        $this->enter($mode);
        $clients = [$this->text(0), $this->text(1)];
        self::assertNull(Gateway::sendToAll("one\ntwo\n", null, null, true));
        foreach ($clients as $client) {
            $this->assertReceived(['one', 'two'], $client);
        }
    }

    /**
     * @dataProvider modes
     */
    public function testSendToAllWithAListReachesThoseOnly(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        self::assertNull(Gateway::sendToAll('to some', [$a->clientId(), $d->clientId()]));
        $this->assertReceived(['to some'], $a);
        $this->assertReceived([], $b);
        $this->assertReceived([], $c);
        $this->assertReceived(['to some'], $d);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToAllWithAListAsksOnlyTheGatewaysConcerned(string $mode): void
    {
        $this->enter($mode);
        [$a] = $this->fourClients();
        $before = $this->cluster->framesOf(6);
        Gateway::sendToAll('to one', [$a->clientId()]);
        $this->assertReceived(['to one'], $a);
        self::assertSame($before + 1, $this->cluster->framesOf(6));
    }

    /**
     * @dataProvider modes
     */
    public function testSendToAllWithAnEmptyListReachesNobody(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text();
        self::assertNull(Gateway::sendToAll('to nobody', []));
        $this->assertReceived([], $client);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToAllLeavesOutTheExcluded(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        self::assertNull(Gateway::sendToAll('not for two', null, [$a->clientId(), $d->clientId()]));
        self::assertNull(Gateway::sendToAll('not for one', null, $b->clientId()));
        $this->assertReceived(['not for one'], $a);
        $this->assertReceived(['not for two'], $b);
        $this->assertReceived(['not for two', 'not for one'], $c);
        $this->assertReceived(['not for one'], $d);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToAllTakesTheExcludedOutOfTheList(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        self::assertNull(Gateway::sendToAll(
            'to some',
            [$a->clientId(), $b->clientId(), $c->clientId()],
            [$b->clientId()]
        ));
        self::assertNull(Gateway::sendToAll('to one', [$a->clientId(), $c->clientId()], $c->clientId()));
        $this->assertReceived(['to some', 'to one'], $a);
        $this->assertReceived([], $b);
        $this->assertReceived(['to some'], $c);
        $this->assertReceived([], $d);
    }
}
