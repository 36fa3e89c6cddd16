<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Lib\GatewayException;
use Throwable;

/**
 * One process that calls: makes random calls, keeps the books about what was accepted, and looks at every answer.
 *
 * The books know three outcomes of a command for a gateway. Accepted for sure: the call said so. Refused for sure: the call
 * threw, or answered false, and concerned this gateway alone. Otherwise nobody can know (a message to several gateways of
 * which one had no room, say).
 */
final class Caller
{
    /** How long a call may take at the most: all that it may wait for by the settings, and time for a busy machine. */
    private const DEADLINE = 4 * self::CONNECT + 2 * self::REPLY + 7;

    private const CONNECT = 1;

    private const REPLY = 2;

    /** What else may be in the queue beyond gatewayworker.send_buffer: a frame that has just been taken, and its copy. */
    private const SEND_BUFFER = 512 << 10;

    /** Questions that are asked often; the others come once in a while. @var array<string, int> */
    private const WEIGHTS = [
        'sendToClient' => 60, 'sendToAll' => 4, 'sendToAllListed' => 6, 'sendToAllExcept' => 4, 'sendToUid' => 16,
        'sendToUids' => 6, 'sendToGroup' => 14, 'sendToGroups' => 4, 'sendToGroupExcept' => 4,
        'sendToCurrentClient' => 6, 'closeClient' => 1, 'closeCurrentClient' => 1, 'destroyClient' => 1,
        'bindUid' => 10, 'unbindUid' => 5, 'joinGroup' => 10, 'leaveGroup' => 5, 'ungroup' => 1, 'setSession' => 6,
        'updateSession' => 6, 'setSocketSession' => 4, 'badId' => 1,
        'isOnline' => 5, 'getSession' => 5, 'getUidByClientId' => 3, 'isUidOnline' => 2, 'isUidsOnline' => 1,
        'getClientIdByUid' => 2, 'batchGetClientIdByUid' => 1, 'getClientIdByUids' => 1, 'getAllClientIdCount' => 1,
        'getAllClientCount' => 1, 'getClientIdCountByGroup' => 1, 'getClientCountByGroup' => 1,
        'batchGetClientIdCountByGroup' => 1, 'getAllClientIdList' => 1, 'getClientIdListByGroup' => 1,
        'getAllUidList' => 1, 'getUidListByGroup' => 1, 'getAllUidCount' => 1, 'getUidCountByGroup' => 1,
        'getAllGroupIdList' => 1, 'getAllGroupClientIdList' => 1, 'getAllGroupUidList' => 1,
        'getAllGroupClientIdCount' => 1, 'getAllGroupUidCount' => 1, 'getAllClientSessions' => 1,
        'getClientSessionsByGroup' => 1, 'getAllClientInfo' => 1, 'getClientInfoByGroup' => 1, 'flush' => 1,
    ];

    /** @var array<string, mixed> */
    private array $config;

    /** @var class-string */
    private string $class;

    private bool $worker;

    private int $sender;

    /** @var list<int> by gateway: the number of the last message */
    private array $number;

    /** @var list<int> by gateway: the number of the last one that was accepted for sure */
    private array $sure;

    /** @var list<array{accepted: int, refused: int, unknown: int}> by gateway */
    private array $books;

    /** @var list<string> which calls there are, each as often as its weight says */
    private array $kinds = [];

    /** @var array<string, int> */
    private array $calls = [];

    /** @var array<string, int> */
    private array $thrown = [];

    private float $slowest = 0.0;

    private string $slowestCall = '';

    private int $total = 0;

    /** @var array<string, array<string, true>> uid ⇒ the client ids that were ever bound to it by this process */
    private array $bound = [];

    /** @var array<string, array<string, true>> group ⇒ the client ids that ever joined it by this process */
    private array $joined = [];

    /** @var list<list<string>> the clients that are there, by gateway */
    private array $clients = [];

    private int $clientsRead = 0;

    /** @var list<int> the gateways that this process sends to, in worker mode */
    private array $connected;

    private ?BusinessWorker $businessWorker = null;

    private bool $calm = false;

    /** Whether the register's list is known, in client mode. */
    private bool $listed = false;

