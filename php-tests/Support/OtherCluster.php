<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use GatewayWorker\Lib\Gateway;

/**
 * Has its own register, secret and worker.
 */
class OtherCluster extends Gateway
{
    public static $registerAddress = 'nowhere:1';
    public static $secretKey = '';
    public static $addressesCacheDisable = false;
    protected static $businessWorker = null;
}
