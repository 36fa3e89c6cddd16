<?php

declare(strict_types=1);

namespace GatewayWorker\Board;

use RuntimeException;

/**
 * A request that is not carried out: the HTTP status, and why, in words for whoever looks at the
 * page.
 */
final class Refusal extends RuntimeException
{
    public function __construct(int $status, string $why)
    {
        parent::__construct($why, $status);
    }
}