    /** @var array<string, int> the counters of the guest at the last look */
    private array $guest = [];

    /**
     * @param array<string, mixed> $config
     */
    public function __construct(array $config)
    {
        $this->config = $config;
        $this->class = $config['class'];
        $this->worker = $config['worker'];
        foreach (self::WEIGHTS as $kind => $weight) {
            $current = str_contains($kind, 'Current');
            if ($current && $this->class !== Gateway::class) {
                continue;
            }
            array_push($this->kinds, ...array_fill(0, $weight, $kind));
        }
        $this->class::$registerAddress = $config['register'];
        $this->class::$secretKey = $config['secret'];
        $this->class::$connectTimeout = self::CONNECT;
        $this->become($config['sender']);
        mt_srand($config['seed']);
        if ($this->worker) {
            $this->connect(array_keys($config['gateways']));
        }
    }

    /**
     * Settings that a caller is run with.
     *
     * @return array<string, string>
     */
    public static function settings(): array
    {
        return [
            'gatewayworker.query_timeout' => (string) self::REPLY,
            'gatewayworker.send_buffer' => (string) self::SEND_BUFFER,
            'gatewayworker.flush_timeout' => '2',
            'gatewayworker.gateway_client' => '1',
        ];
    }

    /**
     * Starts new books: in a new process.
     */
    public function become(int $sender): void
    {
        $gateways = count($this->config['gateways']);
        $this->sender = $sender;
        $this->number = $this->sure = array_fill(0, $gateways, 0);
        $this->books = array_fill(0, $gateways, ['accepted' => 0, 'refused' => 0, 'unknown' => 0]);
        $this->calls = $this->thrown = $this->bound = $this->joined = $this->guest = [];
        $this->total = 0;
        $this->slowest = 0.0;
        $this->slowestCall = '';
    }

    /**
     * Makes one call of any kind.
     */
    public function step(): void
    {
        if ($this->total % 32 === 0) {
            $this->readClients();
            $this->examineCounters();
            if ($this->worker && mt_rand(0, 9) === 0) {
                // As when a BusinessWorker loses a gateway, and finds it again.
                $all = array_keys($this->config['gateways']);
                $this->connect(mt_rand(0, 1) === 0 ? $all : array_diff($all, [Cluster::GUEST]));
            }
        }
        $this->make($this->kinds[mt_rand(0, count($this->kinds) - 1)]);
    }

    public function total(): int
    {
        return $this->total;
    }

    /**
     * Waits until everything works again and all is out, then says how the counters stand.
     */
    public function recover(float $timeout): void
    {
        if ($this->worker) {
            $this->connect(array_keys($this->config['gateways']));
        }
        $deadline = hrtime(true) / 1e9 + $timeout;
        $well = 0;
        $last = '';
        while ($well < 3) {
            try {
                $this->class::getAllClientIdCount();
                $this->readClients();
                foreach ($this->clients as $ids) {
                    $this->class::isOnline($ids[0] ?? throw new GatewayException('there are no clients'));
                }
                $well++;
            } catch (GatewayException $exception) {
                $well = 0;
                $last = $exception->getMessage();
                if (hrtime(true) / 1e9 > $deadline) {
                    $this->violation("it does not recover: $last");
                    return;
                }
                // It may take longer than a caller may be silent.
                say(['recovering' => $last]);
                usleep(50_000);
            }
        }
        if ($this->class::flush(20.0) !== true) {
            $this->violation('not everything is out although everything works: ' . json_encode(Gateway::status()));
        }
        $this->examineCounters();
    }

