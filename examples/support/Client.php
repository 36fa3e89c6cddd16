<?php

declare(strict_types=1);

namespace GatewayWorker\Demo;

use RuntimeException;

/**
 * A live client on a socket, which speaks in lines of text.
 */
class Client
{
    /** How long it waits for what has to come. */
    private const PATIENCE = 10;

    /** The id that the gateway told it. */
    public string $id;

    protected string $buffer = '';

    protected bool $closed = false;

    /** @var resource */
    private $stream;

    public function __construct(string $address)
    {
        $stream = stream_socket_client("tcp://$address", $code, $reason, self::PATIENCE);
        if ($stream === false) {
            throw new RuntimeException("a client cannot connect to $address: $reason");
        }
        stream_set_blocking($stream, false);
        $this->stream = $stream;
        $this->open($address);
        $greeting = json_decode((string) $this->receive(), true);
        $this->id = $greeting['client_id'] ?? throw new RuntimeException("$address did not greet its client");
    }

    /**
     * The next message; null at the end of the connection.
     */
    public function receive(): ?string
    {
        while (($message = $this->take()) === null && !$this->closed) {
            $this->wait();
        }
        return $message;
    }

    /**
     * Everything that comes before a certain message, or before the end of the connection.
     *
     * @return list<string>
     */
    public function receiveUntil(string $last): array
    {
        $messages = [];
        while (($message = $this->receive()) !== null && $message !== $last) {
            $messages[] = $message;
        }
        return $messages;
    }

    public function isClosed(): bool
    {
        return $this->closed;
    }

    /**
     * What has to be said before messages flow.
     */
    protected function open(string $address): void
    {
    }

    /**
     * Takes a whole message out of the buffer.
     */
    protected function take(): ?string
    {
        [$line, $rest] = explode("\n", $this->buffer, 2) + [1 => null];
        if ($rest === null) {
            return null;
        }
        $this->buffer = $rest;
        return $line;
    }

    /**
     * Waits until more has come, or the end.
     */
    protected function wait(): void
    {
        $read = [$this->stream];
        $none = [];
        if (!stream_select($read, $none, $none, self::PATIENCE)) {
            throw new RuntimeException('a client waited in vain');
        }
        // A connection that was destroyed may end with a reset.
        $bytes = (string) @fread($this->stream, 65536);
        $this->buffer .= $bytes;
        $this->closed = $bytes === '' && feof($this->stream);
    }

    protected function write(string $bytes): void
    {
        // What clients of the demo write is far smaller than a socket's buffer.
        fwrite($this->stream, $bytes);
    }
}
