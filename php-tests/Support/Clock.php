<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * Waiting for events with a deadline. The only place in the tests that knows the time.
 */
final class Clock
{
    /**
     * The deadline that lies so many seconds ahead. Where everything is slower (under valgrind),
     * the environment variable GATEWAYWORKER_TESTS_PATIENCE says how many times as long is waited.
     */
    public static function in(float $seconds): float
    {
        return self::now() + $seconds * (float) (getenv('GATEWAYWORKER_TESTS_PATIENCE') ?: 1);
    }

    /**
     * Waits until the stream can be read (the end of it can be read, too); false after the
     * deadline.
     *
     * @param resource $stream
     */
    public static function readable($stream, float $deadline): bool
    {
        return self::select([$stream], [], $deadline);
    }

    /**
     * Waits until the stream can be written to; false after the deadline.
     *
     * @param resource $stream
     */
    public static function writable($stream, float $deadline): bool
    {
        return self::select([], [$stream], $deadline);
    }

    /**
     * Asks again and again until the condition holds. The last resort, for what sends no event to
     * wait for.
     *
     * @param callable(): bool $condition
     */
    public static function waitUntil(callable $condition, string $what, float $timeout = 10.0): void
    {
        $deadline = self::in($timeout);
        // Nothing ever arrives here: stream_select() waits on it between two checks.
        $silence = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        while (!$condition()) {
            if (self::now() > $deadline) {
                throw new RuntimeException("gave up waiting: $what");
            }
            self::select([$silence[0]], [], self::now() + 0.002);
        }
    }

    /**
     * @param list<resource> $read
     * @param list<resource> $write
     */
    private static function select(array $read, array $write, float $deadline): bool
    {
        $left = max(0.0, $deadline - self::now());
        $seconds = (int) $left;
        $except = [];
        return (bool) stream_select($read, $write, $except, $seconds, (int) (($left - $seconds) * 1e6));
    }

    /**
     * The seconds since some moment, the same one in all of a process.
     */
    public static function now(): float
    {
        return hrtime(true) / 1e9;
    }
}
