<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker;

/**
 * A play for four clients, in which every method is called from the callbacks of a BusinessWorker.
 *
 * Clients t0 and w0 are at the first gateways for text and for WebSocket, t1 and w1 at the second
 * ones.
 */
final class Scenario
{
    private const CLIENTS = ['t0' => 0, 'w0' => 0, 't1' => 1, 'w1' => 1];

    /**
     * Plays it.
     *
     * @return list<string> the transcript
     */
    public static function play(Site $site): array
    {
        $player = new Player($site);
        foreach (self::CLIENTS as $name => $gateway) {
            $player->connect($name, $gateway);
        }
        self::context($player);
        self::messages($player);
        self::uids($player);
        self::groups($player);
        self::presence($player);
        self::sessions($player);
        self::staleSessions($player);
        self::complaints($player);
        self::ends($player);
        return $player->transcript();
    }

    /**
     * The methods that occur in the play, read from a transcript.
     *
     * @param list<string> $transcript
     *
     * @return list<string>
     */
    public static function methods(array $transcript): array
    {
        preg_match_all("~^\\w+: \\['call', '(\\w+)'~m", implode("\n", $transcript), $matches);
        return array_values(array_unique($matches[1]));
    }

    private static function context(Player $player): void
    {
        $player->title('the context of a callback');
        foreach (['t0', 'w1'] as $by) {
            $player->step($by, 'server');
            $player->step($by, 'context');
            $player->step($by, 'session');
        }
    }

    private static function messages(Player $player): void
    {
        $player->title('messages');
        $player->call('t0', 'sendToCurrentClient', 'to myself');
        $player->call('w0', 'sendToCurrentClient', "\x81\x03raw", true);
        $player->call('t0', 'sendToClient', '@w1', 'to w1');
        $player->call('t0', 'sendToClient', null, 'to myself, by null');
        $player->call('t0', 'sendToClient', '@t0', 'to myself, by id');
        $player->call('w0', 'sendToClient', '@t1', "one\ntwo\n", true);
        foreach ([7, 0.25, true, false, '', "quote ' and \u{20ac}"] as $message) {
            $player->call('t1', 'sendToClient', '@t0', $message);
        }
        $player->call('t0', 'sendToClient', '@w0', str_repeat('x', 70000));
        $player->call('t0', 'sendToAll', 'to all');
        $player->call('w1', 'sendToAll', "raw to lines\n", ['@t0', '@t1'], null, true);
        $player->call('w0', 'sendToAll', 'to two', ['@t1', '@w1']);
        $player->call('w0', 'sendToAll', 'to none', []);
        $player->call('w0', 'sendToAll', 'to all but two', null, ['@t1', '@w1']);
        $player->call('w0', 'sendToAll', 'to all but one', null, '@t1');
        $player->call('w0', 'sendToAll', 'to two but one', ['@t0', '@w1'], ['@w1']);
    }

    private static function uids(Player $player): void
    {
        $player->title('uids');
        $player->call('t0', 'bindUid', '@t0', 'ann');
        $player->call('t0', 'bindUid', '@w1', 'ann');
        $player->call('w0', 'bindUid', null, 'bob');
        $player->call('t1', 'bindUid', '@t1', 42);
        foreach (['ann', 'bob', 42, 'nobody', 0, ''] as $uid) {
            $player->call('t1', 'isUidOnline', $uid);
            $player->call('t1', 'getClientIdByUid', $uid);
            $player->call('t1', 'sendToUid', $uid, 'for ' . var_export($uid, true));
        }
        $player->call('t1', 'sendToUid', ['ann', 42], 'for two uids');
        $player->call('t1', 'sendToUid', 'bob', "\x81\x03raw", true);
        foreach (['t0', 'w0', 't1', 'w1'] as $name) {
            $player->call('w0', 'getUidByClientId', "@$name");
        }
        $player->call('t0', 'getAllUidList');
        $player->call('t0', 'getAllUidCount');
        $player->call('t0', 'unbindUid', '@w1', 'ann');
        $player->call('t0', 'getClientIdByUid', 'ann');
        $player->call('t0', 'getUidByClientId', '@w1');
        $player->call('t0', 'bindUid', '@t1', 'ann');
        $player->call('t0', 'getAllUidList');
    }

