<?php

declare(strict_types=1);

namespace GatewayWorker\Lib;

/**
 * A test double for the Context of GatewayWorker, which stays userland: it only holds whose event
 * is being handled.
 */
class Context
{
    /** @var string|null the client whose event is being handled */
    public static $client_id;

    /** @var int|null address of its gateway, as a number */
    public static $local_ip;

    /** @var int|null internal port of its gateway */
    public static $local_port;

    /** @var int|null address of the client, as a number */
    public static $client_ip;

    /** @var int|null port of the client */
    public static $client_port;

    /** @var int|null number of its connection within the gateway */
    public static $connection_id;

    /** @var mixed the session as it was before the event */
    public static $old_session;

    /**
     * Forgets the client.
     */
    public static function clear(): void
    {
        foreach (array_keys(get_class_vars(self::class)) as $name) {
            self::$$name = null;
        }
    }
}