    /**
     * In calm: sends many messages that must all arrive, and asks questions whose answers must be exact.
     *
     * @return list<int> by gateway: how many commands that were
     */
    public function burst(int $messages): array
    {
        $this->calm = true;
        $this->readClients();
        $slot = $this->config['slot'];
        $before = array_column($this->books, 'accepted');
        for ($i = 0; $i < $messages; $i++) {
            foreach (array_keys($this->clients) as $gateway) {
                $this->sendToClient($this->clients[$gateway][$slot]);
            }
            if ($i % 10 === 0) {
                [$to, $message] = $this->message(null);
                $this->class::sendToAll($message);
                // Nobody is away, and nothing is full: each gateway has accepted it.
                $this->settle($to, true);
            }
        }
        foreach ($this->clients as $gateway => $ids) {
            $id = $ids[$slot];
            $uid = "@U{$this->sender}-calm$gateway";
            $group = "@U{$this->sender}-calm-group";
            $this->class::bindUid($id, $uid);
            $this->expect([$id], $this->class::getClientIdByUid($uid), 'getClientIdByUid');
            $this->expect(1, $this->class::isUidOnline($uid), 'isUidOnline');
            $this->expect($uid, $this->class::getUidByClientId($id), 'getUidByClientId');
            $this->class::joinGroup($id, $group);
            $this->expect($gateway + 1, $this->class::getClientIdCountByGroup($group), 'getClientIdCountByGroup');
            $session = ['by' => $uid, 'id' => $id, 'n' => mt_rand()];
            $this->class::setSession($id, $session);
            $this->expect($session, $this->class::getSession($id), 'getSession');
            $this->books[$gateway]['accepted'] += 3;
        }
        if ($this->class::flush(20.0) !== true) {
            $this->violation('not everything is out in calm');
        }
        $this->class::getAllClientIdCount();
        $this->examineCounters();
        $after = array_column($this->books, 'accepted');
        return array_map(static fn (int $a, int $b): int => $b - $a, $before, $after);
    }

    /**
     * All that there is to tell.
     *
     * @return array<string, mixed>
     */
    public function report(): array
    {
        return [
            'sender' => $this->sender,
            'books' => $this->books,
            'sure' => $this->sure,
            'calls' => $this->calls,
            'thrown' => $this->thrown,
            'slowest' => $this->slowest,
            'slowest_call' => $this->slowestCall,
            'counters' => $this->counters(),
        ];
    }

    private function make(string $kind): void
    {
        $this->total++;
        $this->calls[$kind] = ($this->calls[$kind] ?? 0) + 1;
        cli_set_process_title("soak caller {$this->sender}: $kind, call {$this->total}");
        $start = hrtime(true);
        try {
            $this->$kind();
        } catch (GatewayException $exception) {
            $name = substr((string) strrchr(get_class($exception), '\\'), 1);
            $this->thrown[$name] = ($this->thrown[$name] ?? 0) + 1;
            if ($this->worker && in_array($kind, ['sendToClient', 'sendToAll', 'sendToUid', 'sendToGroup', 'bindUid'], true)) {
                $this->violation("$kind throws in worker mode: {$exception->getMessage()}");
            }
        } catch (Throwable $thrown) {
            $this->violation("$kind: " . get_class($thrown) . ": {$thrown->getMessage()}");
        }
        $took = (hrtime(true) - $start) / 1e9;
        if ($took > $this->slowest) {
            [$this->slowest, $this->slowestCall] = [$took, $kind];
        }
        if ($took > self::DEADLINE) {
            $this->violation(sprintf('%s took %.1f s, at most %d s are allowed', $kind, $took, self::DEADLINE));
        }
    }

    // ---- messages ----

    /**
     * A message with its stamp for these gateways (null: all), and the gateways.
     *
     * @param list<int>|null $to
     *
     * @return array{list<int>, string}
     */
    private function message(?array $to): array
    {
        $to ??= $this->worker ? $this->connected : array_keys($this->number);
        $stamp = "@S {$this->sender};";
        foreach (array_keys($this->number) as $gateway) {
            if (in_array($gateway, $to, true)) {
                $number = ++$this->number[$gateway];
                $stamp .= "$number,{$this->sure[$gateway]};";
            } else {
                $stamp .= '-;';
            }
        }
        // In calm nothing may be refused: all messages of a burst have to fit into the queue.
        $length = match ($this->calm ? 49 : mt_rand(0, 49)) {
            0 => mt_rand(16_000, 60_000),
            1, 2, 3, 4 => mt_rand(1_000, 8_000),
            default => mt_rand(0, 200),
        };
        return [$to, $stamp . str_repeat('.', $length)];
    }

    /**
     * Writes down what became of a message.
     *
     * @param list<int> $to
     */
    private function settle(array $to, ?bool $accepted): void
    {
        foreach ($to as $gateway) {
            if ($accepted === true) {
                $this->sure[$gateway] = $this->number[$gateway];
            }
            $this->books[$gateway][$accepted === null ? 'unknown' : ($accepted ? 'accepted' : 'refused')]++;
        }
    }

