<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

/**
 * A stand-in for a BusinessWorker: it knows gateways, and its connections to them must not be
 * touched.
 */
final class WorkerStub
{
    /** @var array<string, object> */
    public $gatewayConnections = [];

    /** @var array<string, string> */
    private $addresses;

    /**
     * @param list<string>      $connected the gateways to which there is a connection
     * @param list<string>|null $known     all gateways that the worker knows of, if they differ
     */
    public function __construct(array $connected, ?array $known = null)
    {
        foreach ($connected as $address) {
            $this->gatewayConnections[$address] = Implementation::isNative()
                ? new ForbiddenConnection($address)
                : new OriginalConnection($address);
        }
        $this->know($known ?? $connected);
    }

    /**
     * Has the worker know of these gateways and no others.
     *
     * @param list<string> $addresses
     */
    public function know(array $addresses): void
    {
        $this->addresses = array_combine($addresses, $addresses);
    }

    /**
     * All gateways that the worker knows of.
     *
     * @return array<string, string>
     */
    public function getAllGatewayAddresses(): array
    {
        return $this->addresses;
    }
}
