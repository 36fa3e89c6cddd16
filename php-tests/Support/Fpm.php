<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * A php-fpm of the same version as the PHP that runs the tests, with the extension and a pool of
 * its own.
 */
final class Fpm
{
    /** @var string */
    private $directory;

    /** @var resource */
    private $process;

    /** @var int */
    private $pid;

    /** @var FastCgi */
    private $client;

    /**
     * @param string                $directory an empty directory for its files
     * @param array<string, string> $ini       settings
     * @param array<string, string> $pool      further lines of the pool's configuration
     */
    public function __construct(string $directory, array $ini = [], array $pool = [])
    {
        $this->directory = $directory;
        $this->client = new FastCgi("$directory/socket");
        $pool += [
            'listen' => "$directory/socket",
            'pm' => 'static',
            'pm.max_children' => '1',
            'catch_workers_output' => 'yes',
        ];
        if (posix_geteuid() === 0) {
            $pool += ['user' => 'root', 'group' => 'root'];
        }
        $lines = ['[global]', "error_log = $directory/fpm.log", 'daemonize = no', 'process_control_timeout = 20'];
        $lines[] = '[tests]';
        foreach ($pool as $name => $value) {
            $lines[] = "$name = $value";
        }
        file_put_contents("$directory/fpm.conf", implode("\n", $lines) . "\n");
        // No ini file: the one of php-fpm may load the extension already, or another.
        $command = [(string) self::program(), '-n', '-F', '-R', '-y', "$directory/fpm.conf"];
        $ini += self::opcache() + [
            'extension' => Implementation::sharedObject(),
            'error_log' => "$directory/php.log",
            'log_errors' => '1',
            'display_errors' => '0',
        ];
        foreach ($ini as $name => $value) {
            array_push($command, '-d', PhpProcess::setting($name, $value));
        }
        $process = proc_open(
            $command,
            [['file', '/dev/null', 'r'], ['file', "$directory/out", 'a'], ['file', "$directory/out", 'a']],
            $pipes
        );
        if ($process === false) {
            throw new RuntimeException('cannot start php-fpm');
        }
        $this->process = $process;
        $this->pid = proc_get_status($process)['pid'];
        Clock::waitUntil(function () use ($directory): bool {
            if (!proc_get_status($this->process)['running']) {
                throw new RuntimeException('php-fpm ends at once: ' . file_get_contents("$directory/out"));
            }
            // The file exists before anybody listens.
            return file_exists("$directory/socket") && @stream_socket_client("unix://$directory/socket") !== false;
        }, 'for php-fpm to listen');
    }

    /**
     * The program; null if there is none of our version.
     */
    public static function program(): ?string
    {
        static $found = false;
        if ($found === false) {
            $version = PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;
            $found = null;
            $candidates = getenv('PHP_FPM') !== false ? [getenv('PHP_FPM')] : array_merge(
                (array) glob(PHP_BINDIR . "/../sbin/php-fpm{,$version}", GLOB_BRACE),
                (array) glob("/usr/sbin/php-fpm$version"),
                (array) glob('/usr/local/sbin/php-fpm')
            );
            foreach ($candidates as $candidate) {
                $said = (string) shell_exec(escapeshellarg((string) $candidate) . ' -n -v 2>/dev/null');
                if (strpos($said, "PHP $version.") === 0) {
                    $found = (string) $candidate;
                    break;
                }
            }
        }
        return $found;
    }

    /**
     * Runs a script and returns what it printed.
     *
     * @param array<string, scalar> $query
     */
    public function get(string $script, array $query = []): string
    {
        return $this->client->get($script, $query);
    }

    /**
     * The connection to the pool.
     */
    public function client(): FastCgi
    {
        return $this->client;
    }

    /**
     * Sends a signal to the master process.
     */
    public function signal(int $signal): void
    {
        posix_kill($this->pid, $signal);
    }

    /**
     * Waits for the end of the master process, which waits for its workers.
     */
    public function wait(): void
    {
        Clock::waitUntil(function (): bool {
            return !proc_get_status($this->process)['running'];
        }, 'for php-fpm to end', 30.0);
    }

    /**
     * What PHP has written to its error log.
     */
    public function log(): string
    {
        return (string) @file_get_contents("{$this->directory}/php.log");
    }

    /**
     * What php-fpm itself has logged.
     */
    public function ownLog(): string
    {
        return (string) @file_get_contents("{$this->directory}/fpm.log");
    }

    /**
     * Ends it, however it is.
     */
    public function dispose(): void
    {
        $this->client->close();
        if (proc_get_status($this->process)['running']) {
            $this->signal(SIGTERM);
            try {
                $this->wait();
            } catch (RuntimeException $late) {
                $this->signal(SIGKILL);
            }
        }
        proc_close($this->process);
    }

    /**
     * @return array<string, string>
     */
    private static function opcache(): array
    {
        $file = ini_get('extension_dir') . '/opcache.so';
        return is_file($file) ? ['zend_extension' => $file, 'opcache.enable' => '1'] : [];
    }
}
