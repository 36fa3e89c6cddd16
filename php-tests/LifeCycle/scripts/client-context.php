<?php

/**
 * A test double for the Context of GatewayClient, which stays userland.
 */

declare(strict_types=1);

namespace GatewayClient;

class Context
{
    /** @var string|null */
    public static $client_id;

    /** @var int|null */
    public static $local_ip;

    /** @var int|null */
    public static $local_port;

    /** @var int|null */
    public static $client_ip;

    /** @var int|null */
    public static $client_port;

    /** @var int|null */
    public static $connection_id;

    /** @var mixed */
    public static $old_session;
}
