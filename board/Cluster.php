<?php

declare(strict_types=1);

namespace GatewayWorker\Board;

use RuntimeException;

/**
 * A register and gateways, in one process of the development gateway, on free ports. It ends with
 * this process.
 */
final class Cluster
{
    /** @var resource */
    private $process;

    /** @var resource its standard input: it ends when this is closed */
    private $leash;

    /** @var array<string, mixed> what it says about itself */
    public readonly array $info;

    public function __construct(int $gateways)
    {
        $program = getenv('GATEWAYD') ?: dirname(__DIR__) . '/target/release/gatewayd';
        if (!is_executable($program)) {
            throw new RuntimeException('the development gateway is not built; `make board` builds it');
        }
        $command = [$program, '--until-stdin-closes', '--greet'];
        for ($i = 0; $i < $gateways; $i++) {
            array_push($command, '--gateway', '127.0.0.1:0');
        }
        $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);
        if ($process === false) {
            throw new RuntimeException("cannot start $program");
        }
        $this->process = $process;
        [$this->leash, $output] = $pipes;
        $read = [$output];
        $none = [];
        $line = @stream_select($read, $none, $none, 10) ? fgets($output) : false;
        $info = json_decode((string) $line, true);
        if (!is_array($info)) {
            $this->stop();
            throw new RuntimeException("$program did not say where it listens");
        }
        $this->info = $info;
    }

    public function stop(): void
    {
        fclose($this->leash);
        proc_close($this->process);
    }
}
