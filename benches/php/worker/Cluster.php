<?php

declare(strict_types=1);

namespace GatewayWorker\Bench;

use GatewayWorker\Tests\Support\ChildProcess;
use GatewayWorker\Tests\Support\Gatewayd;
use GatewayWorker\Tests\Support\Ports;
use RuntimeException;

/**
 * A cluster with one worker: the real GatewayWorker, or gatewayd with the minimal worker of the tests.
 */
final class Cluster
{
    /** @var list<string> the text ports of the gateways */
    public $text = [];

    /** @var string */
    public $register;

    /** @var string */
    private $directory;

    /** @var resource|null the master of the real one */
    private $master;

    /** @var Gatewayd|null */
    private $gatewayd;

    /** @var ChildProcess|null the worker behind gatewayd */
    private $worker;

    /**
     * @param list<string> $pin      what to put in front of each command: taskset, or nothing
     * @param list<string> $php      PHP with its options
     * @param string|null  $autoload loads GatewayWorker; gatewayd takes its place where there is none
     */
    public function __construct(int $gateways, array $pin, array $php, ?string $autoload)
    {
        $this->directory = sys_get_temp_dir() . '/gatewayworker-bench-' . getmypid() . '-' . bin2hex(random_bytes(4));
        mkdir($this->directory);
        if ($autoload !== null) {
            $this->startReal($gateways, array_merge($pin, $php), $autoload);
        } else {
            $this->startOwn($gateways, array_merge($pin, $php));
        }
        $this->waitForWorker();
    }

    /** What the worker replies to a message of a client of this gateway; null where nothing comes. */
    public function ask(string $message, int $gateway = 0): ?string
    {
        $stream = @stream_socket_client("tcp://{$this->text[$gateway]}", $code, $error, 1.0);
        if ($stream === false) {
            return null;
        }
        stream_set_timeout($stream, 1);
        fwrite($stream, "$message\n");
        do {
            $line = fgets($stream);
            // The greeting of gatewayd, and what sendToAll sends to everybody.
        } while ($line !== false && ($line[0] === '{' || $line === "message\n"));
        return $line === false ? null : trim($line);
    }

    public function stop(): void
    {
        if ($this->master !== null) {
            foreach ($this->processes() as $pid) {
                posix_kill($pid, SIGKILL);
            }
            proc_close($this->master);
        }
        if ($this->worker !== null) {
            $this->worker->stop();
        }
        if ($this->gatewayd !== null) {
            $this->gatewayd->stop();
        }
        array_map('unlink', array_filter((array) glob("{$this->directory}/*"), 'is_file'));
        @rmdir($this->directory);
    }

    /** @param list<string> $php */
    private function startReal(int $gateways, array $php, string $autoload): void
    {
        $ports = Ports::free(1 + 2 * $gateways);
        $this->register = '127.0.0.1:' . array_pop($ports);
        $listen = [];
        for ($i = 0; $i < $gateways; $i++) {
            $listen[] = ['text' => array_pop($ports), 'start' => array_pop($ports)];
            $this->text[] = "127.0.0.1:{$listen[$i]['text']}";
        }
        $environment = getenv();
        $environment['GATEWAYWORKER_BENCH'] = json_encode([
            'autoload' => $autoload,
            'dir' => $this->directory,
            'register' => $this->register,
            'gateways' => $listen,
        ]);
        $output = ['file', "{$this->directory}/print", 'a'];
        $command = array_merge($php, [__DIR__ . '/start.php', 'start']);
        $process = proc_open($command, [['file', '/dev/null', 'r'], $output, $output], $pipes, null, $environment);
        if ($process === false) {
            throw new RuntimeException('cannot start ' . implode(' ', $command));
        }
        $this->master = $process;
    }

    /** @param list<string> $php */
    private function startOwn(int $gateways, array $php): void
    {
        $options = [];
        for ($i = 0; $i < $gateways; $i++) {
            array_push($options, '--gateway', '127.0.0.1:0');
        }
        $this->gatewayd = new Gatewayd($options);
        $this->register = $this->gatewayd->register();
        for ($i = 0; $i < $gateways; $i++) {
            $this->text[] = $this->gatewayd->text($i);
        }
        $config = ['register' => $this->register, 'secret' => '', 'key' => 'bench:0', 'gateways' => $gateways];
        $config['events'] = ['file' => __DIR__ . '/Events.php', 'class' => Events::class];
        $script = dirname(__DIR__, 3) . '/php-tests/Worker/app/worker.php';
        $this->worker = new ChildProcess(array_merge($php, [$script, (string) json_encode($config)]));
        $this->worker->readLine();
    }

    /** Until the worker replies through each gateway. */
    private function waitForWorker(): void
    {
        foreach (array_keys($this->text) as $gateway) {
            for ($tries = 0; $this->ask('class', $gateway) === null; $tries++) {
                if ($tries === 100) {
                    $printed = (string) @file_get_contents("{$this->directory}/print");
                    throw new RuntimeException("the worker does not reply through gateway $gateway
$printed");
                }
                usleep(100_000);
            }
        }
    }

    /**
     * The processes of a real cluster: what they print goes to one of its files.
     *
     * @return list<int>
     */
    private function processes(): array
    {
        $found = [];
        foreach ((array) glob('/proc/[0-9]*/fd/1') as $link) {
            if (@readlink((string) $link) === "{$this->directory}/print") {
                $found[] = (int) basename(dirname((string) $link, 2));
            }
        }
        return $found;
    }
}
