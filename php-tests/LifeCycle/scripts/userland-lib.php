<?php

/**
 * A userland class of the name of ours, as Composer would load the original.
 */

declare(strict_types=1);

namespace GatewayWorker\Lib;

class Gateway
{
    public static function hello(): string
    {
        return 'userland';
    }
}
