<?php

declare(strict_types=1);

namespace GatewayWorker\Demo;

use RuntimeException;

/**
 * A live client that speaks WebSocket, as far as the demo needs it: unfragmented messages from the
 * gateway.
 */
final class WebSocketClient extends Client
{
    private const CLOSE = 8;

    protected function open(string $address): void
    {
        $key = base64_encode(random_bytes(16));
        $this->write("GET / HTTP/1.1\r\nHost: $address\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            . "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: $key\r\n\r\n");
        while (($end = strpos($this->buffer, "\r\n\r\n")) === false && !$this->closed) {
            $this->wait();
        }
        if (strncmp($this->buffer, 'HTTP/1.1 101 ', 13) !== 0) {
            throw new RuntimeException("$address refused the WebSocket handshake");
        }
        $this->buffer = substr($this->buffer, $end + 4);
    }

    protected function take(): ?string
    {
        if (strlen($this->buffer) < 2) {
            return null;
        }
        $opcode = ord($this->buffer[0]) & 15;
        $length = ord($this->buffer[1]);
        $head = match ($length) {
            126 => 4,
            127 => 10,
            default => 2,
        };
        if (strlen($this->buffer) < $head) {
            return null;
        }
        if ($head > 2) {
            $length = unpack($head === 4 ? 'n' : 'J', $this->buffer, 2)[1];
        }
        if (strlen($this->buffer) < $head + $length) {
            return null;
        }
        $message = substr($this->buffer, $head, $length);
        $this->buffer = substr($this->buffer, $head + $length);
        if ($opcode === self::CLOSE) {
            $this->closed = true;
            return null;
        }
        return $message;
    }
}
