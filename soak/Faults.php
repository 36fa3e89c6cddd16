<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use Random\Engine\Mt19937;
use Random\Randomizer;

/**
 * Faults, one after the other and at the same time: each concerns one gateway or the register, and
 * is healed after a while.
 */
final class Faults
{
    /** How many gateways are in trouble at the same time, at most: one is always well. */
    private const MOST = Cluster::GATEWAYS - 1;

    /** Fault ⇒ its weight. */
    private const KINDS = [
        'gateway killed and restarted' => 6,
        'gateway stopped and continued' => 6,
        'gateway reads nothing' => 3,
        'gateway leaves queries without a reply' => 3,
        'gateway closes all connections' => 4,
        'gateway replies with garbage' => 4,
        'gateway closes instead of replying' => 3,
        'connections cut' => 6,
        'connections cut in mid-frame' => 10,
        'connections delayed' => 4,
        'connections throttled' => 5,
        'connections stalled' => 4,
        'connections refused' => 4,
        'guest leaves the list' => 6,
        'register killed and replaced' => 3,
        'register stopped and continued' => 2,
        'register connections cut' => 3,
        'register connections throttled' => 2,
        'register refuses connections' => 2,
    ];

    /** Queries whose replies are spoilt; the first one is also the barrier on command links. */
    private const SPOILT = [11, 10, 15, 16, 23, 24, 25, 26, 28, self::SESSION];

    /** The query for the session of a client. */
    private const SESSION = 203;

    /** @var array<string, int> how often each kind has come */
    public array $injected = [];

    private float $next = 0.0;

    /** @var array<int, array{float, callable(): void}> relay in trouble ⇒ when it is healed, and how */
    private array $open = [];

    /** @var array{float, callable(): void}|null the same for the guest's place on the list */
    private ?array $guest = null;

    private Randomizer $random;

    public function __construct(private readonly Cluster $cluster, int $seed)
    {
        $this->random = new Randomizer(new Mt19937($seed));
        $this->injected = array_fill_keys(array_keys(self::KINDS), 0);
    }

    /**
     * Heals what is due and injects what is due. To be called often.
     */
    public function tend(float $now): void
    {
        $this->heal($now);
        if ($now >= $this->next) {
            $this->next = $now + $this->between(0.1, 0.7);
            $this->inject($now);
        }
    }

    /**
     * Heals what is due by then; with INF, everything.
     */
    public function heal(float $now): void
    {
        foreach ($this->open as $relay => [$due, $heal]) {
            if ($now >= $due) {
                unset($this->open[$relay]);
                $heal();
            }
        }
        if ($this->guest !== null && $now >= $this->guest[0]) {
            $heal = $this->guest[1];
            $this->guest = null;
            // The register may be in trouble by itself; then this waits for its turn.
            if (isset($this->open[Cluster::GATEWAYS])) {
                $this->guest = [$this->open[Cluster::GATEWAYS][0], $heal];
            } else {
                $heal();
            }
        }
    }

    private function inject(float $now): void
    {
        $kind = $this->kind();
        $cluster = $this->cluster;
        $register = Cluster::GATEWAYS;
        if ($kind === 'guest leaves the list') {
            if ($this->guest === null && !isset($this->open[$register])) {
                $cluster->listGuest(false);
                $this->guest = [$now + $this->between(0.05, 8.0), static fn () => $cluster->listGuest(true)];
                $this->injected[$kind]++;
            }
            return;
        }
        $isRegister = str_starts_with($kind, 'register');
        $relay = $isRegister ? $register : $this->random->getInt(0, Cluster::GATEWAYS - 1);
        $troubled = count(array_diff_key($this->open, [$register => true]));
        if (isset($this->open[$relay]) || (!$isRegister && $troubled >= self::MOST)) {
            return;
        }
        $this->injected[$kind]++;
        [$lasts, $heal] = $isRegister ? $this->disturbRegister($kind) : $this->disturb($kind, $relay);
        if ($heal !== null) {
            $this->open[$relay] = [$now + $lasts, $heal];
        }
    }

