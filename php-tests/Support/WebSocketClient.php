<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * A WebSocket client, as far as RFC 6455 is needed here: text, binary, ping, close, fragments, any
 * length.
 */
final class WebSocketClient extends Client
{
    private const CONTINUATION = 0;
    private const TEXT = 1;
    private const BINARY = 2;
    private const CLOSE = 8;
    private const PING = 9;
    private const PONG = 10;

    /** @var string */
    private $fragments = '';

    public function send(string $message): void
    {
        $this->sendFrame(self::TEXT, $message);
    }

    /**
     * Sends a binary message to the gateway.
     */
    public function sendBinary(string $message): void
    {
        $this->sendFrame(self::BINARY, $message);
    }

    protected function open(string $address): void
    {
        $key = base64_encode(random_bytes(16));
        $this->write("GET / HTTP/1.1\r\nHost: $address\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            . "Sec-WebSocket-Key: $key\r\nSec-WebSocket-Version: 13\r\n\r\n");
        $deadline = Clock::in(10.0);
        while (($end = strpos($this->buffer, "\r\n\r\n")) === false) {
            if ($this->isClosed() || !$this->fill($deadline)) {
                throw new RuntimeException("no WebSocket handshake from $address: {$this->buffer}");
            }
        }
        $reply = substr($this->buffer, 0, $end + 2);
        $this->buffer = substr($this->buffer, $end + 4);
        $accept = base64_encode(sha1($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11', true));
        if (
            !preg_match('~^HTTP/1\.1 101 ~', $reply)
            || !preg_match('~^Sec-WebSocket-Accept: *' . preg_quote($accept, '~') . '\r$~im', $reply)
        ) {
            throw new RuntimeException("$address refuses the WebSocket handshake: $reply");
        }
    }

    protected function takeMessage(): ?string
    {
        while (($frame = $this->takeFrame()) !== null) {
            [$final, $opcode, $payload] = $frame;
            if ($opcode === self::PING) {
                $this->sendFrame(self::PONG, $payload);
            } elseif ($opcode === self::CLOSE) {
                $this->end();
                return null;
            } elseif ($opcode <= self::BINARY) {
                $this->fragments = $opcode === self::CONTINUATION ? $this->fragments . $payload : $payload;
                if ($final) {
                    return $this->fragments;
                }
            }
        }
        return null;
    }

    /**
     * @return array{bool, int, string}|null
     */
    private function takeFrame(): ?array
    {
        if (strlen($this->buffer) < 2) {
            return null;
        }
        [$first, $length] = array_values(unpack('C2', $this->buffer));
        $head = 2;
        if ($length >= 126) {
            $head = $length === 126 ? 4 : 10;
            if (strlen($this->buffer) < $head) {
                return null;
            }
            $length = unpack($length === 126 ? 'n' : 'J', $this->buffer, 2)[1];
        }
        if (strlen($this->buffer) < $head + $length) {
            return null;
        }
        $payload = substr($this->buffer, $head, $length);
        $this->buffer = substr($this->buffer, $head + $length);
        return [($first & 0x80) !== 0, $first & 0x0f, $payload];
    }

    private function sendFrame(int $opcode, string $payload): void
    {
        $length = strlen($payload);
        if ($length < 126) {
            $head = pack('CC', 0x80 | $opcode, 0x80 | $length);
        } elseif ($length < 65536) {
            $head = pack('CCn', 0x80 | $opcode, 0xfe, $length);
        } else {
            $head = pack('CCJ', 0x80 | $opcode, 0xff, $length);
        }
        $mask = random_bytes(4);
        $this->write($head . $mask . ($payload ^ str_repeat($mask, intdiv($length, 4) + 1)));
    }
}
