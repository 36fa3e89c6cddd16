<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use RuntimeException;
use Throwable;

/**
 * One soak run: starts everything, lets the faults and the callers loose, watches, and compares the
 * books in the end.
 */
final class Soak
{
    /** A caller that says nothing for so long hangs: no call may take that long. */
    private const SILENCE = 40.0;

    /**
     * How much the memory of a caller may grow in KiB: its queues, twice (they are copied into
     * batches), and some more.
     */
    private const GROWTH = 2 * Cluster::GATEWAYS * 512 + 24 * 1024;

    /** How many client ids each gateway has. */
    private const CLIENTS = 10;

    /**
     * Callers get numbers so far apart, to have some for the processes that they fork and for those
     * that come after them.
     */
    private const SENDERS = 1_000_000;

    private Cluster $cluster;

    private Faults $faults;

    private string $directory;

    /** @var array<int, Process> slot ⇒ caller */
    private array $callers = [];

    /** @var array<int, float> slot ⇒ when it said something last */
    private array $heard = [];

    /** @var array<int, array<string, true>> slot ⇒ what it has come to: done, recovered, burst */
    private array $reached = [];

    /** @var array<int, list<int>> slot ⇒ the commands of its burst, by gateway */
    private array $bursts = [];

    /** @var array<int, int> slot ⇒ calls of processes before the present one */
    private array $made = [];

    /** @var array<int, int> slot ⇒ calls of the present process */
    private array $beat = [];

    /** @var array<int, int> slot ⇒ the sender that was used last */
    private array $sender = [];

    /** @var list<array<string, mixed>> */
    private array $reports = [];

    /** @var list<string> */
    private array $violations = [];

    private int $violationCount = 0;

    /** @var array<int, array{first: int, last: int, most: int, threads: int, descriptors: int}> by slot */
    private array $memory = [];

    private float $sampled = 0.0;

    private float $listed = 0.0;

    private float $told = 0.0;

    private string $clients = '';

    public function __construct(
        private readonly int $seed,
        private readonly int $count,
        private readonly ?int $calls,
        private readonly float $seconds,
        private readonly int $burst
    ) {
        if ($count < 1 || $count > self::CLIENTS) {
            throw new RuntimeException('there can be 1 to ' . self::CLIENTS . ' callers');
        }
        $this->directory = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-soak-');
        unlink($this->directory);
        mkdir($this->directory, 0700);
    }

    /**
     * @return array<string, mixed> the report
     */
    public function run(): array
    {
        $start = self::now();
        $calm = [];
        $ledger = ['accounts' => [], 'nobody' => [], 'violations' => 0, 'told' => [], 'delivered_bytes' => []];
        try {
            $this->cluster = new Cluster(self::CLIENTS, $this->directory);
            $this->faults = new Faults($this->cluster, $this->seed);
            $this->awaitClients();
            for ($slot = 0; $slot < $this->count; $slot++) {
                $this->sender[$slot] = ($slot + 1) * self::SENDERS;
                $this->made[$slot] = 0;
                $this->start($slot);
            }
            $this->storm($start);
            $calm = $this->calm();
            $ledger = $this->cluster->ledger();
        } catch (Throwable $thrown) {
            $this->violation("the soak itself: {$thrown->getMessage()} in {$thrown->getFile()}:{$thrown->getLine()}");
        }
        foreach ($this->callers as $caller) {
            $caller->kill();
        }
        if (isset($this->cluster)) {
            $this->cluster->stop();
        }
        $storm = self::now() - $start;
        $this->compare($ledger, $calm);
        $errors = $this->clean();
        return [
            'seed' => $this->seed,
            'callers' => $this->count,
            'seconds' => round($storm, 1),
            'processes' => count($this->reports),
            'calls' => $this->sum('calls'),
            'thrown' => $this->sum('thrown'),
            'faults' => isset($this->faults) ? $this->faults->injected : [],
            'gateways' => $this->totals($ledger),
            'delivered_bytes' => array_sum($ledger['delivered_bytes']),
            'slowest' => $this->slowest(),
            'memory' => $this->memory,
            'log_lines' => $errors,
            'calm' => $calm,
            'violation_count' => $this->violationCount,
            'violations' => $this->violations,
        ];
    }