    /**
     * @return array{float, (callable(): void)|null}
     */
    private function disturb(string $kind, int $gateway): array
    {
        $cluster = $this->cluster;
        $process = $cluster->gateways[$gateway];
        $control = static fn (string $command, array $more = []) => $cluster->control($gateway, ['cmd' => $command] + $more);
        $weather = static fn (array $weather) => $cluster->relay('weather', $gateway, $weather);
        $clear = static fn () => $weather([]);
        switch ($kind) {
            case 'gateway killed and restarted':
                $cluster->killGateway($gateway);
                // Otherwise connections are accepted and closed, as when it runs in a container
                // behind a port forwarder.
                $refused = $this->random->getInt(0, 3) > 0;
                if ($refused) {
                    $cluster->relay('refuse', $gateway, ['on' => true]);
                    $cluster->relay('cut', $gateway, ['reset' => true]);
                }
                return [$this->between(0.0, 2.0), static function () use ($cluster, $gateway, $refused): void {
                    $cluster->startGateway($gateway);
                    if ($refused) {
                        $cluster->relay('refuse', $gateway, ['on' => false]);
                    }
                }];
            case 'gateway stopped and continued':
                $process->signal(SIGSTOP);
                return [$this->between(0.05, 3.5), static fn () => $process->signal(SIGCONT)];
            case 'gateway reads nothing':
                $control('pause_gateway', ['paused' => true]);
                return [$this->between(0.05, 3.5), static fn () => $control('pause_gateway', ['paused' => false])];
            case 'gateway leaves queries without a reply':
                $control('mute_gateway', ['muted' => true]);
                return [$this->between(0.05, 3.0), static fn () => $control('mute_gateway', ['muted' => false])];
            case 'gateway closes all connections':
                $control('disconnect_internal');
                return [0.0, null];
            case 'gateway replies with garbage':
            case 'gateway closes instead of replying':
                $command = self::SPOILT[$this->random->getInt(0, count(self::SPOILT) - 1)];
                $spoil = ['command' => $command, 'hex' => '', 'times' => $this->random->getInt(1, 20)];
                if ($kind === 'gateway replies with garbage') {
                    $spoil['hex'] = bin2hex($this->garbage($command));
                }
                $control('reply', $spoil);
                return [$this->between(0.1, 2.0), static fn () => $control('reply', ['times' => 0] + $spoil)];
            case 'connections cut':
                $cluster->relay('cut', $gateway, ['reset' => $this->random->getInt(0, 1) === 1]);
                return [0.0, null];
            case 'connections cut in mid-frame':
                $cluster->relay('cut', $gateway, [
                    'after' => $this->random->getInt(1, $this->random->getInt(0, 1) === 1 ? 60 : 60000),
                    'reset' => $this->random->getInt(0, 1) === 1,
                ]);
                return [0.0, null];
            case 'connections delayed':
                $weather(['delay_ms' => $this->random->getInt(1, 300)]);
                return [$this->between(0.2, 4.0), $clear];
            case 'connections throttled':
                $weather(['bytes_per_second' => $this->random->getInt(500, 200000)]);
                return [$this->between(0.2, 4.0), $clear];
            case 'connections stalled':
                $weather(['stalled' => true]);
                return [$this->between(0.05, 3.5), $clear];
            default:
                $cluster->relay('refuse', $gateway, ['on' => true]);
                $cluster->relay('cut', $gateway, ['reset' => true]);
                return [
                    $this->between(0.0, 2.5),
                    static fn () => $cluster->relay('refuse', $gateway, ['on' => false]),
                ];
        }
    }

    /**
     * @return array{float, (callable(): void)|null}
     */
    private function disturbRegister(string $kind): array
    {
        $cluster = $this->cluster;
        $relay = Cluster::GATEWAYS;
        $process = $cluster->register;
        switch ($kind) {
            case 'register killed and replaced':
                $cluster->killRegister();
                return [$this->between(0.0, 4.0), static fn () => $cluster->replaceRegister()];
            case 'register stopped and continued':
                $process->signal(SIGSTOP);
                return [$this->between(0.1, 4.0), static fn () => $process->signal(SIGCONT)];
            case 'register connections cut':
                $cluster->relay('cut', $relay, ['after' => $this->random->getInt(0, 100)]);
                return [0.0, null];
            case 'register connections throttled':
                $cluster->relay('weather', $relay, ['bytes_per_second' => $this->random->getInt(20, 500)]);
                return [$this->between(0.2, 4.0), static fn () => $cluster->relay('weather', $relay)];
            default:
                $cluster->relay('refuse', $relay, ['on' => true]);
                $cluster->relay('cut', $relay, ['reset' => true]);
                return [$this->between(0.1, 4.0), static fn () => $cluster->relay('refuse', $relay, ['on' => false])];
        }
    }

    /**
     * Bytes that cannot be the reply to this query.
     */
    private function garbage(int $command): string
    {
        $garbage = [
            pack('N', 0),
            pack('N', 0xFFFFFFFF),
            pack('N', 4) . 'i:x;',
            pack('N', 6) . 'a:1:{}',
            pack('N', 9) . 's:99:"a";',
            pack('N', 12) . 'a:1:{i:0;i:1',
        ];
        if ($command !== self::SESSION) {
            // A session is whatever somebody has stored as one.
            array_push($garbage, pack('N', 7) . 'd:0.25;', pack('N', 19) . 'O:8:"stdClass":0:{}');
        }
        return $garbage[$this->random->getInt(0, count($garbage) - 1)];
    }

    private function kind(): string
    {
        $left = $this->random->getInt(1, array_sum(self::KINDS));
        foreach (self::KINDS as $kind => $weight) {
            $left -= $weight;
            if ($left <= 0) {
                break;
            }
        }
        return $kind;
    }

    private function between(float $from, float $to): float
    {
        return $from + ($to - $from) * $this->random->getInt(0, 1 << 20) / (1 << 20);
    }
}