    /**
     * Sends a message to one gateway. The function answers what the call answers.
     *
     * @param callable(string): mixed $send
     */
    private function toOne(string $id, callable $send): void
    {
        [$to, $message] = $this->message([$this->gatewayOf($id)]);
        $accepted = false;
        try {
            $accepted = $send($message) !== false;
        } finally {
            $this->settle($to, $accepted);
        }
    }

    /**
     * Sends a message to several gateways; null: to all.
     *
     * @param list<int>|null          $to
     * @param callable(string): mixed $send
     * @param bool                    $members whether they are members of the cluster for sure
     */
    private function toMany(?array $to, callable $send, bool $members = true): void
    {
        [$to, $message] = $this->message($to);
        $done = false;
        try {
            $send($message);
            $done = true;
        } finally {
            foreach ($to as $gateway) {
                // The guest may have left without our knowing. A BusinessWorker is never told that a queue is full.
                $sure = $done && $members && !$this->worker && $gateway !== Cluster::GUEST;
                $this->settle([$gateway], $sure ? true : null);
            }
        }
    }

    /**
     * A command about one client, without a message.
     *
     * @param callable(): mixed $command
     */
    private function about(string $id, callable $command, bool $answers = false): void
    {
        $gateway = $this->gatewayOf($id);
        $outcome = false;
        try {
            $answer = $command();
            // In worker mode, those that answer nothing do not tell whether they were accepted.
            $outcome = $answers ? $answer : ($this->worker ? null : true);
        } finally {
            $this->books[$gateway][$outcome === null ? 'unknown' : ($outcome ? 'accepted' : 'refused')]++;
        }
    }

    private function sendToClient(?string $id = null): void
    {
        $id ??= $this->anyClient();
        $raw = mt_rand(0, 19) === 0 && $this->class === Gateway::class;
        $this->toOne($id, fn (string $message) => $raw
            ? Gateway::sendToClient($id, $message, true)
            : $this->class::sendToClient($id, $message));
    }

    private function sendToAll(): void
    {
        $this->toMany(null, fn (string $message) => $this->class::sendToAll($message));
    }

    private function sendToAllListed(): void
    {
        $ids = $this->someClients(mt_rand(1, 6));
        $to = array_values(array_unique(array_map($this->gatewayOf(...), $ids)));
        // A gateway that is known from client ids only, and away, is left out: the log tells.
        $this->toMany($to, fn (string $message) => $this->class::sendToAll($message, $ids), $this->listed);
    }

    private function sendToAllExcept(): void
    {
        $ids = $this->someClients(mt_rand(1, 3));
        $this->toMany(null, fn (string $message) => $this->class::sendToAll($message, null, $ids));
    }

    private function sendToUid(): void
    {
        $uid = $this->anyUid();
        $this->toMany(null, fn (string $message) => $this->class::sendToUid($uid, $message));
    }

    private function sendToUids(): void
    {
        $uids = [$this->anyUid(), $this->anyUid(), $this->foreignUid()];
        $this->toMany(null, fn (string $message) => $this->class::sendToUid($uids, $message));
    }

    private function sendToGroup(): void
    {
        $group = $this->anyGroup();
        $this->toMany(null, fn (string $message) => $this->class::sendToGroup($group, $message));
    }

    private function sendToGroups(): void
    {
        $groups = [$this->anyGroup(), $this->anyGroup()];
        $this->toMany(null, fn (string $message) => $this->class::sendToGroup($groups, $message));
    }

    private function sendToGroupExcept(): void
    {
        [$group, $ids] = [$this->anyGroup(), $this->someClients(2)];
        $this->toMany(null, fn (string $message) => $this->class::sendToGroup($group, $message, $ids));
    }

    private function sendToCurrentClient(): void
    {
        $this->asCurrent(fn (string $id) => $this->toOne($id, Gateway::sendToCurrentClient(...)));
    }

    private function closeCurrentClient(): void
    {
        $this->asCurrent(fn (string $id) => $this->toOne($id, Gateway::closeCurrentClient(...)));
    }