    /**
     * The report, to be read.
     *
     * @param array<string, mixed> $report
     */
    public static function table(array $report): string
    {
        $lines = ['', sprintf(
            '%d calls of %d processes (%d at a time) in %.0f s, seed %d',
            array_sum($report['calls']),
            $report['processes'],
            $report['callers'],
            $report['seconds'],
            $report['seed']
        )];
        $lines[] = '';
        $row = static fn (int|string $name, mixed ...$cells): string => sprintf('%-14s', $name)
            . implode('', array_map(static fn ($cell): string => sprintf('%12s', $cell), $cells));
        $lines[] = $row('gateway', 'accepted', 'written', 'refused', 'dropped', 'arrived', 'down', 'broken');
        foreach ($report['gateways'] as $name => $of) {
            $lines[] = $row($name, ...array_values($of));
        }
        $lines[] = '  frames of the processes that stay; accepted = written + queued + dropped, and queued is 0. "down": written,';
        $lines[] = '  and gone down with one of the "broken" connections. The guest has left the register\'s list again and again.';
        $lines[] = '';
        $lines[] = $row('caller', 'RSS at first', 'in the end', 'at most', 'threads', 'descriptors');
        foreach ($report['memory'] as $slot => $of) {
            $lines[] = $row((string) $slot, ...array_map(
                static fn (string $name, int $value): string => $name === 'threads' || $name === 'descriptors'
                    ? (string) $value
                    : round($value / 1024, 1) . ' M',
                array_keys($of),
                array_values($of)
            ));
        }
        $lines[] = '';
        $group = static function (string $title, array $numbers): string {
            arsort($numbers);
            $parts = [];
            foreach ($numbers as $name => $number) {
                $parts[] = "$name $number";
            }
            return wordwrap("$title: " . implode(', ', $parts), 116, "\n  ");
        };
        $lines[] = $group('faults ' . array_sum($report['faults']), $report['faults']);
        $lines[] = $group('calls', $report['calls']);
        $lines[] = $group('exceptions ' . array_sum($report['thrown']), $report['thrown']);
        $lines[] = sprintf('slowest call: %s, %.2f s', $report['slowest'][0], $report['slowest'][1]);
        $lines[] = sprintf('lines in the error log: %d', $report['log_lines']);
        $lines[] = sprintf('delivered to clients: %.1f MB', $report['delivered_bytes'] / 1e6);
        $lines[] = sprintf('in calm: %d commands sent, %d arrived', $report['calm']['sent'] ?? 0, $report['calm']['arrived'] ?? 0);
        $lines[] = '';
        foreach ($report['violations'] as $violation) {
            $lines[] = "VIOLATION: $violation";
        }
        $lines[] = $report['violation_count'] === 0 ? 'no violation' : "{$report['violation_count']} violations";
        return implode("\n", $lines) . "\n";
    }

    // ---- the storm ----

    private function storm(float $start): void
    {
        do {
            $now = self::now();
            $this->faults->tend($now);
            $this->attend($now);
            foreach ($this->callers as $slot => $caller) {
                if (!$this->stays($slot) && !$caller->isRunning()) {
                    $this->next($slot);
                }
            }
            if ($now - $this->told >= 10.0) {
                $this->told = $now;
                $this->progress($now - $start);
            }
            $over = $this->calls === null
                ? $now - $start >= $this->seconds
                : array_filter(array_keys($this->callers), fn (int $slot): bool => !$this->isThrough($slot)) === [];
        } while (!$over);
        $this->faults->heal(INF);
    }

    /**
     * Whether a caller has made its calls.
     */
    private function isThrough(int $slot): bool
    {
        return $this->stays($slot) ? isset($this->reached[$slot]['done']) : $this->made[$slot] >= $this->calls;
    }

