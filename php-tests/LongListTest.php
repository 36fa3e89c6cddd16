<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\Gatewayd;
use GatewayWorker\Tests\Support\GatewayTestCase;

/**
 * Lists of many rows: they are arrays like any other, whatever way they were made.
 */
final class LongListTest extends GatewayTestCase
{
    /** Commands 25, 10 and 15: fields of clients, the sessions of all, and the clients of a uid. */
    private const SELECT = 25;
    private const SESSIONS = 10;
    private const CLIENTS_OF_UID = 15;

    /** So much room is made for a list beforehand, and not more. */
    private const MOST_ROOM = 1 << 18;

    /** @var Gatewayd */
    private static $cluster;

    protected function setUp(): void
    {
        parent::setUp();
        self::$cluster = Gatewayd::shared();
        Gateway::$registerAddress = self::$cluster->register();
    }

    public function testEveryUidIsFoundUnderItself(): void
    {
        [$uids, $others] = [self::names('user-', 1, 3000), self::names('u', 1, 2000)];
        $this->replyUids($uids, $others);
        $list = Gateway::getAllUidList();
        $all = array_merge($uids, $others);
        self::assertSame(array_combine($all, $all), $list);
        foreach ($all as $uid) {
            self::assertTrue(isset($list[$uid]), $uid);
        }
        self::assertFalse(isset($list['user-3001']));
    }

    public function testUidsOfAnyLengthAreFound(): void
    {
        $uids = [];
        for ($length = 1; $length <= 300; $length++) {
            $uids[] = substr(str_repeat("\xff\0\x80az", 60), 0, $length);
            $uids[] = substr(str_repeat('a uid of ASCII ', 20), 0, $length);
        }
        $this->replyUids($uids, []);
        $list = Gateway::getAllUidList();
        self::assertSame(array_combine($uids, $uids), $list);
        foreach ($uids as $uid) {
            self::assertTrue(isset($list[$uid]), bin2hex($uid));
        }
    }

    public function testUidsThatHaveTheSameHashStayApart(): void
    {
        // "Ez" and "FY" have the same hash, and so has whatever is put together of the same number
        // of them.
        $uids = [''];
        for ($length = 0; $length < 9; $length++) {
            $uids = array_merge(...array_map(static fn (string $uid): array => ["{$uid}Ez", "{$uid}FY"], $uids));
        }
        $this->replyUids($uids, array_reverse($uids));
        self::assertSame(array_combine($uids, $uids), Gateway::getAllUidList());
    }

    public function testNumericUidsAreIntegerKeysAndTheNextOneFollowsThem(): void
    {
        $this->replyUids(['7', '007', '-3', '9', 'x', '9223372036854775808'], ['7', '5']);
        $list = Gateway::getAllUidList();
        $expected = [7 => '7', '007' => '007', -3 => '-3', 9 => '9', 'x' => 'x',
            '9223372036854775808' => '9223372036854775808', 5 => '5'];
        self::assertSame($expected, $list);
        $list[] = $expected[] = 'next';
        self::assertSame($expected, $list);
        self::assertSame('next', $list[10]);
    }

    public function testTheLargestIntegerKeyLeavesNoNextOne(): void
    {
        $this->replyUids([(string) PHP_INT_MAX], []);
        $list = Gateway::getAllUidList();
        self::assertSame([PHP_INT_MAX => (string) PHP_INT_MAX], $list);
        $this->expectException(\Error::class);
        $list[] = 'next';
    }

    public function testAListGrowsBeyondTheRoomThatIsMadeBeforehand(): void
    {
        // One string at once: under AddressSanitizer each growth is a copy.
        $rows = implode('', array_map(static fn (int $i): string => "i:$i;a:0:{}", range(0, self::MOST_ROOM)));
        self::$cluster->replyWith(0, self::SELECT, 'a:' . (self::MOST_ROOM + 1) . ":{{$rows}}");
        self::$cluster->replyWith(1, self::SELECT, 'a:0:{}');
        $list = Gateway::getAllClientIdList();
        self::assertCount(self::MOST_ROOM + 1, $list);
        self::assertSame(array_keys($list), array_values($list));
        self::assertStringEndsWith(sprintf('%08x', self::MOST_ROOM), (string) array_key_last($list));
    }