    private function closeClient(): void
    {
        $id = $this->anyClient();
        $this->toOne($id, fn (string $message) => $this->class::closeClient($id, $message));
    }

    private function destroyClient(): void
    {
        $id = $this->anyClient();
        $method = mt_rand(0, 1) === 0 ? 'destoryClient' : 'destroyClient';
        $this->about($id, fn () => $this->class::$method($id), true);
    }

    private function bindUid(): void
    {
        [$id, $uid] = [$this->anyClient(), $this->anyUid()];
        $this->bound[$uid][$id] = true;
        $this->about($id, fn () => $this->class::bindUid($id, $uid));
    }

    private function unbindUid(): void
    {
        [$id, $uid] = [$this->anyClient(), $this->anyUid()];
        $this->about($id, fn () => $this->class::unbindUid($id, $uid));
    }

    private function joinGroup(): void
    {
        [$id, $group] = [$this->anyClient(), $this->anyGroup()];
        $this->joined[$group][$id] = true;
        $this->about($id, fn () => $this->class::joinGroup($id, $group));
    }

    private function leaveGroup(): void
    {
        [$id, $group] = [$this->anyClient(), $this->anyGroup()];
        $this->about($id, fn () => $this->class::leaveGroup($id, $group));
    }

    private function ungroup(): void
    {
        $group = $this->anyGroup();
        $done = false;
        try {
            $this->class::ungroup($group);
            $done = true;
        } finally {
            foreach ($this->worker ? $this->connected : array_keys($this->number) as $gateway) {
                $sure = $done && !$this->worker && $gateway !== Cluster::GUEST;
                $this->books[$gateway][$sure ? 'accepted' : 'unknown']++;
            }
        }
    }

    private function setSession(): void
    {
        $id = $this->anyClient();
        $this->about($id, fn () => $this->class::setSession($id, $this->session($id)));
    }

    private function updateSession(): void
    {
        $id = $this->anyClient();
        $this->about($id, fn () => $this->class::updateSession($id, $this->session($id)));
    }

    private function setSocketSession(): void
    {
        $id = $this->anyClient();
        $this->about($id, fn () => $this->class::setSocketSession($id, serialize($this->session($id))), true);
    }

    private function badId(): void
    {
        if ($this->class === Gateway::class) {
            $this->expect(false, Gateway::sendToClient('nobody', 'nothing'), 'sendToClient with a bad id');
        }
    }

    private function flush(): void
    {
        $this->class::flush(0.01);
    }

    // ---- questions ----

    private function isOnline(): void
    {
        $this->expect(true, in_array($this->class::isOnline($this->anyClient()), [0, 1], true), 'isOnline: 0 or 1');
    }

    private function getSession(): void
    {
        $id = $this->anyClient();
        $session = $this->class::getSession($id);
        if ($session !== null) {
            $this->examineSessions([$id => $session]);
        }
    }

    private function getUidByClientId(): void
    {
        $uid = $this->class::getUidByClientId($this->anyClient());
        $this->expect(true, $uid === null || self::isName($uid), 'getUidByClientId: ' . json_encode($uid));
    }

    private function isUidOnline(): void
    {
        $this->expect(0, $this->class::isUidOnline("@U{$this->sender}-never"), 'isUidOnline of a uid that nobody has');
        $this->expect(true, in_array($this->class::isUidOnline($this->anyUid()), [0, 1], true), 'isUidOnline');
    }

    private function isUidsOnline(): void
    {
        $uids = ["@U{$this->sender}-u0", "@U{$this->sender}-never"];
        $answer = $this->class::isUidsOnline($uids);
        $this->expect($uids, array_keys($answer), 'isUidsOnline: its keys');
        $this->expect(0, $answer[$uids[1]], 'isUidsOnline of a uid that nobody has');
    }

    private function getClientIdByUid(): void
    {
        $uid = $this->anyUid();
        $this->examineIds($this->class::getClientIdByUid($uid), $this->bound[$uid] ?? [], "getClientIdByUid($uid)");
    }

    private function batchGetClientIdByUid(): void
    {
        $this->examineBatch('batchGetClientIdByUid');
    }

    private function getClientIdByUids(): void
    {
        $this->examineBatch('getClientIdByUids');
    }

