<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

/**
 * The class under test, and the gateways that it may send to: all that the register lists, or, as
 * in a BusinessWorker, those that are connected.
 */
final class Subject
{
    /** @var class-string */
    public readonly string $class;

    /** Whether the gateways are those of a BusinessWorker. */
    public readonly bool $worker;

    /** @var list<string> the internal addresses */
    public readonly array $gateways;

    /** @var list<int> the gateways that are connected, in worker mode */
    private array $connected = [];

    private ?BusinessWorker $businessWorker = null;

    /**
     * @param array<string, mixed> $config
     */
    public function __construct(array $config, int $connectTimeout)
    {
        $this->class = $config['class'];
        $this->worker = $config['worker'];
        $this->gateways = $config['gateways'];
        $this->class::$registerAddress = $config['register'];
        $this->class::$secretKey = $config['secret'];
        $this->class::$connectTimeout = $connectTimeout;
        $this->connectAll();
    }

    /**
     * The gateways that a message to all goes to.
     *
     * @return list<int>
     */
    public function targets(): array
    {
        return $this->worker ? $this->connected : array_keys($this->gateways);
    }

    /**
     * In worker mode: the BusinessWorker is connected to every gateway.
     */
    public function connectAll(): void
    {
        $this->connect(array_keys($this->gateways));
    }

    /**
     * In worker mode: the BusinessWorker has lost the guest.
     */
    public function loseGuest(): void
    {
        $this->connect(array_diff(array_keys($this->gateways), [Cluster::GUEST]));
    }

    /**
     * @param array<int, int> $gateways
     */
    private function connect(array $gateways): void
    {
        if (!$this->worker) {
            return;
        }
        $this->connected = array_values($gateways);
        $connected = array_map(fn (int $gateway): string => $this->gateways[$gateway], $this->connected);
        if ($this->businessWorker === null) {
            $this->businessWorker = new BusinessWorker($this->gateways);
            $this->class::setBusinessWorker($this->businessWorker);
        }
        $this->businessWorker->connect($connected);
    }
}
