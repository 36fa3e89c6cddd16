<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * A process that talks in lines over its standard input and output and ends when its input is
 * closed.
 */
final class ChildProcess
{
    /** @var resource|null */
    private $process;

    /** @var array<int, resource> */
    private $pipes = [];

    /** @var string */
    private $buffer = '';

    /** @var string */
    private $errors;

    /** @var string */
    private $name;

    /**
     * @param list<string> $command program and arguments
     */
    public function __construct(array $command)
    {
        $this->name = basename($command[0]);
        $this->errors = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-stderr-');
        $process = proc_open(
            $command,
            [['pipe', 'r'], ['pipe', 'w'], ['file', $this->errors, 'w']],
            $this->pipes
        );
        if ($process === false) {
            throw new RuntimeException("cannot start {$this->name}");
        }
        $this->process = $process;
        stream_set_blocking($this->pipes[1], false);
    }

    public function __destruct()
    {
        $this->stop();
    }

    /**
     * Writes a line.
     */
    public function writeLine(string $line): void
    {
        for ($rest = $line . "\n"; $rest !== ''; $rest = substr($rest, $written)) {
            $written = (int) fwrite($this->pipes[0], $rest);
            if ($written === 0) {
                throw new RuntimeException("{$this->name} takes no input any more" . $this->said());
            }
        }
    }

    /**
     * Reads a line, without its end.
     */
    public function readLine(float $timeout = 10.0): string
    {
        $deadline = Clock::in($timeout);
        while (($end = strpos($this->buffer, "\n")) === false) {
            if (!Clock::readable($this->pipes[1], $deadline)) {
                throw new RuntimeException("{$this->name} does not reply" . $this->said());
            }
            $chunk = (string) fread($this->pipes[1], 1 << 20);
            if ($chunk === '' && feof($this->pipes[1])) {
                throw new RuntimeException("{$this->name} has ended" . $this->said());
            }
            $this->buffer .= $chunk;
        }
        $line = substr($this->buffer, 0, $end);
        $this->buffer = substr($this->buffer, $end + 1);
        return $line;
    }

    /**
     * Ends the process: closes its input, and kills it if it goes on.
     */
    public function stop(): void
    {
        if ($this->process === null) {
            return;
        }
        fclose($this->pipes[0]);
        $deadline = Clock::in(2.0);
        while (Clock::readable($this->pipes[1], $deadline)) {
            if (fread($this->pipes[1], 1 << 16) === '' && feof($this->pipes[1])) {
                break;
            }
        }
        if (!feof($this->pipes[1])) {
            proc_terminate($this->process, 9);
        }
        fclose($this->pipes[1]);
        proc_close($this->process);
        $this->process = null;
        unlink($this->errors);
    }

    /**
     * What the process has written to its standard error, as the end of a message.
     */
    private function said(): string
    {
        $said = trim((string) file_get_contents($this->errors));
        return $said === '' ? '' : ": $said";
    }
}