    private function getAllClientIdCount(): void
    {
        $this->examineCount($this->class::getAllClientIdCount());
    }

    private function getAllClientCount(): void
    {
        $this->examineCount($this->class::getAllClientCount());
    }

    private function getClientIdCountByGroup(): void
    {
        $group = $this->anyGroup();
        $this->examineCount($this->class::getClientIdCountByGroup($group), count($this->joined[$group] ?? []));
    }

    private function getClientCountByGroup(): void
    {
        $group = $this->anyGroup();
        $this->examineCount($this->class::getClientCountByGroup($group), count($this->joined[$group] ?? []));
    }

    private function batchGetClientIdCountByGroup(): void
    {
        $groups = ["@U{$this->sender}-g0", "@U{$this->sender}-never"];
        $answer = $this->class::batchGetClientIdCountByGroup($groups);
        $this->expect($groups, array_keys($answer), 'batchGetClientIdCountByGroup: its keys');
        $this->expect(0, $answer[$groups[1]], 'batchGetClientIdCountByGroup of a group without members');
    }

    private function getAllClientIdList(): void
    {
        $this->examineIds($this->class::getAllClientIdList(), null, 'getAllClientIdList', true);
    }

    private function getClientIdListByGroup(): void
    {
        $group = $this->anyGroup();
        $ids = $this->class::getClientIdListByGroup($group);
        $this->examineIds($ids, $this->joined[$group] ?? [], "getClientIdListByGroup($group)", true);
    }

    private function getAllUidList(): void
    {
        $this->examineNames($this->class::getAllUidList(), 'getAllUidList');
    }

    private function getUidListByGroup(): void
    {
        $this->examineNames($this->class::getUidListByGroup($this->anyGroup()), 'getUidListByGroup');
    }

    private function getAllUidCount(): void
    {
        $this->examineCount($this->class::getAllUidCount());
    }

    private function getUidCountByGroup(): void
    {
        $group = $this->anyGroup();
        $this->examineCount($this->class::getUidCountByGroup($group), count($this->joined[$group] ?? []));
    }

    private function getAllGroupIdList(): void
    {
        $this->examineNames($this->class::getAllGroupIdList(), 'getAllGroupIdList');
    }

    private function getAllGroupClientIdList(): void
    {
        foreach ($this->class::getAllGroupClientIdList() as $group => $ids) {
            $this->expect(true, self::isName($group), "getAllGroupClientIdList: the group $group");
            $this->examineIds($ids, null, 'getAllGroupClientIdList', true);
        }
    }

    private function getAllGroupUidList(): void
    {
        foreach ($this->class::getAllGroupUidList() as $group => $uids) {
            $this->expect(true, self::isName($group), "getAllGroupUidList: the group $group");
            $this->examineNames($uids, 'getAllGroupUidList');
        }
    }

    private function getAllGroupClientIdCount(): void
    {
        foreach ($this->class::getAllGroupClientIdCount() as $count) {
            $this->examineCount($count);
        }
    }

    private function getAllGroupUidCount(): void
    {
        foreach ($this->class::getAllGroupUidCount() as $count) {
            $this->examineCount($count);
        }
    }

    private function getAllClientSessions(): void
    {
        $this->examineSessions($this->class::getAllClientSessions());
    }

    private function getClientSessionsByGroup(): void
    {
        $this->examineSessions($this->class::getClientSessionsByGroup($this->anyGroup()));
    }

    private function getAllClientInfo(): void
    {
        $this->examineSessions($this->class::getAllClientInfo());
    }

    private function getClientInfoByGroup(): void
    {
        $this->examineSessions($this->class::getClientInfoByGroup($this->anyGroup()));
    }

    // ---- what answers may be ----

    private function examineBatch(string $method): void
    {
        $uids = ["@U{$this->sender}-u0", "@U{$this->sender}-u1", "@U{$this->sender}-never"];
        $answer = $this->class::$method($uids);
        $this->expect($uids, array_keys($answer), "$method: its keys");
        foreach ($answer as $uid => $ids) {
            $this->examineIds($ids, $this->bound[$uid] ?? [], "$method($uid)");
        }
    }