    public function testALongListCanBeChangedLikeAnyOther(): void
    {
        $uids = self::names('user-', 1, 1000);
        $this->replyUids($uids, []);
        $list = Gateway::getAllUidList();
        $copy = $list;
        foreach ($uids as $index => $uid) {
            if ($index % 2 === 0) {
                unset($list[$uid]);
            } else {
                $list[$uid] = $index;
                $list["$uid-more"] = [$uid];
            }
        }
        self::assertCount(1000, $list);
        self::assertSame(999, $list['user-1000']);
        self::assertSame(array_combine($uids, $uids), $copy);
        self::assertSame(array_combine($uids, $uids), unserialize(serialize($copy)));
    }

    public function testTheClientsOfAUidAreAListLikeAnyOther(): void
    {
        // Fewer than an empty array has room for, about as many, and many more.
        foreach ([1, 8, 9, 3000] as $count) {
            $ids = range(1, $count);
            self::$cluster->replyWith(0, self::CLIENTS_OF_UID, serialize($ids));
            self::$cluster->replyWith(1, self::CLIENTS_OF_UID, serialize($ids));
            $list = Gateway::getClientIdByUid('user-1');
            self::assertTrue(array_is_list($list));
            self::assertCount(2 * $count, array_unique($list));
            $copy = $list;
            $list[] = 'one more';
            self::assertSame('one more', $list[2 * $count]);
            self::assertSame('one more', array_pop($list));
            self::assertSame($copy, $list);
            unset($list[0]);
            $list['key'] = 1;
            self::assertSame(2 * $count, count($list));
            self::assertSame($copy, unserialize(serialize($copy)));
        }
    }

    public function testTheListsOfGroupsHaveTheOrderInWhichTheirClientsCame(): void
    {
        // More groups than are remembered at once, with names of all kinds, and uids of several
        // clients.
        $groups = array_merge(self::names('room-', 1, 400), ['7', '', "\0", str_repeat('long', 300), '-0']);
        $expected = [];
        $replies = ['', ''];
        for ($i = 0; $i < 3000; $i++) {
            $uid = $i % 3 === 0 ? (string) ($i % 500) : 'user-' . $i % 700;
            $own = [$groups[$i * 7 % count($groups)], $groups[$i * 11 % count($groups)]];
            // As a gateway has them, and as a list.
            $fields = ['uid' => $uid, 'groups' => $i % 2 === 0 ? array_combine($own, $own) : $own];
            $replies[$i < 2000 ? 0 : 1] .= "i:$i;" . serialize($fields);
            foreach ($uid === '0' ? [] : $own as $group) {
                $expected[$group][$uid] = $uid;
            }
        }
        self::$cluster->replyWith(0, self::SELECT, "a:2000:{{$replies[0]}}");
        self::$cluster->replyWith(1, self::SELECT, "a:1000:{{$replies[1]}}");
        self::assertSame($expected, Gateway::getAllGroupUidList());
    }

    public function testEveryGroupOfManyIsFoundAndNoOther(): void
    {
        $groups = array_map('md5', range(1, 400));
        $rows = '';
        foreach ($groups as $i => $group) {
            $rows .= "i:$i;" . serialize(['uid' => "user-$i", 'groups' => [$group => $group, $i % 50 => (string) ($i % 50)]]);
        }
        foreach (['getAllGroupUidList', 'getAllGroupClientIdList'] as $method) {
            self::$cluster->replyWith(0, self::SELECT, 'a:400:{' . $rows . '}');
            self::$cluster->replyWith(1, self::SELECT, 'a:0:{}');
            $lists = Gateway::$method();
            self::assertCount(450, $lists);
            foreach ($groups as $i => $group) {
                self::assertCount(1, $lists[$group] ?? [], $group);
                self::assertCount(8, $lists[$i % 50] ?? []);
                self::assertFalse(isset($lists["no-$group"]));
            }
            $lists['new'] = [];
            unset($lists[$groups[7]], $lists[49]);
            self::assertCount(449, $lists);
            self::assertFalse(isset($lists[$groups[7]]) || isset($lists[49]));
            self::assertTrue(isset($lists['new'], $lists[$groups[399]], $lists[48]));
        }
    }

