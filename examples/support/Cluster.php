<?php

declare(strict_types=1);

namespace GatewayWorker\Demo;

use RuntimeException;

/**
 * A register and two gateways, in one process of the development gateway, on free ports.
 */
final class Cluster
{
    /** @var resource */
    private $process;

    /** @var resource its standard input: it ends when this is closed */
    private $leash;

    /** @var array<string, mixed> what it says about itself */
    private array $info;

    public function __construct()
    {
        $program = getenv('GATEWAYD') ?: dirname(__DIR__, 2) . '/target/release/gatewayd';
        if (!is_executable($program)) {
            throw new RuntimeException('The development gateway is not built: start the demo with `make demo`.');
        }
        $options = ['--until-stdin-closes', '--greet', '--gateway', '127.0.0.1:0', '--gateway', '127.0.0.1:0'];
        $process = proc_open([$program, ...$options], [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);
        if ($process === false) {
            throw new RuntimeException("cannot start $program");
        }
        [$this->leash, $output] = $pipes;
        $this->process = $process;
        $read = [$output];
        $none = [];
        $line = stream_select($read, $none, $none, 10) ? fgets($output) : false;
        $info = json_decode((string) $line, true);
        if (!is_array($info)) {
            throw new RuntimeException("$program did not say where it listens");
        }
        $this->info = $info;
    }

    public function register(): string
    {
        return $this->info['register'];
    }

    /**
     * @return list<string> where commands and queries go
     */
    public function gateways(): array
    {
        return array_column($this->info['gateways'], 'internal');
    }

    /**
     * Connects a client.
     *
     * @param string $protocol `websocket` or `text`
     */
    public function connect(string $protocol, int $gateway): Client
    {
        $address = $this->info['gateways'][$gateway][$protocol];
        return $protocol === 'text' ? new Client($address) : new WebSocketClient($address);
    }

    public function stop(): void
    {
        fclose($this->leash);
        proc_close($this->process);
    }
}
