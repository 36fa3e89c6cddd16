<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use RuntimeException;

/**
 * What the callers talk to: four gateways and a register, each a gatewayd of its own that can be
 * killed and stopped, all of them behind one proxy.
 */
final class Cluster
{
    public const GATEWAYS = 4;

    /** The gateway that leaves the register's list now and then; the others never do. */
    public const GUEST = 3;

    public const SECRET = 'soak';

    /** @var array<int, Process> the gateways */
    public array $gateways = [];

    public Process $register;

    public readonly Process $proxy;

    /** @var list<array{internal: string, text: string, websocket: string}> */
    private array $addresses = [];

    /** @var array<int, resource|null> control connections to the gateways */
    private array $controls = [];

    /** @var resource|null */
    private $registerControl;

    /** @var list<string> where the relays of the proxy listen; the last one is the register's */
    private array $relays;

    private bool $guestListed = true;

    /**
     * @param int    $clients   how many clients each gateway has
     * @param string $directory where what the processes say is kept
     */
    public function __construct(int $clients, private readonly string $directory)
    {
        for ($gateway = 0; $gateway < self::GATEWAYS; $gateway++) {
            $this->startGateway($gateway);
        }
        $register = $this->startRegister();
        $this->proxy = new Process([self::program('SOAKPROXY', 'soakproxy')], "$directory/soakproxy.log");
        $this->proxy->write([
            'gateways' => array_map(static fn (array $addresses): array => [
                'internal' => $addresses['internal'],
                'text' => $addresses['text'],
            ], $this->addresses),
            'register' => $register,
            'clients' => $clients,
        ]);
        $this->relays = $this->proxy->read()['relays'];
    }

    /**
     * The addresses of the gateways, as they stand in client ids.
     *
     * @return list<string>
     */
    public function addresses(): array
    {
        return array_column($this->addresses, 'internal');
    }

    /**
     * Where the callers find the register.
     */
    public function registerAddress(): string
    {
        return $this->relays[self::GATEWAYS];
    }

    /**
     * The setting by which the callers reach the gateways through the proxy.
     */
    public function addressMap(): string
    {
        $pairs = [];
        foreach ($this->addresses() as $gateway => $address) {
            $pairs[] = "$address={$this->relays[$gateway]}";
        }
        return implode(',', $pairs);
    }

    /**
     * The ids of the clients that are connected, by gateway.
     *
     * @return list<list<string>>
     */
    public function clients(): array
    {
        return $this->proxy->request(['cmd' => 'clients'])['ids'];
    }

    /**
     * Starts a gateway, at the addresses it had before.
     */
    public function startGateway(int $gateway): void
    {
        $known = $this->addresses[$gateway] ?? null;
        $host = '127.0.0.' . ($gateway + 1);
        $options = ['--no-register', '--greet', '--secret', self::SECRET, '--gateway', $known['internal'] ?? "$host:0"];
        if ($known !== null) {
            array_push($options, '--text-port', explode(':', $known['text'])[1]);
        }
        $this->gateways[$gateway] = $this->gatewayd($options, "gateway$gateway");
        $info = $this->gateways[$gateway]->read();
        $this->addresses[$gateway] = $info['gateways'][0];
        $this->controls[$gateway] = self::connect($info['control']);
    }

    /**
     * Kills a gateway.
     */
    public function killGateway(int $gateway): void
    {
        $this->gateways[$gateway]->kill();
        $this->controls[$gateway] = null;
    }

    /**
     * Sends a gateway a request of the control protocol. It must not be stopped.
     *
     * @param array<string, mixed> $request
     */
    public function control(int $gateway, array $request): void
    {
        self::request($this->controls[$gateway], $request + ['gateway' => 0]);
    }

    /**
     * Sends the proxy a request about the relay of a gateway, or of the register.
     *
     * @param array<string, mixed> $more
     */
    public function relay(string $command, int $relay, array $more = []): void
    {
        $this->proxy->request(['cmd' => $command, 'relay' => $relay] + $more);
    }

    /**
     * Kills the register. Callers find nobody until a new one knows all gateways.
     */
    public function killRegister(): void
    {
        $this->relay('upstream', self::GATEWAYS, ['address' => null]);
        $this->register->kill();
    }

    /**
     * Puts a new register in the place of one that was killed.
     */
    public function replaceRegister(): void
    {
        $this->relay('upstream', self::GATEWAYS, ['address' => $this->startRegister()]);
    }

    /**
     * Puts the guest on the register's list, or takes it off.
     */
    public function listGuest(bool $listed): void
    {
        $this->guestListed = $listed;
        $this->list($this->addresses()[self::GUEST], $listed);
    }

    /**
     * Everything that the ledger says.
     *
     * @return array<string, mixed>
     */
    public function ledger(): array
    {
        return $this->proxy->request(['cmd' => 'ledger']);
    }

    public function stop(): void
    {
        foreach ([...$this->gateways, $this->register, $this->proxy] as $process) {
            $process->signal(SIGCONT);
            $process->kill();
        }
    }

    private function startRegister(): string
    {
        $this->register = $this->gatewayd(['--register-only', '--secret', self::SECRET], 'register');
        $info = $this->register->read();
        $this->registerControl = self::connect($info['control']);
        foreach ($this->addresses() as $gateway => $address) {
            if ($gateway !== self::GUEST || $this->guestListed) {
                $this->list($address, true);
            }
        }
        return $info['register'];
    }

    private function list(string $address, bool $listed): void
    {
        self::request($this->registerControl, [
            'cmd' => $listed ? 'add_address' : 'remove_address',
            'address' => $address,
        ]);
    }

    /**
     * @param list<string> $options
     */
    private function gatewayd(array $options, string $name): Process
    {
        $command = [self::program('GATEWAYD', 'gatewayd'), '--until-stdin-closes', ...$options];
        return new Process($command, "{$this->directory}/$name.log");
    }

    private static function program(string $variable, string $name): string
    {
        $program = getenv($variable) ?: dirname(__DIR__) . "/target/release/$name";
        if (!is_executable($program)) {
            throw new RuntimeException("$program is not built; `make soak` does it, or name it in $variable.");
        }
        return $program;
    }

    /**
     * @return resource
     */
    private static function connect(string $address)
    {
        $control = stream_socket_client("tcp://$address", $code, $message, 5.0);
        if ($control === false) {
            throw new RuntimeException("cannot reach the control port of gatewayd: $message");
        }
        stream_set_timeout($control, 15);
        return $control;
    }

    /**
     * @param resource|null        $control
     * @param array<string, mixed> $request
     */
    private static function request($control, array $request): void
    {
        if ($control === null) {
            throw new RuntimeException(json_encode($request) . ' is for a process that is not there');
        }
        fwrite($control, json_encode($request, JSON_THROW_ON_ERROR) . "\n");
        $reply = json_decode((string) fgets($control), true);
        if (!is_array($reply) || isset($reply['error'])) {
            throw new RuntimeException('gatewayd replied to ' . json_encode($request) . ' with ' . json_encode($reply));
        }
    }
}
