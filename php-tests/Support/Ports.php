<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * Ports for programs that need one in their configuration.
 */
final class Ports
{
    /** Below the ports that Linux, macOS and the BSDs hand out by themselves. */
    private const FIRST = 10000;
    private const COUNT = 20000;

    /** @var int|null where to look next */
    private static $next;

    /**
     * Ports of 127.0.0.1 without a listener, which the system assigns to nobody by itself:
     * neither to a connection that is made meanwhile, nor to a program that asks for any port. Each
     * is handed out once.
     *
     * @return list<int>
     */
    public static function free(int $count): array
    {
        // Processes begin far from each other.
        self::$next = self::$next ?? getmypid() * 997 % self::COUNT;
        $ports = [];
        for ($tries = 0; count($ports) < $count; $tries++) {
            if ($tries > self::COUNT) {
                throw new RuntimeException('no port is free');
            }
            $port = self::FIRST + self::$next++ % self::COUNT;
            $listener = @stream_socket_server("tcp://127.0.0.1:$port");
            if ($listener !== false) {
                fclose($listener);
                $ports[] = $port;
            }
        }
        return $ports;
    }
}