    /**
     * A caller that comes and goes has ended: the next one takes its place.
     */
    private function next(int $slot): void
    {
        $this->hear($slot);
        $code = $this->callers[$slot]->exitCode();
        if ($code !== 0) {
            $this->violation("caller {$this->sender[$slot]} ended with code $code; {$this->callers[$slot]->said()}");
        }
        $this->callers[$slot]->close();
        $this->made[$slot] += $this->beat[$slot] ?? 0;
        $this->beat[$slot] = 0;
        $this->sender[$slot]++;
        $this->start($slot);
    }

    /**
     * Hears the callers, and looks after all that has to be looked after.
     */
    private function attend(float $now): void
    {
        $read = [];
        foreach ($this->callers as $slot => $caller) {
            if (is_resource($caller->output()) && !feof($caller->output())) {
                $read[$slot] = $caller->output();
            }
        }
        $none = [];
        if ($read !== [] && stream_select($read, $none, $none, 0, 20_000) > 0) {
            foreach (array_keys($read) as $slot) {
                $this->hear($slot);
            }
        } elseif ($read === []) {
            usleep(20_000);
        }
        foreach ($this->callers as $slot => $caller) {
            if (self::now() - $this->heard[$slot] > self::SILENCE) {
                $this->violation("caller {$this->sender[$slot]} hangs\n{$caller->diagnosis()}");
                $caller->kill();
                throw new RuntimeException('a caller hangs');
            }
            if ($this->stays($slot) && !isset($this->reached[$slot]['end']) && !$caller->isRunning()) {
                $said = $caller->said();
                throw new RuntimeException("caller {$this->sender[$slot]} died with code {$caller->exitCode()}; $said");
            }
        }
        if ($now - $this->listed >= 0.2) {
            $this->listed = $now;
            $this->writeClients($this->cluster->clients());
        }
        if ($now - $this->sampled >= 1.0) {
            $this->sampled = $now;
            $this->sample();
        }
    }

    private function hear(int $slot): void
    {
        while (($message = $this->callers[$slot]->take()) !== null) {
            $this->heard[$slot] = self::now();
            foreach ($message as $name => $value) {
                match ($name) {
                    'beat' => $this->beat[$slot] = $value,
                    'violation' => $this->violation($value),
                    'report' => $this->takeReport($slot, $value),
                    'burst' => $this->bursts[$slot] = $value,
                    default => null,
                };
                $this->reached[$slot][$name] = true;
            }
        }
    }

    /**
     * @param array<string, mixed> $report
     */
    private function takeReport(int $slot, array $report): void
    {
        $this->reports[] = $report + ['slot' => $slot];
        if (!$this->stays($slot)) {
            $this->beat[$slot] = array_sum($report['calls']);
        }
    }

    /**
     * Takes a look at the memory of the callers that stay.
     */
    private function sample(): void
    {
        foreach ($this->callers as $slot => $caller) {
            $rss = $caller->status('VmRSS');
            if (!$this->stays($slot) || $rss === 0) {
                continue;
            }
            // The first look is taken when it has got under way.
            if (($this->beat[$slot] ?? 0) < 200) {
                continue;
            }
            $known = $this->memory[$slot] ?? ['first' => $rss, 'most' => 0, 'threads' => 0, 'descriptors' => 0];
            $this->memory[$slot] = [
                'first' => $known['first'],
                'last' => $rss,
                'most' => max($known['most'], $rss),
                'threads' => max($known['threads'], $caller->status('Threads')),
                'descriptors' => max($known['descriptors'], $caller->descriptors()),
            ];
        }
    }

    private function progress(float $seconds): void
    {
        $calls = array_sum($this->made) + array_sum($this->beat);
        $faults = array_sum($this->faults->injected);
        fprintf(STDERR, "%6.0f s  %9d calls  %5d faults  %d violations\n", $seconds, $calls, $faults, $this->violationCount);
    }

    // ---- calm ----