    private static function groups(Player $player): void
    {
        $player->title('groups');
        $player->call('t0', 'getAllGroupIdList');
        foreach (['t0' => 'room', 't1' => 'room', 'w0' => 7, 'w1' => 'room'] as $name => $group) {
            $player->call('w1', 'joinGroup', "@$name", $group);
        }
        $player->call('w1', 'joinGroup', '@t0', 'other');
        foreach (['room', 7, 'other', 'no group'] as $group) {
            $player->call('t1', 'getClientIdListByGroup', $group);
            $player->call('t1', 'getClientIdCountByGroup', $group);
            $player->call('t1', 'getClientCountByGroup', $group);
            $player->call('t1', 'sendToGroup', $group, "for $group");
        }
        $player->call('t0', 'sendToGroup', ['other', 7], 'for two groups');
        $player->call('t0', 'sendToGroup', 'room', 'for all but two', ['@t1', '@w1']);
        $player->call('t0', 'sendToGroup', 'other', "raw\n", null, true);
        $player->call('t0', 'getClientIdListByGroup', ['room', 7]);
        $player->call('t0', 'getAllGroupIdList');
        $player->call('t0', 'getAllGroupClientIdList');
        $player->call('t0', 'getAllGroupClientIdCount');
        $player->call('t0', 'leaveGroup', '@t1', 'room');
        $player->call('t0', 'getClientCountByGroup', 'room');
        $player->call('t0', 'leaveGroup', null, 'no group');
        $player->call('t0', 'ungroup', 7);
        $player->call('t0', 'ungroup', 'no group');
        $player->call('t0', 'getAllGroupIdList');

        // Every client in a group has a uid here: lists by group are wrong in the original where
        // that is not so.
        $player->call('t0', 'bindUid', '@w1', 'bob');
        $player->call('t0', 'getUidListByGroup', 'room');
        $player->call('t0', 'getUidCountByGroup', 'room');
        foreach (['t0', 'w0', 't1', 'w1'] as $name) {
            $player->call('t0', 'joinGroup', "@$name", 'all');
        }
        $player->call('t0', 'getAllGroupUidList');
        $player->call('t0', 'getAllGroupUidCount');
        $player->call('t0', 'ungroup', 'all');
    }

    private static function presence(Player $player): void
    {
        $player->title('presence');
        $player->call('t0', 'isOnline', '@w1');
        $player->call('t0', 'getAllClientCount');
        $player->call('t0', 'getAllClientIdCount');
        $player->call('t0', 'getAllClientIdList');
        $player->call('t0', 'getClientCountByGroup');
        $player->call('t0', 'getClientIdCountByGroup');
        $player->connect('w2', 0);
        $player->call('w2', 'getAllClientIdList');
        $player->farewell('w2', [['call', 'closeCurrentClient', ['farewell']]], ['w2']);
    }

    private static function sessions(Player $player): void
    {
        $player->title('sessions');
        $player->step('t0', 'session');
        $player->step('w0', 'session');
        $session = ['name' => 'Ann', 'deep' => ['a' => 1, 'b' => [1, 2]], 'f' => 1.5, 'n' => null];
        $player->step('t0', 'set session', $session);
        $player->step('t0', 'session');
        $player->step('t0', 'context');
        $player->call('t1', 'getSession', '@t0');
        $player->call('t1', 'getSession', '@t1');
        // Of the current client: $_SESSION follows, and is written back as it is then.
        $player->steps('t1', [
            ['call', 'setSession', ['@t1', ['k' => 1, 'l' => ['m' => 2]]]],
            ['session'],
            ['call', 'updateSession', ['@t1', ['l' => ['o' => 3]]]],
            ['session'],
            ['context'],
        ]);
        $player->step('t1', 'session');
        $player->call('t0', 'getSession', '@t1');
        $player->steps('t1', [
            ['call', 'updateSession', ['@t1', ['more' => true]]],
            ['set session', ['replaced' => "by\0assignment"]],
        ]);
        $player->step('t1', 'session');
        $player->call('t0', 'joinGroup', '@t1', 'room');
        foreach (['getAllClientSessions', 'getAllClientInfo'] as $method) {
            $player->call('t0', $method);
            $player->call('t0', $method, 'room');
        }
        $player->call('t0', 'getClientSessionsByGroup', 'room');
        $player->call('t0', 'getClientInfoByGroup', 'room');
        $player->call('t0', 'getClientSessionsByGroup', 'no group');
        $player->call('w1', 'setSocketSession', '@w0', serialize(['socket' => 'session']));
        $player->call('w1', 'getSession', '@w0');
        $player->step('t0', 'set session', null);
        $player->step('t0', 'session');
        $player->call('w1', 'getSession', '@t0');
    }

