<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * A FastCGI client that keeps its connection: a web server's side of php-fpm.
 */
final class FastCgi
{
    private const BEGIN_REQUEST = 1;
    private const END_REQUEST = 3;
    private const PARAMS = 4;
    private const STDIN = 5;
    private const STDOUT = 6;
    private const STDERR = 7;
    private const RESPONDER = 1;
    private const KEEP_CONNECTION = 1;

    /** @var string */
    private $socket;

    /** @var resource|null */
    private $stream;

    /** @var string */
    private $buffer = '';

    /** @var string what PHP wrote to the error stream of the last request */
    public $errors = '';

    /** @var string the head of the last response */
    public $head = '';

    /**
     * @param string $socket file of a Unix socket
     */
    public function __construct(string $socket)
    {
        $this->socket = $socket;
    }

    /**
     * Runs a script and returns what it printed.
     *
     * @param array<string, scalar> $query
     */
    public function get(string $script, array $query = [], float $timeout = 20.0): string
    {
        $deadline = Clock::in($timeout);
        $text = http_build_query($query);
        $this->send(
            self::record(self::BEGIN_REQUEST, pack('nCx5', self::RESPONDER, self::KEEP_CONNECTION))
            . self::record(self::PARAMS, self::pairs([
                'GATEWAY_INTERFACE' => 'CGI/1.1',
                'SERVER_PROTOCOL' => 'HTTP/1.1',
                'REQUEST_METHOD' => 'GET',
                'SCRIPT_FILENAME' => $script,
                'SCRIPT_NAME' => '/' . basename($script),
                'REQUEST_URI' => '/' . basename($script) . "?$text",
                'QUERY_STRING' => $text,
            ]))
            . self::record(self::PARAMS, '')
            . self::record(self::STDIN, '')
        );
        $output = $this->errors = '';
        while (true) {
            [$type, $content] = $this->receive($deadline);
            if ($type === self::STDOUT) {
                $output .= $content;
            } elseif ($type === self::STDERR) {
                $this->errors .= $content;
            } elseif ($type === self::END_REQUEST) {
                [$this->head, $body] = explode("\r\n\r\n", $output, 2) + [1 => ''];
                return $body;
            }
        }
    }

    /**
     * Closes the connection; the next request opens another.
     */
    public function close(): void
    {
        if ($this->stream !== null) {
            fclose($this->stream);
            $this->stream = null;
            $this->buffer = '';
        }
    }

    private function send(string $bytes): void
    {
        if ($this->stream === null) {
            $stream = stream_socket_client("unix://{$this->socket}", $code, $message, 5.0);
            if ($stream === false) {
                throw new RuntimeException("cannot connect to php-fpm: $message");
            }
            stream_set_blocking($stream, true);
            $this->stream = $stream;
        }
        if (fwrite($this->stream, $bytes) !== strlen($bytes)) {
            throw new RuntimeException('php-fpm takes no request');
        }
    }

    /**
     * @return array{int, string}
     */
    private function receive(float $deadline): array
    {
        $head = unpack('Cversion/Ctype/nrequest/nlength/Cpadding', $this->take(8, $deadline));
        $content = $this->take($head['length'] + $head['padding'], $deadline);
        return [$head['type'], substr($content, 0, $head['length'])];
    }

    private function take(int $length, float $deadline): string
    {
        while (strlen($this->buffer) < $length) {
            if (!Clock::readable($this->stream, $deadline)) {
                throw new RuntimeException('php-fpm does not reply');
            }
            $chunk = (string) fread($this->stream, 1 << 16);
            if ($chunk === '') {
                $this->close();
                throw new RuntimeException('php-fpm closed the connection before its response');
            }
            $this->buffer .= $chunk;
        }
        $bytes = substr($this->buffer, 0, $length);
        $this->buffer = (string) substr($this->buffer, $length);
        return $bytes;
    }

    private static function record(int $type, string $content): string
    {
        return pack('CCnnCx', 1, $type, 1, strlen($content), 0) . $content;
    }

    /**
     * @param array<string, string> $pairs
     */
    private static function pairs(array $pairs): string
    {
        $bytes = '';
        foreach ($pairs as $name => $value) {
            $bytes .= self::length($name) . self::length($value) . $name . $value;
        }
        return $bytes;
    }

    private static function length(string $text): string
    {
        return strlen($text) < 128 ? chr(strlen($text)) : pack('N', strlen($text) | 1 << 31);
    }
}
