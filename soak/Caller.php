<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Lib\GatewayException;
use Throwable;

/**
 * One process that makes random calls, keeps books about what was accepted, and checks every reply.
 */
final class Caller
{
    /**
     * How long a call may take at the most: all that it may wait for by the settings, and time for
     * a busy machine.
     */
    private const DEADLINE = 4 * self::CONNECT + 2 * self::REPLY + 7;

    private const CONNECT = 1;

    private const REPLY = 2;

    /**
     * What else may be in the queue beyond gatewayworker.send_buffer: a frame that has just been
     * taken, and its copy.
     */
    private const SEND_BUFFER = 512 << 10;

    /** How often each call is made, compared with the others. @var array<string, int> */
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

    /** In worker mode. */
    private const NEVER_THROW = ['sendToClient', 'sendToAll', 'sendToUid', 'sendToGroup', 'bindUid'];

    /** @var array<string, mixed> */
    private array $config;

    private Subject $subject;

    private Population $population;

    private Books $books;

    private Examiner $examiner;

    private Commands $commands;

    private Queries $queries;

    /** @var list<string> which calls there are, each as often as its weight says */
    private array $kinds = [];

    /** @var array<string, int> */
    private array $calls = [];

    /** @var array<string, int> */
    private array $thrown = [];

    private float $slowest = 0.0;

    private string $slowestCall = '';

    private int $total = 0;

    /**
     * @param array<string, mixed> $config
     */
    public function __construct(array $config)
    {
        $this->config = $config;
        $this->subject = new Subject($config, self::CONNECT);
        foreach (self::WEIGHTS as $kind => $weight) {
            $current = str_contains($kind, 'Current');
            if ($current && $this->subject->class !== Gateway::class) {
                continue;
            }
            array_push($this->kinds, ...array_fill(0, $weight, $kind));
        }
        $this->become($config['sender']);
        mt_srand($config['seed']);
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
        $this->population = new Population($sender, $this->subject->gateways, $this->config['clients_file']);
        $this->books = new Books($sender, count($this->subject->gateways));
        $this->examiner = new Examiner(
            $this->subject,
            $this->population,
            $this->books,
            $this->config['clients'],
            self::SEND_BUFFER
        );
        $this->commands = new Commands($this->subject, $this->population, $this->books, $this->examiner);
        $this->queries = new Queries($this->subject, $this->population, $this->examiner);
        $this->calls = $this->thrown = [];
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
            $this->population->read();
            $this->examiner->examineCounters();
            if ($this->subject->worker && mt_rand(0, 9) === 0) {
                // As when a BusinessWorker loses a gateway, and finds it again.
                mt_rand(0, 1) === 0 ? $this->subject->connectAll() : $this->subject->loseGuest();
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
        $this->subject->connectAll();
        $deadline = hrtime(true) / 1e9 + $timeout;
        $well = 0;
        $last = '';
        while ($well < 3) {
            try {
                $this->subject->class::getAllClientIdCount();
                $this->population->read();
                foreach ($this->population->clients as $ids) {
                    $this->subject->class::isOnline($ids[0] ?? throw new GatewayException('there are no clients'));
                }
                $well++;
            } catch (GatewayException $exception) {
                $well = 0;
                $last = $exception->getMessage();
                if (hrtime(true) / 1e9 > $deadline) {
                    $this->examiner->violation("it does not recover: $last");
                    return;
                }
                // It may take longer than a caller may be silent.
                say(['recovering' => $last]);
                usleep(50_000);
            }
        }
        if ($this->subject->class::flush(20.0) !== true) {
            $this->examiner->violation('not everything is written although everything works: '
                . json_encode(Gateway::status()));
        }
        $this->examiner->examineCounters();
    }

    /**
     * In calm: sends many messages that must all arrive, and makes queries whose replies must be
     * exact.
     *
     * @return list<int> by gateway: how many commands that were
     */
    public function burst(int $messages): array
    {
        $this->books->calm = true;
        $this->population->read();
        $slot = $this->config['slot'];
        $before = array_column($this->books->outcomes, 'accepted');
        for ($i = 0; $i < $messages; $i++) {
            foreach (array_keys($this->population->clients) as $gateway) {
                $this->commands->sendToClient($this->population->clients[$gateway][$slot]);
            }
            if ($i % 10 === 0) {
                $to = $this->subject->targets();
                $this->subject->class::sendToAll($this->books->message($to));
                // Nobody is away, and nothing is full: each gateway has accepted it.
                $this->books->settle($to, true);
            }
        }
        foreach ($this->population->clients as $gateway => $ids) {
            $id = $ids[$slot];
            $uid = $this->population->own("calm$gateway");
            $group = $this->population->own('calm-group');
            $this->subject->class::bindUid($id, $uid);
            $this->examiner->expect([$id], $this->subject->class::getClientIdByUid($uid), 'getClientIdByUid');
            $this->examiner->expect(1, $this->subject->class::isUidOnline($uid), 'isUidOnline');
            $this->examiner->expect($uid, $this->subject->class::getUidByClientId($id), 'getUidByClientId');
            $this->subject->class::joinGroup($id, $group);
            $count = $this->subject->class::getClientIdCountByGroup($group);
            $this->examiner->expect($gateway + 1, $count, 'getClientIdCountByGroup');
            $session = ['by' => $uid, 'id' => $id, 'n' => mt_rand()];
            $this->subject->class::setSession($id, $session);
            $this->examiner->expect($session, $this->subject->class::getSession($id), 'getSession');
            $this->books->outcomes[$gateway]['accepted'] += 3;
        }
        if ($this->subject->class::flush(20.0) !== true) {
            $this->examiner->violation('not everything is out in calm');
        }
        $this->subject->class::getAllClientIdCount();
        $this->examiner->examineCounters();
        $after = array_column($this->books->outcomes, 'accepted');
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
            'sender' => $this->population->sender,
            'books' => $this->books->outcomes,
            'sure' => $this->books->sure,
            'calls' => $this->calls,
            'thrown' => $this->thrown,
            'slowest' => $this->slowest,
            'slowest_call' => $this->slowestCall,
            'counters' => $this->examiner->counters(),
        ];
    }

    private function make(string $kind): void
    {
        $this->examiner->call = ++$this->total;
        $this->calls[$kind] = ($this->calls[$kind] ?? 0) + 1;
        cli_set_process_title("soak caller {$this->population->sender}: $kind, call {$this->total}");
        $start = hrtime(true);
        try {
            method_exists($this->commands, $kind) ? $this->commands->$kind() : $this->queries->$kind();
        } catch (GatewayException $exception) {
            $name = substr((string) strrchr(get_class($exception), '\\'), 1);
            $this->thrown[$name] = ($this->thrown[$name] ?? 0) + 1;
            if ($this->subject->worker && in_array($kind, self::NEVER_THROW, true)) {
                $this->examiner->violation("$kind throws in worker mode: {$exception->getMessage()}");
            }
        } catch (Throwable $thrown) {
            $this->examiner->violation("$kind: " . get_class($thrown) . ": {$thrown->getMessage()}");
        }
        $took = (hrtime(true) - $start) / 1e9;
        if ($took > $this->slowest) {
            [$this->slowest, $this->slowestCall] = [$took, $kind];
        }
        if ($took > self::DEADLINE) {
            $this->examiner->violation(sprintf('%s took %.1f s, at most %d s are allowed', $kind, $took, self::DEADLINE));
        }
    }
}