    /**
     * A session that somebody else has changed is seen in the next callback, although the worker
     * has one of its own.
     */
    private static function staleSessions(Player $player): void
    {
        $player->title('sessions that others change');
        $player->step('t0', 'set session', ['mine' => 1]);
        $player->step('t0', 'session');
        $player->call('w1', 'updateSession', '@t0', ['theirs' => 2]);
        $player->step('t0', 'session');
        $player->call('w0', 'setSession', '@t0', ['set' => 'by w0']);
        $player->call('t1', 'updateSession', '@t0', ['and' => 'by t1']);
        $player->steps('t0', [['session'], ['context']]);
        $player->step('t0', 'set session', ['mine' => 'again']);
        $player->step('t0', 'session');
        $player->call('w1', 'getSession', '@t0');
        $player->call('w0', 'setSession', '@t0', []);
        $player->step('t0', 'session');
    }

    /**
     * Bad input gets the same results, and the same clients stay connected.
     */
    private static function complaints(Player $player): void
    {
        $player->title('complaints');
        $gone = '7f0000010000ffffffff';
        foreach (['', 'short'] as $bad) {
            foreach (['isOnline', 'getSession', 'closeClient', 'destoryClient', 'getUidByClientId'] as $method) {
                $player->call('t0', $method, $bad);
            }
            $player->call('t0', 'sendToClient', $bad, 'x');
            $player->call('t0', 'setSocketSession', $bad, '');
        }
        $player->call('t0', 'isOnline', $gone);
        $player->call('t0', 'sendToClient', $gone, 'x');
        $player->call('t0', 'getSession', $gone);
        foreach (['', null, 0, '0', []] as $empty) {
            $player->call('t0', 'sendToGroup', $empty, 'x');
            $player->call('t0', 'ungroup', $empty);
            $player->call('t0', 'getClientIdListByGroup', $empty);
            $player->call('t0', 'getClientSessionsByGroup', $empty);
            $player->call('t0', 'getUidListByGroup', $empty);
            $player->call('t0', 'joinGroup', '@t1', $empty);
            $player->call('t0', 'bindUid', '@t1', $empty);
        }
        $player->call('t0', 'getAllGroupIdList');
    }

    private static function ends(Player $player): void
    {
        $player->title('ends');
        $player->call('w1', 'joinGroup', '@w1', 'watchers');
        $player->call('t0', 'bindUid', '@t0', 'ann');
        $player->step('t0', 'set session', ['last' => 'session']);
        $player->step('t0', 'session');
        $player->farewell('w1', [['call', 'closeClient', ['@t0', 'closed by w1']]], ['t0']);
        $player->await('w1', 'closed');
        $player->call('w1', 'isOnline', '@t0');
        $player->call('w1', 'isUidOnline', 'ann');
        $player->call('w1', 'getSession', '@t0');
        $player->call('w1', 'getUidByClientId', '@t0');
        $player->call('w1', 'sendToClient', '@t0', 'to nobody');
        $player->connect('t2', 1);
        $player->farewell('t2', [['call', 'closeCurrentClient', []]], ['t2']);
        $player->await('w1', 'closed');
        $player->connect('t3', 1);
        $player->farewell('t3', [['call', 'destoryCurrentClient', []]], ['t3']);
        $player->await('w1', 'closed');
        $player->connect('w4', 0);
        $player->farewell('t1', [['call', 'destoryClient', ['@w4']]], ['w4']);
        $player->await('w1', 'closed');
        $player->leave('w0');
        $player->await('w1', 'closed');
        $player->call('w1', 'getAllClientIdList');
        $player->call('w1', 'getAllGroupIdList');
        $player->call('w1', 'getAllUidList');
    }
}
