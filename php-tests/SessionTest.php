<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;

/**
 * Sessions: set, merged, read one by one and all together.
 */
final class SessionTest extends ClusterTestCase
{
    private const SESSION = ['uid' => 7, 'name' => "J\u{f6}rg", 'f' => 0.1, 'nested' => ['a' => [1, 2, 3], 'b' => null]];

    /**
     * @dataProvider modes
     */
    public function testASessionIsReadAsItWasSet(string $mode): void
    {
        $this->enter($mode);
        [$a, $b] = [$this->text(0), $this->websocket(1)];
        self::assertNull(Gateway::setSession($a->clientId(), self::SESSION));
        self::assertSame(self::SESSION, Gateway::getSession($a->clientId()));
        self::assertSame([], Gateway::getSession($b->clientId()), 'a client without a session');
        self::assertNull(Gateway::setSession($a->clientId(), ['other' => 1]));
        self::assertSame(['other' => 1], Gateway::getSession($a->clientId()), 'setSession replaces');
    }

    /**
     * @dataProvider modes
     */
    public function testWhatWasDeletedFromASessionIsNotInIt(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(0);
        $session = ['first' => 1, 'list' => [1, 2, 3, 4], 'map' => ['x' => 1, 'y' => 2], 'from 3' => [3 => 'c'], 'last' => 9];
        unset($session['first'], $session['last'], $session['list'][1], $session['list'][3], $session['map']['x']);
        Gateway::setSession($client->clientId(), $session);
        self::assertSame($session, Gateway::getSession($client->clientId()));
        $uids = ['gone', 'kept', 'gone too'];
        unset($uids[0], $uids[2]);
        Gateway::bindUid($client->clientId(), 'kept');
        Gateway::sendToUid($uids, 'to those that are kept');
        self::assertSame('to those that are kept', $client->receive());
    }

    /**
     * @dataProvider modes
     */
    public function testASessionMayHoldObjects(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $session = ['when' => new \DateTimeImmutable('2024-02-29 12:00:00 UTC'), 'list' => new \ArrayObject([1, 2])];
        Gateway::setSession($client->clientId(), $session);
        self::assertEquals($session, Gateway::getSession($client->clientId()));
        self::assertEquals([$client->clientId() => $session], Gateway::getAllClientSessions());
    }

    /**
     * @dataProvider modes
     */
    public function testNothingIsSentIfAnObjectOfTheOldSessionThrows(string $mode): void
    {
        foreach (['setSession', 'updateSession'] as $method) {
            $this->enter($mode);
            $client = $this->text(1);
            Gateway::setSession($client->clientId(), ['before' => 1]);
            $thrower = new class () {
                public function __destruct()
                {
                    throw new \DomainException('gone');
                }
            };
            $this->handleEventOf($client->clientId(), ['o' => $thrower]);
            unset($thrower);
            $thrown = $this->observe(static function () use ($method, $client): void {
                Gateway::$method($client->clientId(), ['o' => 1]);
            })->thrown;
            self::assertInstanceOf(\DomainException::class, $thrown, $method);
            Context::clear();
            self::assertSame(['before' => 1], Gateway::getSession($client->clientId()), $method);
        }
    }

    /**
     * @dataProvider modes
     */
    public function testUpdateSessionMergesIntoTheOldOne(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $update = ['name' => 'Ann', 'nested' => ['a' => [9], 'c' => true], 'new' => 'x'];
        self::assertNull(Gateway::updateSession($client->clientId(), self::SESSION));
        self::assertSame(self::SESSION, Gateway::getSession($client->clientId()), 'nothing to merge with yet');
        self::assertNull(Gateway::updateSession($client->clientId(), $update));
        self::assertSame(
            array_replace_recursive(self::SESSION, $update),
            Gateway::getSession($client->clientId())
        );
    }

    /**
     * @dataProvider modes
     */
    public function testSetSocketSessionTakesASerializedSession(string $mode): void
    {
        $this->enter($mode);
        $client = $this->websocket(1);
        self::assertTrue(Gateway::setSocketSession($client->clientId(), serialize(self::SESSION)));
        self::assertSame(self::SESSION, Gateway::getSession($client->clientId()));
        self::assertTrue(Gateway::setSocketSession($client->clientId(), ''));
        self::assertSame([], Gateway::getSession($client->clientId()));
    }

    /**
     * @dataProvider modes
     */
    public function testTheSessionOfAClientThatHasGoneIsNull(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text();
        Gateway::setSession($client->clientId(), self::SESSION);
        Gateway::closeClient($client->clientId());
        self::assertSame([], $client->receiveUntilClosed());
        self::assertNull(Gateway::getSession($client->clientId()));
    }

