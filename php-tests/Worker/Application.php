<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker;

use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\Implementation;
use GatewayWorker\Tests\Support\Php;
use GatewayWorker\Tests\Support\Ports;
use GatewayWorker\Tests\Support\TextClient;
use GatewayWorker\Tests\Support\WebSocketClient;
use RuntimeException;

/**
 * The real GatewayWorker with the application in app/: masters that fork registers, gateways and
 * workers.
 */
final class Application implements Site
{
    public const EVERYTHING = ['register', 'gateways', 'workers'];

    /** @var string */
    public $dir;

    /** @var bool whether the workers have the class of the extension */
    private $native;

    /** @var string */
    private $secret;

    /** @var string */
    private $register;

    /** @var list<array{listen: string, port: int, name: string}> */
    private $gateways = [];

    /** @var array<string, resource> the masters that run in the foreground */
    private $masters = [];

    /** @var array<string, array<string, mixed>> */
    private $apps = [];

    public function __construct(bool $native, string $secret = '')
    {
        $this->native = $native;
        $this->secret = $secret;
        $this->dir = sys_get_temp_dir() . '/gatewayworker-app-' . getmypid() . '-' . bin2hex(random_bytes(4));
        mkdir($this->dir);
        touch($this->log());
        $ports = Ports::free(9);
        $this->register = '127.0.0.1:' . array_pop($ports);
        foreach (['text', 'websocket', 'text', 'websocket'] as $number => $protocol) {
            $this->gateways[] = [
                'listen' => "$protocol://127.0.0.1:" . array_pop($ports),
                'port' => array_pop($ports),
                'name' => "gateway$number",
            ];
        }
    }

    /**
     * The file that loads GatewayWorker and Workerman; null if there is none.
     */
    public static function autoload(): ?string
    {
        static $found = false;
        if ($found !== false) {
            return $found;
        }
        $found = null;
        $check = <<<'PHP'
            require $argv[1];
            foreach (['BusinessWorker', 'Gateway', 'Register'] as $class) {
                echo (int) class_exists("GatewayWorker\\$class");
            }
            PHP;
        $named = (string) getenv('GATEWAYWORKER_AUTOLOAD');
        foreach ([$named, Implementation::root() . '/vendor/autoload.php'] as $file) {
            if ($found === null && is_file($file) && Php::bare($check, [$file])->stdout === '111') {
                $found = $file;
            }
        }
        return $found;
    }

    /**
     * The options that bring the extension into a new PHP process.
     *
     * @return list<string>
     */
    public static function extensionOptions(): array
    {
        static $byItself;
        if ($byItself === null) {
            $check = escapeshellarg('echo (int) extension_loaded("gatewayworker");');
            $byItself = shell_exec(escapeshellarg(PHP_BINARY) . " -r $check") === '1';
        }
        return $byItself ? [] : ['-d', 'extension=' . Implementation::sharedObject()];
    }

    /**
     * Starts a master with these parts of the application.
     *
     * @param list<string>   $parts
     * @param list<int>|null $gateways numbers of the gateways; null means all
     */
    public function start(
        string $name,
        array $parts,
        ?array $gateways = null,
        bool $daemon = false,
        int $workers = 2
    ): void {
        $this->apps[$name] = [
            'autoload' => self::autoload(),
            'dir' => $this->dir,
            'name' => $name,
            'parts' => $parts,
            'register' => $this->register,
            'gateways' => array_values(array_intersect_key($this->gateways, array_flip($gateways ?? [0, 1, 2, 3]))),
            'workers' => $workers,
            'secret' => $this->secret,
            'greets' => true,
            'log' => $this->log(),
        ];
        $process = $this->command($name, $daemon ? ['start', '-d'] : ['start']);
        if ($daemon) {
            proc_close($process);
        } else {
            $this->masters[$name] = $process;
        }
        try {
            Clock::waitUntil(function () use ($name): bool {
                return $this->masterPid($name) > 0;
            }, "for the master $name to start");
        } catch (RuntimeException $late) {
            throw new RuntimeException($late->getMessage() . "\n" . $this->everything());
        }
    }

    /**
     * Waits until so many workers have connected to each of these gateways, all told.
     *
     * @param list<int>|null $gateways
     */
    public function waitForWorkers(int $connected = 2, ?array $gateways = null): void
    {
        foreach ($gateways ?? [0, 1, 2, 3] as $gateway) {
            $this->waitForLines("gateway$gateway +", $connected);
        }
    }

    /**
     * Waits for so many lines with this beginning in the log of events.
     */
    public function waitForLines(string $prefix, int $count): void
    {
        try {
            Clock::waitUntil(function () use ($prefix, $count): bool {
                return count($this->lines($prefix)) >= $count;
            }, "for $count events '$prefix'", 20.0);
        } catch (RuntimeException $late) {
            throw new RuntimeException($late->getMessage() . "\n" . $this->everything());
        }
    }

    /**
     * Runs a command of Workerman against a running master, and waits for its end.
     *
     * @param list<string> $arguments such as ['reload']
     */
    public function run(string $name, array $arguments): int
    {
        return proc_close($this->command($name, $arguments));
    }