    /**
     * Everything works again: the callers recover, then send what must all arrive.
     *
     * @return array<string, mixed>
     */
    private function calm(): array
    {
        foreach (array_keys($this->callers) as $slot) {
            if (!$this->stays($slot)) {
                // The last one of those that come and go ends by itself.
                $this->await('its end', fn (): bool => !$this->callers[$slot]->isRunning());
                $this->hear($slot);
                unset($this->callers[$slot]);
            }
        }
        $this->tell('calm', 'recovered');
        // What was queued may have closed clients just now.
        $this->awaitClients();
        $before = $this->arrived();
        $this->tell('burst', 'burst');
        $after = $this->arrived();
        $this->sample();
        [$sent, $arrived] = [0, 0];
        foreach ($this->bursts as $slot => $commands) {
            foreach ($commands as $gateway => $count) {
                // The process that stays has the first number of its slot.
                $account = ($slot + 1) * self::SENDERS . "/$gateway";
                $difference = ($after[$account] ?? 0) - ($before[$account] ?? 0);
                $sent += $count;
                $arrived += $difference;
                if ($difference !== $count) {
                    $this->violation("in calm, caller $slot sent $count commands to gateway $gateway, $difference arrived");
                }
            }
        }
        $this->tell('end', 'report');
        foreach ($this->callers as $slot => $caller) {
            $this->reached[$slot]['end'] = true;
            $this->await("the end of caller $slot", static fn (): bool => !$caller->isRunning());
            if ($caller->exitCode() !== 0) {
                $this->violation("caller {$this->sender[$slot]} ended with code {$caller->exitCode()}; {$caller->said()}");
            }
        }
        return ['sent' => $sent, 'arrived' => $arrived];
    }

    /**
     * Tells all callers what to do, and waits until they have done it.
     */
    private function tell(string $what, string $until): void
    {
        foreach ($this->callers as $slot => $caller) {
            $this->heard[$slot] = self::now() + 60.0;
            if ($until === 'report') {
                $this->reached[$slot]['end'] = true;
            }
            $caller->write(['do' => $what]);
        }
        $this->await("'$until' of all callers", function () use ($until): bool {
            foreach (array_keys($this->callers) as $slot) {
                if (!isset($this->reached[$slot][$until])) {
                    return false;
                }
            }
            return true;
        });
    }

    /**
     * @param callable(): bool $condition
     */
    private function await(string $what, callable $condition): void
    {
        $deadline = self::now() + 100.0;
        while (!$condition()) {
            $now = self::now();
            if ($now > $deadline) {
                foreach ($this->callers as $caller) {
                    if ($caller->isRunning()) {
                        fwrite(STDERR, $caller->diagnosis() . "\n");
                    }
                }
                throw new RuntimeException("waited in vain: $what");
            }
            $this->attend($now);
        }
    }

    /**
     * Waits until all clients are there, and stay.
     */
    private function awaitClients(): void
    {
        $same = 0;
        $last = [];
        $deadline = self::now() + 30.0;
        while ($same < 10) {
            $ids = $this->cluster->clients();
            $all = array_filter($ids, static fn (array $of): bool => count($of) < self::CLIENTS) === [];
            $same = $all && $ids === $last ? $same + 1 : 0;
            $last = $ids;
            if (self::now() > $deadline) {
                throw new RuntimeException('the clients of the gateways are not there');
            }
            usleep(100_000);
        }
        $this->writeClients($last);
    }

    /**
     * How many commands have arrived, by sender and gateway.
     *
     * @return array<string, int>
     */
    private function arrived(): array
    {
        $arrived = [];
        foreach ($this->cluster->ledger()['accounts'] as $account) {
            $arrived["{$account['sender']}/{$account['gateway']}"] = $account['frames'];
        }
        return $arrived;
    }

    // ---- the books ----

