<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

/**
 * What became of each command, by gateway, and the stamps of messages.
 *
 * There are three outcomes. Accepted for sure: the call said so. Refused for sure: the call threw
 * or returned false, and concerned this gateway alone. Otherwise nobody can know (a message to
 * several gateways of which one had no room, say).
 */
final class Books
{
    /** In calm nothing may be refused: all messages of a burst have to fit into the queue. */
    public bool $calm = false;

    /** @var list<array{accepted: int, refused: int, unknown: int}> by gateway */
    public array $outcomes;

    /** @var list<int> by gateway: the number of the last message */
    private array $number;

    /** @var list<int> by gateway: the number of the last one that was accepted for sure */
    public array $sure;

    public function __construct(private readonly int $sender, int $gateways)
    {
        $this->number = $this->sure = array_fill(0, $gateways, 0);
        $this->outcomes = array_fill(0, $gateways, ['accepted' => 0, 'refused' => 0, 'unknown' => 0]);
    }

    /**
     * A message with its stamp for these gateways.
     *
     * @param list<int> $to
     */
    public function message(array $to): string
    {
        $stamp = "@S {$this->sender};";
        foreach (array_keys($this->number) as $gateway) {
            if (in_array($gateway, $to, true)) {
                $number = ++$this->number[$gateway];
                $stamp .= "$number,{$this->sure[$gateway]};";
            } else {
                $stamp .= '-;';
            }
        }
        $length = match ($this->calm ? 49 : mt_rand(0, 49)) {
            0 => mt_rand(16_000, 60_000),
            1, 2, 3, 4 => mt_rand(1_000, 8_000),
            default => mt_rand(0, 200),
        };
        return $stamp . str_repeat('.', $length);
    }

    /**
     * Writes down what became of a message.
     *
     * @param list<int> $to
     */
    public function settle(array $to, ?bool $accepted): void
    {
        foreach ($to as $gateway) {
            if ($accepted === true) {
                $this->sure[$gateway] = $this->number[$gateway];
            }
            $this->count($gateway, $accepted);
        }
    }

    /**
     * Writes down what became of a command without a message; null: nobody can know.
     */
    public function count(int $gateway, ?bool $accepted): void
    {
        $this->outcomes[$gateway][$accepted === null ? 'unknown' : ($accepted ? 'accepted' : 'refused')]++;
    }
}
