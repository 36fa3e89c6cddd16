<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * Runs PHP in a process of its own, with the implementation that this process tests.
 */
final class Php
{
    /** @var int */
    public $exitCode;

    /** @var string */
    public $stdout;

    /** @var string */
    public $stderr;

    private function __construct(int $exitCode, string $stdout, string $stderr)
    {
        $this->exitCode = $exitCode;
        $this->stdout = $stdout;
        $this->stderr = $stderr;
    }

    /**
     * Runs a snippet with the implementation under test.
     *
     * @param string                $code      PHP without the opening tag
     * @param list<string>          $arguments what the snippet finds in $argv from 1 on
     * @param array<string, string> $ini       further settings
     */
    public static function run(string $code, array $arguments = [], array $ini = []): self
    {
        $options = [];
        foreach (self::implementation() + $ini as $name => $value) {
            array_push($options, '-d', "$name=$value");
        }
        return self::execute(array_merge([PHP_BINARY], $options), $code, $arguments);
    }

    /**
     * Runs a snippet in a bare PHP: no ini file, no extension.
     *
     * @param list<string> $arguments
     */
    public static function bare(string $code, array $arguments = []): self
    {
        return self::execute([PHP_BINARY, '-n'], $code, $arguments);
    }

    /**
     * The settings that bring the implementation under test into a new process.
     *
     * @return array<string, string>
     */
    public static function implementation(): array
    {
        if (!Implementation::isNative()) {
            return ['auto_prepend_file' => (string) ini_get('auto_prepend_file')];
        }
        static $byItself;
        if ($byItself === null) {
            $byItself = self::execute([PHP_BINARY], 'echo (int) extension_loaded("gatewayworker");', [])->stdout === '1';
        }
        return $byItself ? [] : ['extension' => Implementation::sharedObject()];
    }

    /**
     * @param list<string> $command
     * @param list<string> $arguments
     */
    private static function execute(array $command, string $code, array $arguments): self
    {
        // A file and not -r, which knows no auto_prepend_file.
        $script = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-php-');
        file_put_contents($script, "<?php\n$code");
        try {
            return self::wait(array_merge($command, [$script], $arguments));
        } finally {
            unlink($script);
        }
    }

    /**
     * @param list<string> $command
     */
    private static function wait(array $command): self
    {
        $stderr = tmpfile();
        $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], $stderr], $pipes);
        if ($process === false || $stderr === false) {
            throw new RuntimeException('cannot start ' . PHP_BINARY);
        }
        $deadline = Clock::in(30.0);
        $stdout = '';
        stream_set_blocking($pipes[1], false);
        while (!feof($pipes[1])) {
            if (!Clock::readable($pipes[1], $deadline)) {
                proc_terminate($process, 9);
                throw new RuntimeException("the PHP process does not end; it has printed:\n$stdout");
            }
            $stdout .= fread($pipes[1], 1 << 16);
        }
        fclose($pipes[1]);
        $exitCode = proc_close($process);
        rewind($stderr);
        return new self($exitCode, $stdout, (string) stream_get_contents($stderr));
    }
}
