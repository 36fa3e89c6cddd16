<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;

/**
 * Groups: who is in them, messages to them, and queries about them.
 */
final class GroupTest extends ClusterTestCase
{
    /**
     * @dataProvider modes
     */
    public function testSendToGroupReachesItsMembersOnAllGateways(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        self::assertNull(Gateway::joinGroup($a->clientId(), 'room'));
        self::assertNull(Gateway::joinGroup($d->clientId(), 'room'));
        Gateway::joinGroup($b->clientId(), 'other');
        self::assertNull(Gateway::sendToGroup('room', 'for the room'));
        $this->assertReceived(['for the room'], $a);
        $this->assertReceived([], $b);
        $this->assertReceived([], $c);
        $this->assertReceived(['for the room'], $d);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToGroupReachesManyGroups(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        Gateway::joinGroup($a->clientId(), 'room');
        Gateway::joinGroup($b->clientId(), 7);
        Gateway::joinGroup($c->clientId(), 'third');
        self::assertNull(Gateway::sendToGroup(['room', 7, 'empty'], 'for two'));
        $this->assertReceived(['for two'], $a);
        $this->assertReceived(['for two'], $b);
        $this->assertReceived([], $c);
        $this->assertReceived([], $d);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToGroupLeavesOutTheExcluded(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        foreach ([$a, $b, $c] as $client) {
            Gateway::joinGroup($client->clientId(), 'room');
        }
        self::assertNull(Gateway::sendToGroup('room', 'not for one', $a->clientId()));
        self::assertNull(Gateway::sendToGroup('room', 'not for two', [$b->clientId(), $c->clientId()]));
        $this->assertReceived(['not for two'], $a);
        $this->assertReceived(['not for one'], $b);
        $this->assertReceived(['not for one'], $c);
        $this->assertReceived([], $d);
    }

    /**
     * @dataProvider modes
     */
    public function testSendToGroupWithRawLeavesTheFramingToTheCaller(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        Gateway::joinGroup($client->clientId(), 'room');
        Gateway::sendToGroup('room', "one\ntwo\n", null, true);
        $this->assertReceived(['one', 'two'], $client);
    }

    /**
     * @dataProvider modes
     */
    public function testLeaveGroupTakesTheClientOutOfThatGroup(string $mode): void
    {
        $this->enter($mode);
        [$a, , $c] = $this->fourClients();
        foreach (['room', 'hall'] as $group) {
            Gateway::joinGroup($a->clientId(), $group);
            Gateway::joinGroup($c->clientId(), $group);
        }
        self::assertNull(Gateway::leaveGroup($a->clientId(), 'room'));
        Gateway::sendToGroup('room', 'for the room');
        Gateway::sendToGroup('hall', 'for the hall');
        $this->assertReceived(['for the hall'], $a);
        $this->assertReceived(['for the room', 'for the hall'], $c);
        self::assertSame(self::ids($c), Gateway::getClientIdListByGroup('room'));
    }

    /**
     * @dataProvider modes
     */
    public function testUngroupDissolvesTheGroupOnAllGateways(string $mode): void
    {
        $this->enter($mode);
        [$a, , $c] = $this->fourClients();
        Gateway::joinGroup($a->clientId(), 'room');
        Gateway::joinGroup($c->clientId(), 'room');
        Gateway::joinGroup($c->clientId(), 'hall');
        self::assertNull(Gateway::ungroup('room'));
        Gateway::sendToGroup('room', 'for the room');
        $this->assertReceived([], $a);
        $this->assertReceived([], $c);
        self::assertSame(0, Gateway::getClientCountByGroup('room'));
        self::assertSame(['hall' => 'hall'], Gateway::getAllGroupIdList());
    }

    /**
     * @dataProvider modes
     */
    public function testTheMembersOfAGroupAreCountedOverAllGateways(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c] = $this->fourClients();
        foreach ([$a, $b, $c] as $client) {
            Gateway::joinGroup($client->clientId(), 'room');
        }
        foreach (['getClientCountByGroup', 'getClientIdCountByGroup'] as $method) {
            self::assertSame(3, Gateway::$method('room'), $method);
            self::assertSame(0, Gateway::$method('empty'), $method);
            self::assertSame(4, Gateway::$method(), "$method without a group counts all clients");
        }
    }

    /**
     * @dataProvider modes
     */
    public function testGetClientIdListByGroupListsTheMembersOfAllGateways(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c] = $this->fourClients();
        Gateway::joinGroup($a->clientId(), 'room');
        Gateway::joinGroup($c->clientId(), 'room');
        Gateway::joinGroup($b->clientId(), 'hall');
        self::assertSameMap(self::ids($a, $c), Gateway::getClientIdListByGroup('room'));
        self::assertSameMap(self::ids($a, $b, $c), Gateway::getClientIdListByGroup(['room', 'hall']));
        self::assertSame([], Gateway::getClientIdListByGroup('empty'));
    }

