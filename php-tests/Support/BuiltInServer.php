<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * `php -S` with the implementation under test.
 */
final class BuiltInServer
{
    /** @var resource */
    private $process;

    /** @var int */
    private $pid;

    /** @var string */
    private $address = '';

    /** @var string what it says itself */
    private $errors;

    /** @var string PHP's error log */
    private $log;

    /**
     * @param string                $directory where the scripts are
     * @param array<string, string> $ini       settings
     * @param int                   $workers   how many processes it is to have, beside the first
     */
    public function __construct(string $directory, array $ini = [], int $workers = 0)
    {
        $this->errors = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-stderr-');
        $this->log = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-log-');
        $environment = getenv();
        if ($workers > 0) {
            $environment['PHP_CLI_SERVER_WORKERS'] = (string) $workers;
        }
        $ini += ['display_errors' => '0', 'log_errors' => '1', 'error_log' => $this->log];
        $process = proc_open(
            array_merge(PhpProcess::php($ini), ['-S', '127.0.0.1:0', '-t', $directory]),
            [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', $this->errors, 'w']],
            $pipes,
            null,
            $environment
        );
        if ($process === false) {
            throw new RuntimeException('cannot start ' . PHP_BINARY);
        }
        $this->process = $process;
        $this->pid = proc_get_status($process)['pid'];
        Clock::waitUntil(function (): bool {
            $said = (string) file_get_contents($this->errors);
            if (preg_match('~http://(127\.0\.0\.1:[1-9]\d*)~', $said, $match) === 1) {
                $this->address = $match[1];
            } elseif (!proc_get_status($this->process)['running']) {
                throw new RuntimeException("php -S ends at once: $said");
            }
            return $this->address !== '';
        }, 'for php -S to listen');
    }

    /**
     * Runs a script and returns what it printed.
     *
     * @param array<string, scalar> $query
     */
    public function get(string $script, array $query = [], float $timeout = 20.0): string
    {
        $stream = stream_socket_client("tcp://{$this->address}", $code, $message, 5.0);
        if ($stream === false) {
            throw new RuntimeException("cannot connect to php -S: $message");
        }
        $target = "/$script?" . http_build_query($query);
        fwrite($stream, "GET $target HTTP/1.0\r\nHost: {$this->address}\r\nConnection: close\r\n\r\n");
        stream_set_blocking($stream, false);
        $deadline = Clock::in($timeout);
        $reply = '';
        while (!feof($stream)) {
            if (!Clock::readable($stream, $deadline)) {
                throw new RuntimeException("php -S does not reply; its log says: {$this->log()}");
            }
            $reply .= fread($stream, 1 << 16);
        }
        fclose($stream);
        return explode("\r\n\r\n", $reply, 2)[1] ?? '';
    }

    /**
     * Sends a signal to the first process and to its workers, as a terminal does.
     */
    public function signal(int $signal): void
    {
        $workers = (string) @file_get_contents("/proc/{$this->pid}/task/{$this->pid}/children");
        foreach (array_merge([$this->pid], array_map('intval', explode(' ', trim($workers)))) as $pid) {
            if ($pid > 0) {
                posix_kill($pid, $signal);
            }
        }
    }

    /**
     * Waits for its end.
     */
    public function wait(): void
    {
        Clock::waitUntil(function (): bool {
            return !proc_get_status($this->process)['running'];
        }, 'for php -S to end', 30.0);
    }

    /**
     * What PHP has written to its error log.
     */
    public function log(): string
    {
        return (string) file_get_contents($this->log);
    }

    /**
     * Ends it, however it is.
     */
    public function dispose(): void
    {
        if (proc_get_status($this->process)['running']) {
            // SIGINT is what it knows; it ends its workers then, and they deliver.
            $this->signal(SIGINT);
            try {
                $this->wait();
            } catch (RuntimeException $late) {
                $this->signal(SIGKILL);
            }
        }
        proc_close($this->process);
        unlink($this->errors);
        unlink($this->log);
    }
}
