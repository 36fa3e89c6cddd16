<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use GatewayWorker\Lib\Gateway;
use RuntimeException;

/**
 * A worker's connection that really sends, for holding the tests against the original, which does
 * write to it.
 *
 * By default it waits until the gateway has seen what was sent; the original does not, and a query
 * of it may be replied to before the command that was issued first.
 */
final class OriginalConnection
{
    /** @var bool whether to wait until the gateway has seen what was sent */
    public static $ordered = true;

    /** @var string */
    private $address;

    /** @var resource|null */
    private $stream;

    public function __construct(string $address)
    {
        $this->address = $address;
    }

    /**
     * Sends a frame, or the fields of one.
     *
     * @param string|array<string, mixed> $data
     */
    public function send($data, bool $raw = false): bool
    {
        if (!$raw) {
            $data = \GatewayWorker\Protocols\GatewayProtocol::encode($data);
        }
        $head = '';
        if ($this->stream === null) {
            $this->stream = stream_socket_client("tcp://{$this->address}") ?: null;
            $head = self::frame(202, (string) json_encode(['secret_key' => Gateway::$secretKey]));
        }
        if ($this->stream === null) {
            throw new RuntimeException("cannot connect to {$this->address}");
        }
        fwrite($this->stream, $head . $data);
        if (self::$ordered) {
            fwrite($this->stream, self::frame(11, ''));
            fread($this->stream, 8);
        }
        return true;
    }

    private static function frame(int $command, string $body): string
    {
        return pack('NCNnNnNCnN', 28 + strlen($body), $command, 0, 0, 0, 0, 0, 1, 0, 0) . $body;
    }
}
