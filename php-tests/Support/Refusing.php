<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use DomainException;

/**
 * An object that throws when it is to become a string or bytes.
 */
final class Refusing
{
    public function __toString(): string
    {
        throw new DomainException('no string of me');
    }

    /**
     * @return array<string, mixed>
     */
    public function __serialize(): array
    {
        throw new DomainException('no bytes of me');
    }
}
