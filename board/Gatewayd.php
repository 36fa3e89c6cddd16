<?php

declare(strict_types=1);

namespace GatewayWorker\Board;

use RuntimeException;

/**
 * The gateways from the other side: what the development gateway says about them, and how it is
 * told to disturb them.
 */
final class Gatewayd
{
    /**
     * What can be done to a gateway, and the requests of the control protocol that do it.
     *
     * A gateway that crashed stays on the register's list, one that is stopped goes off it. Both
     * come back with all their clients gone, and reading.
     */
    private const ORDERS = [
        'pause' => [['pause_gateway', ['paused' => true]]],
        'resume' => [['pause_gateway', ['paused' => false]]],
        'stop' => [['stop_gateway', []]],
        'crash' => [['stop_gateway', []], ['add_address', []]],
        'start' => [['pause_gateway', ['paused' => false]], ['start_gateway', []]],
    ];

    /** @var resource|null */
    private $connection;

    /**
     * @param string                               $address  the control port
     * @param list<array<string, string>>          $gateways their addresses
     * @param string                               $notes    a file: the control protocol does not tell who is paused
     */
    public function __construct(
        private readonly string $address,
        private readonly array $gateways,
        private readonly string $notes
    ) {
    }

    /**
     * The gateways: their addresses, whether they run, whether they are paused, how many clients
     * they have.
     *
     * @return list<array{address: string, websocket: string, alive: bool, paused: bool, clients: int}>
     *
     * @throws RuntimeException if there is no reply
     */
    public function gateways(): array
    {
        $stats = $this->request(['cmd' => 'stats'])['gateways'];
        $paused = $this->paused();
        $list = [];
        foreach ($this->gateways as $index => $gateway) {
            $list[] = [
                'address' => $gateway['internal'],
                'websocket' => $gateway['websocket'],
                'alive' => $stats[$index]['alive'],
                'paused' => in_array($index, $paused, true),
                'clients' => $stats[$index]['clients'],
            ];
        }
        return $list;
    }

    /**
     * Disturbs a gateway, or ends that.
     *
     * @throws Refusal          where there is no such gateway or order
     * @throws RuntimeException if there is no reply
     */
    public function order(mixed $gateway, mixed $order): void
    {
        if (!is_int($gateway) || !isset($this->gateways[$gateway]) || !is_string($order) || !isset(self::ORDERS[$order])) {
            throw new Refusal(400, 'There is no such gateway, or nothing of that kind can be done to it.');
        }
        foreach (self::ORDERS[$order] as [$command, $more]) {
            $this->request(['cmd' => $command, 'gateway' => $gateway] + $more);
        }
        $paused = array_diff($this->paused(), [$gateway]);
        if ($order === 'pause') {
            $paused[] = $gateway;
        }
        file_put_contents($this->notes, json_encode(array_values($paused)));
    }

    /**
     * @return list<int>
     */
    private function paused(): array
    {
        return json_decode((string) file_get_contents($this->notes), true) ?? [];
    }

    /**
     * @param array<string, mixed> $request
     *
     * @return array<string, mixed>
     */
    private function request(array $request): array
    {
        if ($this->connection === null) {
            $connection = @stream_socket_client("tcp://{$this->address}", $code, $message, 2.0);
            if ($connection === false) {
                throw new RuntimeException("gatewayd cannot be reached ($message): start the board again");
            }
            stream_set_timeout($connection, 2);
            $this->connection = $connection;
        }
        fwrite($this->connection, json_encode($request, JSON_THROW_ON_ERROR) . "\n");
        $reply = json_decode((string) fgets($this->connection), true);
        if (!is_array($reply) || isset($reply['error'])) {
            throw new RuntimeException('gatewayd says: ' . ($reply['error'] ?? 'nothing'));
        }
        return $reply;
    }
}