    public function testSessionsThatHaveEqualPartsAreChangedOneByOne(): void
    {
        $session = ['name' => 'x', 'roles' => ['admin', 'user'], 'deep' => ['a' => ['b' => [1]]], 'n' => 0.5];
        $this->replySessions(array_fill(0, 20, $session), array_fill(0, 20, $session));
        $sessions = array_values(Gateway::getAllClientSessions());
        self::assertSame(array_fill(0, 40, $session), $sessions);
        $sessions[5]['roles'][] = 'guest';
        $sessions[6]['deep']['a']['b'][] = 2;
        $sessions[7]['new'] = 1;
        unset($sessions[8]['name']);
        $reference = &$sessions[9]['roles'];
        $reference = 'none';
        foreach ($sessions as $index => $value) {
            self::assertSame($index < 5 || $index > 9, $value === $session, (string) $index);
        }
        self::assertSame(['admin', 'user', 'guest'], $sessions[5]['roles']);
        self::assertSame(['name', 'roles', 'deep', 'n', 'new'], array_keys($sessions[7]));
        self::assertSame(['roles', 'deep', 'n'], array_keys($sessions[8]));
    }

    public function testLongListsKeepNoMemory(): void
    {
        $groups = [];
        for ($i = 0; $i < 500; $i++) {
            $uid = $i % 5 === 0 ? (string) $i : 'user-' . $i % 450;
            $groups[$i] = serialize(['uid' => $uid, 'groups' => ['a' => 'a', "g$i" => "g$i", $i % 7 => 'b']]);
            $sessions[$i] = ['name' => "Name $i", 'roles' => ['x', $i % 3], 'n' => $i];
        }
        $call = function () use ($groups, $sessions): void {
            $rows = '';
            foreach ($groups as $i => $row) {
                $rows .= "i:$i;$row";
            }
            self::$cluster->replyWith(0, self::SELECT, "a:500:{{$rows}}");
            self::$cluster->replyWith(1, self::SELECT, 'a:0:{}');
            Gateway::getAllGroupUidList();
            $this->replyUids(self::names('user-', 1, 500), self::names('user-', 1, 500));
            Gateway::getAllUidList();
            $this->replySessions($sessions, $sessions);
            Gateway::getAllClientSessions();
        };
        $call();
        $call();
        $before = memory_get_usage();
        for ($i = 0; $i < 20; $i++) {
            $call();
        }
        self::assertSame($before, memory_get_usage());
    }

    /**
     * @return list<string>
     */
    private static function names(string $prefix, int $first, int $last): array
    {
        return array_map(static fn (int $i): string => $prefix . $i, range($first, $last));
    }

    /**
     * Prepares the replies of both gateways about uids.
     *
     * @param list<string> ...$uids
     */
    private function replyUids(array ...$uids): void
    {
        foreach ($uids as $gateway => $list) {
            $rows = array_map(static fn (string $uid): array => ['uid' => $uid], $list);
            self::$cluster->replyWith($gateway, self::SELECT, serialize($rows));
        }
    }

    /**
     * Prepares the replies of both gateways about sessions.
     *
     * @param list<array<mixed>> ...$sessions
     */
    private function replySessions(array ...$sessions): void
    {
        foreach ($sessions as $gateway => $list) {
            self::$cluster->replyWith($gateway, self::SESSIONS, serialize(array_map('serialize', $list)));
        }
    }
}
