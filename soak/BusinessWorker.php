<?php

declare(strict_types=1);

namespace GatewayWorker\Soak;

use stdClass;

/**
 * As much of a BusinessWorker as the class looks at: to which gateways it is connected, and of
 * which it knows.
 */
final class BusinessWorker
{
    /** @var array<string, stdClass> */
    public array $gatewayConnections = [];

    /**
     * @param list<string> $known
     */
    public function __construct(private readonly array $known)
    {
    }

    /**
     * @param list<string> $gateways
     */
    public function connect(array $gateways): void
    {
        $this->gatewayConnections = array_fill_keys($gateways, new stdClass());
    }

    /**
     * @return array<string, string>
     */
    public function getAllGatewayAddresses(): array
    {
        return array_combine($this->known, $this->known);
    }
}