    /**
     * @dataProvider modes
     */
    public function testSettingTheSessionOfTheCurrentClientSetsTheVariableToo(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $this->handleEventOf($client->clientId(), ['old' => 1]);
        Gateway::setSession($client->clientId(), self::SESSION);
        self::assertSame(self::SESSION, $_SESSION);
        self::assertSame(self::SESSION, Context::$old_session);
        self::assertSame(self::SESSION, Gateway::getSession($client->clientId()));
    }

    /**
     * @dataProvider modes
     */
    public function testUpdatingTheCurrentSessionUpdatesTheVariableToo(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $this->handleEventOf($client->clientId(), ['old' => 1, 'nested' => ['a' => [1, 2], 'z' => 0]]);
        Gateway::updateSession($client->clientId(), ['nested' => ['a' => [9]]]);
        $merged = ['old' => 1, 'nested' => ['a' => [9, 2], 'z' => 0]];
        self::assertSame($merged, $_SESSION);
        self::assertSame($merged, Context::$old_session);
        self::assertSame(['nested' => ['a' => [9]]], Gateway::getSession($client->clientId()));
    }

    /**
     * @dataProvider modes
     */
    public function testTheSessionOfAnotherClientLeavesTheVariableAlone(string $mode): void
    {
        $this->enter($mode);
        [$current, $other] = [$this->text(0), $this->text(1)];
        $this->handleEventOf($current->clientId(), ['mine' => 1]);
        Gateway::setSession($other->clientId(), self::SESSION);
        Gateway::updateSession($other->clientId(), ['x' => 1]);
        self::assertSame(['mine' => 1], $_SESSION);
        self::assertSame(['mine' => 1], Context::$old_session);
    }

    /**
     * @dataProvider modes
     */
    public function testAllSessionsAreListedByClient(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        Gateway::setSession($a->clientId(), self::SESSION);
        Gateway::setSession($d->clientId(), ['d' => 1]);
        $expected = [
            $a->clientId() => self::SESSION,
            $b->clientId() => [],
            $c->clientId() => [],
            $d->clientId() => ['d' => 1],
        ];
        self::assertSameMap($expected, Gateway::getAllClientSessions());
    }

    /**
     * @dataProvider modes
     */
    public function testTheSessionsOfAGroupAreListedByClient(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        foreach ([$a, $b, $d] as $client) {
            Gateway::joinGroup($client->clientId(), 'room');
        }
        Gateway::setSession($a->clientId(), ['a' => 1]);
        Gateway::setSession($c->clientId(), ['c' => 1]);
        Gateway::setSession($d->clientId(), ['d' => 1]);
        $expected = [$a->clientId() => ['a' => 1], $b->clientId() => [], $d->clientId() => ['d' => 1]];
        self::assertSameMap($expected, Gateway::getClientSessionsByGroup('room'));
        self::assertSameMap($expected, Gateway::getAllClientSessions('room'));
        self::assertSame([], Gateway::getClientSessionsByGroup('empty'));
    }

    /**
     * @dataProvider modes
     */
    public function testTheCurrentClientIsListedWithTheSessionOfTheVariable(string $mode): void
    {
        $this->enter($mode);
        [$current, $other] = [$this->text(0), $this->text(1)];
        Gateway::setSession($current->clientId(), ['stored' => 1]);
        $this->handleEventOf($current->clientId(), ['newer' => 2]);
        self::assertSameMap(
            [$current->clientId() => ['newer' => 2], $other->clientId() => []],
            Gateway::getAllClientSessions()
        );
    }

    /**
     * @dataProvider modes
     */
    public function testTheDeprecatedNamesStillList(string $mode): void
    {
        $this->enter($mode);
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::joinGroup($b->clientId(), 'room');
        Gateway::setSession($b->clientId(), ['b' => 1]);
        $all = $this->observe(static function () {
            return Gateway::getAllClientInfo();
        });
        $some = $this->observe(static function () {
            return Gateway::getAllClientInfo('room');
        });
        $group = $this->observe(static function () {
            return Gateway::getClientInfoByGroup('room');
        });
        self::assertSameMap([$a->clientId() => [], $b->clientId() => ['b' => 1]], $all->returned);
        self::assertSame([$b->clientId() => ['b' => 1]], $some->returned);
        self::assertSame([$b->clientId() => ['b' => 1]], $group->returned);
    }

    /**
     * @group better-than-original
     */
    public function testTheDeprecatedNamesPrintNothing(): void
    {
        $this->enter('client');
        $this->text();
        $outcome = $this->observe(static function () {
            Gateway::getAllClientInfo();
            Gateway::getClientInfoByGroup('room');
        });
        self::assertNull($outcome->thrown);
        self::assertSame('', $outcome->printed);
        self::assertSame([], $outcome->warnings);
    }
}
