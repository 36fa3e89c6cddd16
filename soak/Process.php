<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use RuntimeException;

/**
 * A process that talks in lines over its standard input and output, and can be killed, stopped and
 * looked at.
 */
final class Process
{
    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private array $pipes = [];

    private string $buffer = '';

    private ?int $exitCode = null;

    public readonly int $pid;

    /**
     * @param list<string> $command program and arguments
     * @param string       $errors  the file that its standard error is appended to
     */
    public function __construct(array $command, private readonly string $errors)
    {
        $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['file', $errors, 'a']], $this->pipes);
        if ($process === false) {
            throw new RuntimeException("cannot start {$command[0]}");
        }
        $this->process = $process;
        $this->pid = proc_get_status($process)['pid'];
        stream_set_blocking($this->pipes[1], false);
    }

    /**
     * @param array<string, mixed> $message
     */
    public function write(array $message): void
    {
        // A process that has ended takes nothing; how it ended is seen elsewhere.
        @fwrite($this->pipes[0], json_encode($message, JSON_THROW_ON_ERROR) . "\n");
    }

    /**
     * What can be waited on.
     *
     * @return resource
     */
    public function output()
    {
        return $this->pipes[1];
    }

    /**
     * The next message, if a whole one is there.
     *
     * @return array<string, mixed>|null
     */
    public function take(): ?array
    {
        $this->buffer .= fread($this->pipes[1], 1 << 20);
        $end = strpos($this->buffer, "\n");
        if ($end === false) {
            return null;
        }
        $line = substr($this->buffer, 0, $end);
        $this->buffer = substr($this->buffer, $end + 1);
        return json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    }

    /**
     * The next message, waited for.
     *
     * @return array<string, mixed>
     */
    public function read(float $timeout = 20.0): array
    {
        $deadline = hrtime(true) / 1e9 + $timeout;
        while (($message = $this->take()) === null) {
            $left = $deadline - hrtime(true) / 1e9;
            $read = [$this->pipes[1]];
            $none = [];
            if ($left <= 0 || feof($this->pipes[1]) || stream_select($read, $none, $none, (int) ceil($left)) === 0) {
                throw new RuntimeException("process {$this->pid} does not reply; " . $this->said());
            }
        }
        return $message;
    }

    /**
     * Sends a request and waits for the reply.
     *
     * @param array<string, mixed> $request
     *
     * @return array<string, mixed>
     */
    public function request(array $request): array
    {
        $this->write($request);
        $reply = $this->read();
        if (isset($reply['error'])) {
            throw new RuntimeException(json_encode($request) . " was refused: {$reply['error']}");
        }
        return $reply;
    }

    public function signal(int $signal): void
    {
        if ($this->isRunning()) {
            posix_kill($this->pid, $signal);
        }
    }

    public function isRunning(): bool
    {
        if ($this->exitCode !== null) {
            return false;
        }
        $status = proc_get_status($this->process);
        if (!$status['running']) {
            $this->exitCode = $status['signaled'] ? 128 + $status['termsig'] : $status['exitcode'];
        }
        return $status['running'];
    }

    /**
     * The exit code (128 and the number of the signal, where one has ended it); null while it runs.
     */
    public function exitCode(): ?int
    {
        $this->isRunning();
        return $this->exitCode;
    }

    /**
     * Kills it and waits for its end.
     */
    public function kill(): void
    {
        $this->signal(SIGKILL);
        $this->close();
    }

    /**
     * Closes its input, which ends it, and waits for its end.
     */
    public function close(): void
    {
        foreach ($this->pipes as $pipe) {
            if (is_resource($pipe)) {
                fclose($pipe);
            }
        }
        if (is_resource($this->process)) {
            $this->isRunning();
            $code = proc_close($this->process);
            $this->exitCode ??= $code;
        }
    }

    /**
     * A line of /proc/PID/status, as a number.
     */
    public function status(string $name): int
    {
        return preg_match("~^$name:\\s*(\\d+)~m", (string) @file_get_contents("/proc/{$this->pid}/status"), $found) === 1
            ? (int) $found[1]
            : 0;
    }

    /**
     * How many descriptors it has open.
     */
    public function descriptors(): int
    {
        return count(@scandir("/proc/{$this->pid}/fd") ?: []) - 2;
    }

    /**
     * What it is doing, for somebody who has to find out why it stands still.
     */
    public function diagnosis(): string
    {
        $lines = ["process {$this->pid}: " . strtr((string) @file_get_contents("/proc/{$this->pid}/cmdline"), "\0", ' ')];
        foreach (glob("/proc/{$this->pid}/task/*") ?: [] as $task) {
            $of = static fn (string $file): string => trim((string) @file_get_contents("$task/$file"));
            preg_match('~^State:\s*(.*)$~m', $of('status'), $state);
            $lines[] = basename($task) . " {$of('comm')}: " . ($state[1] ?? '?') . ", in {$of('wchan')}, system call "
                . $of('syscall');
            $lines[] = $of('stack');
        }
        $gdb = trim((string) shell_exec('command -v gdb'));
        if ($gdb !== '') {
            $lines[] = (string) shell_exec("$gdb -p {$this->pid} -batch -ex 'thread apply all bt 40' 2>/dev/null");
        }
        return implode("\n", array_filter($lines));
    }

    /**
     * The end of what it has written to standard error.
     */
    public function said(): string
    {
        return substr((string) @file_get_contents($this->errors), -2000);
    }
}
