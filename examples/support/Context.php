<?php

declare(strict_types=1);

namespace GatewayWorker\Lib;

/**
 * Which client the running callback is about. GatewayWorker brings this class along and sets it
 * before it calls Events::onMessage(); the demo has no BusinessWorker and does it itself.
 */
class Context
{
    public static $local_ip;
    public static $local_port;
    public static $client_ip;
    public static $client_port;
    public static $client_id;
    public static $connection_id;
    public static $old_session;

    public static function enter(string $client_id): void
    {
        $numbers = unpack('Nip/nport/Nconnection', (string) hex2bin($client_id));
        self::$client_id = $client_id;
        self::$local_ip = $numbers['ip'];
        self::$local_port = $numbers['port'];
        self::$connection_id = $numbers['connection'];
    }

    public static function clear(): void
    {
        self::$client_id = self::$local_ip = self::$local_port = self::$connection_id = self::$old_session = null;
    }
}
