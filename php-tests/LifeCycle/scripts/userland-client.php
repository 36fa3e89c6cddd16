<?php

/**
 * A userland class of the name of ours, as projects require it by hand.
 */

declare(strict_types=1);

namespace GatewayClient;

class Gateway
{
    public static function hello(): string
    {
        return 'userland client';
    }
}