    /**
     * @dataProvider modes
     */
    public function testTheUsersOfAGroupAreListedAndCountedOnce(string $mode): void
    {
        $this->enter($mode);
        [$a, $b, $c, $d] = $this->fourClients();
        foreach ([$a, $b, $c, $d] as $client) {
            Gateway::joinGroup($client->clientId(), 'room');
        }
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::bindUid($c->clientId(), 'ann');
        Gateway::bindUid($d->clientId(), 12);
        self::assertSameMap(['ann' => 'ann', 12 => '12'], Gateway::getUidListByGroup('room'));
        self::assertSame(2, Gateway::getUidCountByGroup('room'));
        self::assertSame([], Gateway::getUidListByGroup('empty'));
        self::assertSame(0, Gateway::getUidCountByGroup('empty'));
    }

    /**
     * @dataProvider modes
     */
    public function testGetAllGroupIdListNamesEachGroupOnce(string $mode): void
    {
        $this->enter($mode);
        [$a, , $c] = $this->fourClients();
        self::assertSame([], Gateway::getAllGroupIdList());
        Gateway::joinGroup($a->clientId(), 'room');
        Gateway::joinGroup($c->clientId(), 'room');
        Gateway::joinGroup($c->clientId(), 7);
        self::assertSameMap(['room' => 'room', 7 => 7], Gateway::getAllGroupIdList());
    }

    /**
     * @dataProvider modes
     */
    public function testThePerGroupListsNameUsersAndClients(string $mode): void
    {
        $this->enter($mode);
        [$a, $c] = [$this->text(0), $this->websocket(1)];
        Gateway::bindUid($a->clientId(), 'ann');
        Gateway::bindUid($c->clientId(), 12);
        Gateway::joinGroup($a->clientId(), 'room');
        Gateway::joinGroup($a->clientId(), 7);
        Gateway::joinGroup($c->clientId(), 'room');
        self::assertSameMap(
            ['room' => ['ann' => 'ann', 12 => '12'], 7 => ['ann' => 'ann']],
            Gateway::getAllGroupUidList()
        );
        self::assertSameMap(['room' => 2, 7 => 1], Gateway::getAllGroupUidCount());
        self::assertSameMap(
            ['room' => self::ids($a, $c), 7 => self::ids($a)],
            Gateway::getAllGroupClientIdList()
        );
        self::assertSameMap(['room' => 2, 7 => 1], Gateway::getAllGroupClientIdCount());
    }

    /**
     * @dataProvider modes
     * @group better-than-original
     */
    public function testThePerGroupListsDoNotStopAtAClientWithoutUserOrGroup(string $mode): void
    {
        $this->enter($mode);
        // The clients without are the first that each gateway names.
        $this->text(0);
        $this->text(1);
        $anonymous = $this->text(0);
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::joinGroup($anonymous->clientId(), 'room');
        foreach (['ann' => $a, 'bob' => $b] as $uid => $client) {
            Gateway::bindUid($client->clientId(), $uid);
            Gateway::joinGroup($client->clientId(), 'room');
        }
        self::assertSameMap(['room' => ['ann' => 'ann', 'bob' => 'bob']], Gateway::getAllGroupUidList());
        self::assertSame(['room' => 2], Gateway::getAllGroupUidCount());
        self::assertSameMap(['room' => self::ids($anonymous, $a, $b)], Gateway::getAllGroupClientIdList());
        self::assertSame(['room' => 3], Gateway::getAllGroupClientIdCount());
    }

    /**
     * @dataProvider modes
     * @group better-than-original
     */
    public function testManyGroupsAreCountedInOneCall(string $mode): void
    {
        $this->enter($mode);
        [$a, , $c] = $this->fourClients();
        Gateway::joinGroup($a->clientId(), 'room');
        Gateway::joinGroup($c->clientId(), 'room');
        Gateway::joinGroup($c->clientId(), 7);
        self::assertSameMap(
            ['room' => 2, 7 => 1, 'empty' => 0],
            Gateway::batchGetClientIdCountByGroup(['room', 7, 'empty'])
        );
    }
}