    /**
     * @param mixed                    $ids
     * @param array<string, true>|null $possible nobody else can be in it
     */
    private function examineIds(mixed $ids, ?array $possible, string $call, bool $map = false): void
    {
        $this->expect(true, is_array($ids), "$call: a list");
        foreach ($ids as $key => $id) {
            if (!is_string($id) || $this->gatewayOf($id) < 0 || ($map && $key !== $id)) {
                $this->violation("$call has " . json_encode([$key => $id]) . ', which is no client id of here');
            } elseif ($possible !== null && !isset($possible[$id])) {
                $this->violation("$call has $id, which was never put there");
            }
        }
    }

    private function examineNames(mixed $names, string $call): void
    {
        $this->expect(true, is_array($names), "$call: a list");
        foreach ($names as $key => $name) {
            if ($key !== $name || !self::isName($name)) {
                $this->violation("$call has " . json_encode([$key => $name]));
            }
        }
    }

    /**
     * @param array<string, mixed> $sessions
     */
    private function examineSessions(array $sessions): void
    {
        foreach ($sessions as $id => $session) {
            if (!is_array($session) || ($session !== [] && ($session['id'] ?? null) !== $id)) {
                $this->violation("the session of $id is " . substr((string) json_encode($session), 0, 200));
            }
        }
    }

    private function examineCount(mixed $count, ?int $most = null): void
    {
        // Clients that have come back may be there while the gateway has not yet seen the old ones go.
        $most ??= 100 * count($this->number) * $this->config['clients'];
        if (!is_int($count) || $count < 0 || $count > $most) {
            $this->violation('a count is ' . json_encode($count) . ", at most $most are possible");
        }
    }

    /**
     * Holds the counters of the extension against our own.
     */
    private function examineCounters(): void
    {
        foreach ($this->counters() as $address => $counters) {
            $gateway = array_search($address, $this->config['gateways'], true);
            ['accepted' => $accepted, 'written' => $written, 'queued' => $queued, 'dropped' => $dropped] = $counters;
            if ($accepted !== $written + $queued + $dropped || min($accepted, $written, $queued, $dropped) < 0) {
                $this->violation("the counters of $address do not add up: " . json_encode($counters));
            }
            if ($counters['queued_bytes'] > self::SEND_BUFFER + 28) {
                $this->violation("the queue for $address is over its limit: " . json_encode($counters));
            }
            if ($gateway === Cluster::GUEST) {
                // We cannot know what it was sent while it may have left. What it has cost is kept, however often it leaves.
                foreach (['accepted', 'written', 'dropped'] as $name) {
                    if ($counters[$name] < ($this->guest[$name] ?? 0)) {
                        $this->violation("$name of the guest went back: " . json_encode([$this->guest, $counters]));
                    }
                }
                $this->guest = $counters;
                continue;
            }
            $books = $this->books[$gateway];
            $most = $books['accepted'] + $books['unknown'];
            if (
                $accepted < $books['accepted'] || $accepted > $most || $dropped !== 0
                || $accepted + $counters['refused'] > $most + $books['refused']
            ) {
                $this->violation("the counters of $address are not what was called: " . json_encode([$counters, $books]));
            }
        }
    }

    /**
     * The counters of the commands, by gateway.
     *
     * @return array<string, array<string, int>>
     */
    private function counters(): array
    {
        $counters = [];
        $this->listed = false;
        $names = array_flip(['accepted', 'written', 'queued', 'dropped', 'refused', 'queued_bytes']);
        $guest = $this->config['gateways'][Cluster::GUEST];
        foreach (Gateway::status()['clusters'] as $cluster) {
            $this->listed = $this->listed || ($cluster['register']['lists'] ?? 0) > 0;
            foreach ($cluster['gateways'] as $gateway) {
                $address = $gateway['address'];
                $more = array_intersect_key($gateway, $names);
                if (isset($counters[$address])) {
                    // A guest that has left and come back stands there twice while its old queue is sent, which is within
                    // the limit by itself.
                    $more['queued_bytes'] = max($more['queued_bytes'], $counters[$address]['queued_bytes']);
                    foreach (['accepted', 'written', 'queued', 'dropped', 'refused'] as $name) {
                        $more[$name] += $counters[$address][$name];
                    }
                }
                $counters[$address] = $more;
            }
            // The guest alone ever leaves.
            foreach (['accepted', 'written', 'dropped'] as $name) {
                if ($cluster['ended'][$name] > 0) {
                    $counters[$guest] = $counters[$guest] ?? array_fill_keys(array_keys($names), 0);
                    $counters[$guest][$name] += $cluster['ended'][$name];
                }
            }
        }
        return $counters;
    }

