<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use GatewayWorker\Lib\Gateway;
use RuntimeException;

/**
 * A running development gateway: a register and gateways on loopback addresses, with a control
 * connection.
 */
final class Gatewayd
{
    /** @var array<string, self> */
    private static $shared = [];

    /** @var int how many clusters this process has started */
    private static $started = 0;

    /** @var ChildProcess */
    private $process;

    /** @var array<string, mixed> what it said about itself */
    private $info;

    /** @var resource */
    private $control;

    /**
     * @param list<string> $options options of the program
     */
    public function __construct(array $options)
    {
        $program = getenv('GATEWAYD') ?: Implementation::root() . '/target/release/gatewayd';
        if (!is_executable($program)) {
            throw new RuntimeException('The development gateway is not built; `make test` does it, '
                . 'or name it in the environment variable GATEWAYD.');
        }
        $this->process = new ChildProcess(array_merge([$program, '--until-stdin-closes', '--greet'], $options));
        $this->info = json_decode($this->process->readLine(), true);
        $control = stream_socket_client("tcp://{$this->info['control']}", $code, $message, 5.0);
        if ($control === false) {
            throw new RuntimeException("cannot reach the control port of gatewayd: $message");
        }
        stream_set_timeout($control, 15);
        $this->control = $control;
    }

    /**
     * A cluster of the given size, each gateway at an address of its own, on free ports.
     *
     * No other cluster has these hosts: who has not given up on one that has ended, a link with
     * frames or a subscription, goes on connecting to its addresses, and would be a stranger to
     * whoever has got the port since.
     *
     * @param list<string> $options further options of the program
     */
    public static function start(int $gateways = 2, ?string $secret = null, array $options = []): self
    {
        $first = 0x7f000000 | (getmypid() & 0x7ff) << 13 | (++self::$started & 0x3ff) << 3;
        array_push($options, '--register', long2ip($first) . ':0');
        for ($i = 1; $i <= $gateways; $i++) {
            array_push($options, '--gateway', long2ip($first + $i) . ':0');
        }
        if ($secret !== null) {
            array_push($options, '--secret', $secret);
        }
        return new self($options);
    }

    /**
     * A cluster that all tests of the run use in turn; it ends with the run.
     */
    public static function shared(?string $secret = null): self
    {
        $key = (string) $secret;
        if (!isset(self::$shared[$key])) {
            self::$shared[$key] = self::start(2, $secret);
        }
        return self::$shared[$key];
    }

    /**
     * The address of the register.
     */
    public function register(): string
    {
        return $this->info['register'];
    }

    /**
     * The addresses at which gateways take commands and queries.
     *
     * @return list<string>
     */
    public function internalAddresses(): array
    {
        return array_column($this->info['gateways'], 'internal');
    }

    /**
     * The internal address of a gateway.
     */
    public function internal(int $gateway): string
    {
        return $this->info['gateways'][$gateway]['internal'];
    }

    /**
     * Where a gateway takes clients that speak in lines.
     */
    public function text(int $gateway): string
    {
        return $this->info['gateways'][$gateway]['text'];
    }

    /**
     * Where a gateway takes WebSocket clients.
     */
    public function websocket(int $gateway): string
    {
        return $this->info['gateways'][$gateway]['websocket'];
    }

    /**
     * Sends a request to the control port and returns the reply.
     *
     * @param array<string, mixed> $request
     *
     * @return array<string, mixed>
     */
    public function control(array $request): array
    {
        fwrite($this->control, json_encode($request, JSON_THROW_ON_ERROR) . "\n");
        $reply = json_decode((string) fgets($this->control), true);
        if (!is_array($reply) || isset($reply['error'])) {
            throw new RuntimeException('gatewayd replied to ' . json_encode($request) . ' with ' . json_encode($reply));
        }
        return $reply;
    }

    /**
     * What the cluster has counted.
     *
     * @return array<string, mixed>
     */
    public function stats(): array
    {
        return $this->control(['cmd' => 'stats']);
    }

    /**
     * How many frames of a command all gateways have got together.
     */
    public function framesOf(int $command): int
    {
        $sum = 0;
        foreach ($this->stats()['gateways'] as $gateway) {
            $sum += $gateway['frames'][(string) $command] ?? 0;
        }
        return $sum;
    }

    /**
     * How many clients are connected to all gateways together.
     */
    public function clients(): int
    {
        return array_sum(array_column($this->stats()['gateways'], 'clients'));
    }

    /**
     * Sends a request that concerns one gateway.
     *
     * @param array<string, mixed> $more
     *
     * @return array<string, mixed>
     */
    public function gateway(string $command, int $gateway, array $more = []): array
    {
        return $this->control(['cmd' => $command, 'gateway' => $gateway] + $more);
    }

    /**
     * Makes a gateway reply to a query with these bytes, length included; without any, it closes
     * the connection.
     */
    public function reply(int $gateway, int $command, string $bytes, int $times = 1): void
    {
        $this->gateway('reply', $gateway, ['command' => $command, 'hex' => bin2hex($bytes), 'times' => $times]);
    }

    /**
     * Makes a gateway reply to a query with this payload, once.
     */
    public function replyWith(int $gateway, int $command, string $payload): void
    {
        $this->reply($gateway, $command, pack('N', strlen($payload)) . $payload);
    }

    /**
     * Ends the process. Where this one uses the cluster, it waits until that has been noticed and
     * logged: it would do so in the middle of another test.
     */
    public function stop(): void
    {
        fclose($this->control);
        $this->process->stop();
        if (!Implementation::isNative()) {
            return;
        }
        Clock::waitUntil(function (): bool {
            foreach (Gateway::status()['clusters'] as $cluster) {
                if (!$this->isGivenUp($cluster)) {
                    return false;
                }
            }
            return true;
        }, 'for the end of the cluster to be noticed');
        // This takes what was said since the last one to the log.
        Gateway::status();
    }

    /**
     * Whether there is no connection to this cluster, and the last attempt to connect was refused:
     * from then on there is nothing new to be said about it.
     *
     * @param array<string, mixed> $cluster as status() shows it
     */
    private function isGivenUp(array $cluster): bool
    {
        $register = $cluster['register'];
        if ($register !== null && in_array($this->register(), $register['registers'], true)) {
            if ($register['state'] !== 'unused' && strpos((string) $register['last_error'], 'refused') === false) {
                return false;
            }
        }
        foreach ($cluster['gateways'] as $gateway) {
            $isOurs = in_array($gateway['address'], $this->internalAddresses(), true);
            $isUsed = !in_array($gateway['link']['state'], ['unused', 'retired'], true);
            if ($isOurs && $isUsed && strpos((string) $gateway['last_error'], 'refused') === false) {
                return false;
            }
        }
        return true;
    }
}