    /**
     * Holds what the callers say against the ledger.
     *
     * @param array<string, mixed> $ledger
     * @param array<string, mixed> $calm
     */
    private function compare(array $ledger, array $calm): void
    {
        foreach ($ledger['told'] as $told) {
            $this->violation("ledger: $told");
        }
        $this->violationCount += $ledger['violations'] - count($ledger['told']);
        $accounts = $this->accounts($ledger);
        $addresses = isset($this->cluster) ? $this->cluster->addresses() : [];
        foreach ($this->reports as $report) {
            foreach ($addresses as $gateway => $address) {
                $account = $accounts["{$report['sender']}/$gateway"] ?? ['frames' => 0, 'messages' => 0, 'last' => 0];
                $books = $report['books'][$gateway];
                if ($account['frames'] > $books['accepted'] + $books['unknown']) {
                    $this->violation("of caller {$report['sender']} more commands came to gateway $gateway than it sent: "
                        . json_encode([$account, $books]));
                }
                $counters = $report['counters'][$address] ?? null;
                if ($gateway === Cluster::GUEST || $counters === null || !$this->stays($report['slot'])) {
                    continue;
                }
                if ($report['sender'] % self::SENDERS === 0) {
                    // It has become calm: nothing waits, and what has arrived was written.
                    if ($counters['queued'] !== 0 || $counters['written'] !== $counters['accepted']) {
                        $this->violation("caller {$report['sender']} has not written everything to gateway $gateway: "
                            . json_encode($counters));
                    }
                    if ($account['frames'] > $counters['written']) {
                        $this->violation("caller {$report['sender']} has written {$counters['written']} frames to gateway "
                            . "$gateway, {$account['frames']} have arrived");
                    }
                    if ($account['last'] < $report['sure'][$gateway]) {
                        $this->violation("the last message of caller {$report['sender']} to gateway $gateway is missing: "
                            . "{$report['sure'][$gateway]}, {$account['last']} has arrived");
                    }
                }
            }
        }
        foreach ($this->memory as $slot => $memory) {
            if ($memory['most'] - $memory['first'] > self::GROWTH) {
                $this->violation("the memory of caller $slot grew from {$memory['first']} to {$memory['most']} KiB");
            }
            if ($memory['threads'] > 2) {
                $this->violation("caller $slot had {$memory['threads']} threads");
            }
            // Standard streams, the event loop, the register, and of each gateway the connections
            // of commands and queries, twice while it leaves and comes back.
            if ($memory['descriptors'] > 10 + Cluster::GATEWAYS * 6) {
                $this->violation("caller $slot had {$memory['descriptors']} descriptors");
            }
        }
        $stayed = count(array_filter(range(0, $this->count - 1), $this->stays(...)));
        $final = array_filter($this->reports, static fn (array $report): bool => $report['sender'] % self::SENDERS === 0);
        if (count($final) < $stayed || ($calm['sent'] ?? 0) === 0) {
            $this->violation('not all callers came to their end');
        }
    }

    /**
     * @param array<string, mixed> $ledger
     *
     * @return array<string, array<string, int>>
     */
    private function accounts(array $ledger): array
    {
        $accounts = [];
        foreach ($ledger['accounts'] as $account) {
            $accounts["{$account['sender']}/{$account['gateway']}"] = $account;
        }
        return $accounts;
    }

    /**
     * By gateway, the sums of the processes that stay.
     *
     * @param array<string, mixed> $ledger
     *
     * @return array<string, array<string, int>>
     */
    private function totals(array $ledger): array
    {
        $accounts = $this->accounts($ledger);
        $totals = [];
        foreach (isset($this->cluster) ? $this->cluster->addresses() : [] as $gateway => $address) {
            $sum = ['accepted' => 0, 'written' => 0, 'refused' => 0, 'dropped' => 0, 'arrived' => 0, 'down' => 0, 'broken' => 0];
            foreach ($this->reports as $report) {
                if (!$this->stays($report['slot']) || $report['sender'] % self::SENDERS !== 0) {
                    continue;
                }
                foreach (['accepted', 'written', 'refused', 'dropped'] as $name) {
                    $sum[$name] += $report['counters'][$address][$name] ?? 0;
                }
                $sum['arrived'] += $accounts["{$report['sender']}/$gateway"]['frames'] ?? 0;
                $sum['broken'] += $accounts["{$report['sender']}/$gateway"]['broken'] ?? 0;
            }
            $sum['down'] = $sum['written'] - $sum['arrived'];
            if ($gateway === Cluster::GUEST) {
                // It starts anew with each return, the total of what is sent apart.
                $sum['refused'] = '-';
            }
            $totals["$gateway" . ($gateway === Cluster::GUEST ? ', the guest' : '')] = $sum;
        }
        return $totals;
    }