    private function expect(mixed $expected, mixed $actual, string $what): void
    {
        if ($expected !== $actual) {
            $this->violation("$what: " . json_encode($actual) . ' instead of ' . json_encode($expected));
        }
    }

    private function violation(string $what): void
    {
        say(['violation' => "caller {$this->sender}, call {$this->total}: $what"]);
    }

    // ---- random things ----

    private function anyClient(): string
    {
        return $this->someClients(1)[0];
    }

    /**
     * @return list<string>
     */
    private function someClients(int $count): array
    {
        $ids = [];
        while (count($ids) < $count) {
            $gateway = mt_rand(0, count($this->clients) - 1);
            $there = $this->clients[$gateway];
            // One that is not there any more is as good: the gateway knows no such client.
            $ids[] = $there === [] ? $this->idAt($gateway, mt_rand(1, 9)) : $there[mt_rand(0, count($there) - 1)];
        }
        return $ids;
    }

    private function anyUid(): string
    {
        return "@U{$this->sender}-u" . mt_rand(0, 9);
    }

    private function foreignUid(): string
    {
        return '@U' . mt_rand(1, 8) . '-u' . mt_rand(0, 9);
    }

    private function anyGroup(): string
    {
        return "@U{$this->sender}-g" . mt_rand(0, 4);
    }

    /**
     * @return array<string, mixed>
     */
    private function session(string $id): array
    {
        return ['by' => "@U{$this->sender}-", 'id' => $id, 'n' => mt_rand(), 'more' => str_repeat('s', mt_rand(0, 300))];
    }

    private static function isName(mixed $name): bool
    {
        return is_string($name) && preg_match('~^@U\d+-[a-z0-9-]+$~', $name) === 1;
    }

    /**
     * The number of a client's gateway; -1 where it is none.
     */
    private function gatewayOf(string $id): int
    {
        if (preg_match('~^[0-9a-f]{20}$~', $id) !== 1) {
            return -1;
        }
        $parts = unpack('Nip/nport', (string) hex2bin($id));
        $gateway = array_search(long2ip($parts['ip']) . ":{$parts['port']}", $this->config['gateways'], true);
        return $gateway === false ? -1 : $gateway;
    }

    private function idAt(int $gateway, int $connection): string
    {
        [$ip, $port] = explode(':', $this->config['gateways'][$gateway]);
        return bin2hex(pack('NnN', ip2long($ip), (int) $port, $connection));
    }

    /**
     * @param callable(string): void $call
     */
    private function asCurrent(callable $call): void
    {
        $id = $this->anyClient();
        $address = unpack('Nip/nport/Nconnection', (string) hex2bin($id));
        Context::$client_id = $id;
        Context::$local_ip = $address['ip'];
        Context::$local_port = $address['port'];
        Context::$connection_id = $address['connection'];
        try {
            $call($id);
        } finally {
            Context::clear();
        }
    }

    private function readClients(): void
    {
        $file = $this->config['clients_file'];
        clearstatcache(true, $file);
        $inode = (int) fileinode($file);
        if ($inode !== $this->clientsRead || $this->clients === []) {
            $this->clients = json_decode((string) file_get_contents($file), true, 512, JSON_THROW_ON_ERROR);
            $this->clientsRead = $inode;
        }
    }

    /**
     * @param array<int, int> $gateways
     */
    private function connect(array $gateways): void
    {
        $this->connected = array_values($gateways);
        $all = $this->config['gateways'];
        $connected = array_map(static fn (int $gateway): string => $all[$gateway], $this->connected);
        if ($this->businessWorker === null) {
            $this->businessWorker = new BusinessWorker($all);
            $this->class::setBusinessWorker($this->businessWorker);
        }
        $this->businessWorker->connect($connected);
    }
}
