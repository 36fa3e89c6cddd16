<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use GatewayWorker\Lib\Gateway;

/**
 * Overrides without types, as subclasses of the original do.
 */
class PoliteGateway extends Gateway
{
    use Macros;

    /** @var list<string> */
    public static $closed = [];

    public static function closeClient($client_id, $message = null)
    {
        self::$closed[] = $client_id;
        return parent::closeClient($client_id, $message ?? 'bye');
    }

    public static function closeCurrentClient($message = null)
    {
        return parent::closeCurrentClient("current: $message");
    }
}