    /**
     * @return array<string, int>
     */
    private function sum(string $name): array
    {
        $sum = [];
        foreach ($this->reports as $report) {
            foreach ($report[$name] as $key => $count) {
                $sum[$key] = ($sum[$key] ?? 0) + $count;
            }
        }
        return $sum;
    }

    /**
     * @return array{string, float}
     */
    private function slowest(): array
    {
        $slowest = ['none', 0.0];
        foreach ($this->reports as $report) {
            if ($report['slowest'] > $slowest[1]) {
                $slowest = [$report['slowest_call'], $report['slowest']];
            }
        }
        return $slowest;
    }

    private function violation(string $what): void
    {
        $this->violationCount++;
        if (count($this->violations) < 100) {
            $this->violations[] = $what;
            fwrite(STDERR, "VIOLATION: $what\n");
        }
    }

    // ---- processes and files ----

    /**
     * What kind of process a slot is: most stay from beginning to end; two in worker mode, one uses
     * the class of GatewayClient, one forks, one comes and goes.
     */
    private function stays(int $slot): bool
    {
        return $slot !== 6;
    }

    private function start(int $slot): void
    {
        $config = [
            'slot' => $slot,
            'class' => $slot === 3 ? 'GatewayClient\\Gateway' : 'GatewayWorker\\Lib\\Gateway',
            'worker' => $slot === 4 || $slot === 5,
            'forks' => $slot === 7,
            'stays' => $this->stays($slot),
            'sender' => $this->sender[$slot],
            'seed' => $this->seed + $this->sender[$slot],
            'calls' => $this->stays($slot) ? $this->calls : 150,
            'burst' => $this->burst,
            'gateways' => $this->cluster->addresses(),
            'clients' => self::CLIENTS,
            'clients_file' => "{$this->directory}/clients.json",
            'register' => $this->cluster->registerAddress(),
            'secret' => Cluster::SECRET,
        ];
        $extension = getenv('GATEWAYWORKER_SO') ?: dirname(__DIR__) . '/target/release/libgatewayworker.so';
        $command = [PHP_BINARY, '-d', "extension=$extension", '-d', 'error_log=', '-d', 'log_errors=1'];
        foreach (Caller::settings() + ['gatewayworker.address_map' => $this->cluster->addressMap()] as $name => $value) {
            array_push($command, '-d', "$name=\"$value\"");
        }
        array_push($command, '-d', 'display_errors=0', __DIR__ . '/call.php', json_encode($config, JSON_THROW_ON_ERROR));
        $this->callers[$slot] = new Process($command, "{$this->directory}/caller$slot.log");
        $this->heard[$slot] = self::now();
        $this->beat[$slot] = 0;
        $this->reached[$slot] = [];
    }

    /**
     * @param list<list<string>> $ids
     */
    private function writeClients(array $ids): void
    {
        $json = json_encode($ids, JSON_THROW_ON_ERROR);
        if ($json !== $this->clients) {
            $this->clients = $json;
            // In one step, for readers.
            file_put_contents("{$this->directory}/clients.new", $json);
            rename("{$this->directory}/clients.new", "{$this->directory}/clients.json");
        }
    }

    /**
     * Removes the files; returns how many lines were in the error logs of the callers.
     */
    private function clean(): int
    {
        $lines = 0;
        foreach (glob("{$this->directory}/*") ?: [] as $file) {
            if (str_contains($file, '/caller')) {
                $handle = fopen($file, 'r');
                while (($line = fgets($handle)) !== false) {
                    $lines++;
                    if (preg_match('~\bPHP (Warning|Notice|Deprecated|Fatal|Parse)|panicked|Segmentation~', $line) === 1) {
                        $this->violation(basename($file) . ': ' . trim($line));
                    }
                }
                fclose($handle);
            }
            unlink($file);
        }
        rmdir($this->directory);
        return $lines;
    }

    private static function now(): float
    {
        return hrtime(true) / 1e9;
    }
}
