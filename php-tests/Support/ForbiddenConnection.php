<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use LogicException;

/**
 * A connection object of a BusinessWorker that the extension may see and must not use.
 */
final class ForbiddenConnection
{
    /** @var string */
    private $address;

    public function __construct(string $address)
    {
        $this->address = $address;
    }

    /**
     * @param string       $method
     * @param array<mixed> $arguments
     *
     * @return never
     */
    public function __call($method, $arguments)
    {
        throw new LogicException("$method() was called on the worker's connection to {$this->address}");
    }

    /**
     * @param mixed $data
     * @param bool  $raw
     *
     * @return never
     */
    public function send($data, $raw = false)
    {
        throw new LogicException("the worker's connection to {$this->address} was written to");
    }
}