    /**
     * Ends a master and all that it forked, by Workerman's own stop.
     */
    public function stop(string $name): void
    {
        $pid = $this->masterPid($name);
        posix_kill($pid, SIGINT);
        $this->waitForEnd($name, $pid);
    }

    /**
     * Waits for the end of a master that is stopping.
     */
    public function waitForEnd(string $name, int $pid): void
    {
        if (isset($this->masters[$name])) {
            $process = $this->masters[$name];
            Clock::waitUntil(static function () use ($process): bool {
                return !proc_get_status($process)['running'];
            }, "for the master $name to stop", 20.0);
            proc_close($process);
            unset($this->masters[$name]);
        } else {
            Clock::waitUntil(static function () use ($pid): bool {
                return !posix_kill($pid, 0);
            }, "for the master $name to stop", 20.0);
        }
    }

    /**
     * The process id of a master; 0 if there is none yet.
     */
    public function masterPid(string $name): int
    {
        return (int) @file_get_contents("{$this->dir}/$name.pid");
    }

    /**
     * The process ids of all BusinessWorkers that have started, in that order.
     *
     * @return list<int>
     */
    public function workerPids(): array
    {
        return array_map('intval', $this->lines('worker '));
    }

    /**
     * The rests of the lines in the log of events that begin with this.
     *
     * @return list<string>
     */
    public function lines(string $prefix): array
    {
        $rests = [];
        foreach ((array) file($this->log(), FILE_IGNORE_NEW_LINES) as $line) {
            if (strncmp((string) $line, $prefix, strlen($prefix)) === 0) {
                $rests[] = substr((string) $line, strlen($prefix));
            }
        }
        return $rests;
    }

    public function text(int $number): TextClient
    {
        return new TextClient(substr($this->gateways[2 * $number]['listen'], strlen('text://')));
    }

    public function websocket(int $number): WebSocketClient
    {
        return new WebSocketClient(substr($this->gateways[2 * $number + 1]['listen'], strlen('websocket://')));
    }

    public function gateways(): array
    {
        $names = [];
        foreach ($this->gateways as $gateway) {
            $names["127.0.0.1:{$gateway['port']}"] = $gateway['name'];
        }
        return $names;
    }

    /**
     * Ends everything at once and removes the files.
     */
    public function destroy(): void
    {
        // A master may be about to fork: repeated until nobody is left.
        Clock::waitUntil(function (): bool {
            $processes = $this->processes();
            foreach ($processes as $pid) {
                posix_kill($pid, SIGKILL);
            }
            return $processes === [];
        }, 'for all processes to end');
        foreach ($this->masters as $process) {
            proc_close($process);
        }
        $this->masters = [];
        array_map('unlink', (array) glob("{$this->dir}/*"));
        rmdir($this->dir);
    }

    /**
     * What all processes have printed and logged: for messages of failing tests.
     */
    public function everything(): string
    {
        $text = '';
        foreach ((array) glob("{$this->dir}/*") as $file) {
            $text .= '--- ' . basename((string) $file) . "\n" . file_get_contents((string) $file);
        }
        return $text;
    }

    /**
     * @param list<string> $arguments
     *
     * @return resource
     */
    private function command(string $name, array $arguments)
    {
        $options = ['-d', 'memory_limit=256M', '-d', 'display_errors=1'];
        if (!$this->native) {
            // Where the extension is in php.ini, it steps aside.
            array_push($options, '-d', 'gatewayworker.enable=0');
        } else {
            $options = array_merge($options, self::extensionOptions());
        }
        $environment = getenv();
        $environment['GATEWAYWORKER_APP'] = (string) json_encode($this->apps[$name]);
        $out = ['file', "{$this->dir}/$name.print", 'a'];
        $process = proc_open(
            array_merge([PHP_BINARY], $options, [__DIR__ . '/app/start.php'], $arguments),
            [['file', '/dev/null', 'r'], $out, $out],
            $pipes,
            null,
            $environment
        );
        if ($process === false) {
            throw new RuntimeException('cannot start ' . PHP_BINARY);
        }
        return $process;
    }

    /**
     * All processes of this application: those that have one of its files open, as what they print
     * goes to one.
     *
     * @return list<int>
     */
    private function processes(): array
    {
        $processes = [];
        foreach ((array) glob('/proc/[0-9]*/fd/1') as $link) {
            if (strncmp((string) @readlink((string) $link), "{$this->dir}/", strlen($this->dir) + 1) === 0) {
                $processes[] = (int) basename(dirname((string) $link, 2));
            }
        }
        return $processes;
    }

    /**
     * The processes that a process has forked.
     *
     * @return list<int>
     */
    public static function children(int $pid): array
    {
        $children = [];
        foreach ((array) glob('/proc/[0-9]*/status') as $file) {
            if (preg_match('/^PPid:\t' . $pid . '$/m', (string) @file_get_contents((string) $file))) {
                $children[] = (int) basename(dirname((string) $file));
            }
        }
        return $children;
    }

    private function log(): string
    {
        return "{$this->dir}/events";
    }
}
