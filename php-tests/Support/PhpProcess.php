<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * A script that runs in a PHP process of its own while the test goes on: they talk in lines, and
 * the test sends signals.
 */
final class PhpProcess
{
    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private $pipes = [];

    /** @var string */
    private $buffer = '';

    /** @var string */
    private $errors;

    /** @var int */
    private $pid;

    /** @var int|null */
    private $exitCode;

    /**
     * @param string                $script what to run
     * @param array<string, mixed>  $config what the script finds in $config
     * @param array<string, string> $ini    settings
     */
    public function __construct(string $script, array $config = [], array $ini = [])
    {
        $this->errors = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-stderr-');
        // Nothing may be printed twice: PHP's messages go to the error log, which is
        // standard error.
        $ini += ['display_errors' => '0', 'log_errors' => '1', 'error_log' => '', 'html_errors' => '0'];
        $process = proc_open(
            array_merge(self::php($ini), [$script, json_encode($config, JSON_THROW_ON_ERROR)]),
            [['pipe', 'r'], ['pipe', 'w'], ['file', $this->errors, 'w']],
            $this->pipes
        );
        if ($process === false) {
            throw new RuntimeException('cannot start ' . PHP_BINARY);
        }
        $this->process = $process;
        $this->pid = proc_get_status($process)['pid'];
        stream_set_blocking($this->pipes[1], false);
    }

    /**
     * PHP with the implementation under test, as a command.
     *
     * @param array<string, string> $ini further settings
     *
     * @return list<string>
     */
    public static function php(array $ini = []): array
    {
        $command = [PHP_BINARY];
        foreach (Php::implementation() + $ini as $name => $value) {
            array_push($command, '-d', self::setting($name, $value));
        }
        return $command;
    }

    /**
     * A setting as the option -d takes it, which reads its value as a line of an ini file.
     */
    public static function setting(string $name, string $value): string
    {
        $plain = preg_match('~^[\w./-]*$~D', $value) === 1;
        return $plain ? "$name=$value" : $name . '="' . addcslashes($value, '"\\') . '"';
    }

    /**
     * The process's number.
     */
    public function pid(): int
    {
        return $this->pid;
    }

    /**
     * Sends a signal.
     */
    public function signal(int $signal): void
    {
        posix_kill($this->pid, $signal);
    }

    /**
     * Sends the script a line.
     */
    public function writeLine(string $line): void
    {
        fwrite($this->pipes[0], "$line\n");
    }

    /**
     * The next line of the script.
     */
    public function readLine(float $timeout = 20.0): string
    {
        $deadline = Clock::in($timeout);
        while (($end = strpos($this->buffer, "\n")) === false) {
            if (!$this->fill($deadline)) {
                throw new RuntimeException("the script prints nothing: {$this->buffer}{$this->errors()}");
            }
            if (feof($this->pipes[1]) && strpos($this->buffer, "\n") === false) {
                throw new RuntimeException("the script has ended: {$this->buffer}{$this->errors()}");
            }
        }
        $line = substr($this->buffer, 0, $end);
        $this->buffer = substr($this->buffer, $end + 1);
        return $line;
    }

    /**
     * As {@see readLine()}, where the script says JSON.
     *
     * @return mixed
     */
    public function readJson(float $timeout = 20.0)
    {
        return json_decode($this->readLine($timeout), true, 512, JSON_THROW_ON_ERROR);
    }

    /**
     * Whether the process exists: it runs, or has not been waited for yet.
     */
    public function isRunning(): bool
    {
        $status = proc_get_status($this->process);
        if (!$status['running'] && $this->exitCode === null) {
            $this->exitCode = $status['signaled'] ? 128 + $status['termsig'] : $status['exitcode'];
        }
        return $status['running'];
    }

    /**
     * Waits for the end: of the process and of all that hold its output. Returns the exit code (128
     * and the signal's number where one ended it).
     */
    public function wait(float $timeout = 30.0): int
    {
        $deadline = Clock::in($timeout);
        while (!feof($this->pipes[1])) {
            if (!$this->fill($deadline)) {
                throw new RuntimeException("the script does not end: {$this->buffer}{$this->errors()}");
            }
        }
        Clock::waitUntil(function (): bool {
            return !$this->isRunning();
        }, 'for the script to end');
        return (int) $this->exitCode;
    }

    /**
     * What it printed and has not been read yet; for use after its end.
     */
    public function output(): string
    {
        return $this->buffer;
    }

    /**
     * What it has written to standard error, which is its error log too.
     */
    public function errors(): string
    {
        return (string) file_get_contents($this->errors);
    }

    /**
     * Ends it, however it is, and cleans up.
     */
    public function dispose(): void
    {
        if ($this->isRunning()) {
            $this->signal(SIGKILL);
        }
        foreach ($this->pipes as $pipe) {
            fclose($pipe);
        }
        proc_close($this->process);
        unlink($this->errors);
    }

    private function fill(float $deadline): bool
    {
        if (!Clock::readable($this->pipes[1], $deadline)) {
            return false;
        }
        $this->buffer .= fread($this->pipes[1], 1 << 16);
        return true;
    }
}
