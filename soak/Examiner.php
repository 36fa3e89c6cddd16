<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use GatewayWorker\Lib\Gateway;

/**
 * What replies and counters may be. Whatever else they are is a violation, which is said at once.
 */
final class Examiner
{
    /** Whether the register's list is known, in client mode. */
    public bool $listed = false;

    /** The number of the call that is looked at. */
    public int $call = 0;

    /** @var array<string, int> the counters of the guest at the last look */
    private array $guest = [];

    /**
     * @param int $clients    how many clients each gateway has
     * @param int $sendBuffer the bytes that a queue may hold
     */
    public function __construct(
        private readonly Subject $subject,
        private readonly Population $population,
        private readonly Books $books,
        private readonly int $clients,
        private readonly int $sendBuffer
    ) {
    }

    /**
     * @param mixed                    $ids
     * @param array<string, true>|null $possible nobody else can be in it
     */
    public function examineIds(mixed $ids, ?array $possible, string $call, bool $map = false): void
    {
        $this->expect(true, is_array($ids), "$call: a list");
        foreach ($ids as $key => $id) {
            if (!is_string($id) || $this->population->gatewayOf($id) < 0 || ($map && $key !== $id)) {
                $this->violation("$call has " . json_encode([$key => $id]) . ', which is no client id of here');
            } elseif ($possible !== null && !isset($possible[$id])) {
                $this->violation("$call has $id, which was never put there");
            }
        }
    }

    public function examineNames(mixed $names, string $call): void
    {
        $this->expect(true, is_array($names), "$call: a list");
        foreach ($names as $key => $name) {
            if ($key !== $name || !Population::isName($name)) {
                $this->violation("$call has " . json_encode([$key => $name]));
            }
        }
    }

    /**
     * @param array<string, mixed> $sessions
     */
    public function examineSessions(array $sessions): void
    {
        foreach ($sessions as $id => $session) {
            if (!is_array($session) || ($session !== [] && ($session['id'] ?? null) !== $id)) {
                $this->violation("the session of $id is " . substr((string) json_encode($session), 0, 200));
            }
        }
    }

    public function examineCount(mixed $count, ?int $most = null): void
    {
        // Clients that have come back may be there while the gateway has not yet seen the old ones
        // go.
        $most ??= 100 * count($this->subject->gateways) * $this->clients;
        if (!is_int($count) || $count < 0 || $count > $most) {
            $this->violation('a count is ' . json_encode($count) . ", at most $most are possible");
        }
    }

    /**
     * Holds the counters of the extension against our own.
     */
    public function examineCounters(): void
    {
        foreach ($this->counters() as $address => $counters) {
            $gateway = array_search($address, $this->subject->gateways, true);
            ['accepted' => $accepted, 'written' => $written, 'queued' => $queued, 'dropped' => $dropped] = $counters;
            if ($accepted !== $written + $queued + $dropped || min($accepted, $written, $queued, $dropped) < 0) {
                $this->violation("the counters of $address do not add up: " . json_encode($counters));
            }
            if ($counters['queued_bytes'] > $this->sendBuffer + 28) {
                $this->violation("the queue for $address is over its limit: " . json_encode($counters));
            }
            if ($gateway === Cluster::GUEST) {
                // We cannot know what it was sent while it may have left. What it has cost is kept,
                // however often it leaves.
                foreach (['accepted', 'written', 'dropped'] as $name) {
                    if ($counters[$name] < ($this->guest[$name] ?? 0)) {
                        $this->violation("$name of the guest went back: " . json_encode([$this->guest, $counters]));
                    }
                }
                $this->guest = $counters;
                continue;
            }
            $books = $this->books->outcomes[$gateway];
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
    public function counters(): array
    {
        $counters = [];
        $this->listed = false;
        $names = array_flip(['accepted', 'written', 'queued', 'dropped', 'refused', 'queued_bytes']);
        $guest = $this->subject->gateways[Cluster::GUEST];
        foreach (Gateway::status()['clusters'] as $cluster) {
            $this->listed = $this->listed || ($cluster['register']['lists'] ?? 0) > 0;
            foreach ($cluster['gateways'] as $gateway) {
                $address = $gateway['address'];
                $more = array_intersect_key($gateway, $names);
                if (isset($counters[$address])) {
                    // A guest that has left and come back stands there twice while its old queue is
                    // sent, which is within the limit by itself.
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

    public function expect(mixed $expected, mixed $actual, string $what): void
    {
        if ($expected !== $actual) {
            $this->violation("$what: " . json_encode($actual) . ' instead of ' . json_encode($expected));
        }
    }

    public function violation(string $what): void
    {
        say(['violation' => "caller {$this->population->sender}, call {$this->call}: $what"]);
    }
}
