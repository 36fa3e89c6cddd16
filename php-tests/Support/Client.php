<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * A client of a gateway, as a browser or an app would be.
 */
abstract class Client
{
    /** @var resource */
    protected $stream;

    /** @var string what has arrived and is not yet taken apart */
    protected $buffer = '';

    /** @var bool */
    private $closed = false;

    /** @var string */
    private $clientId;

    /**
     * Connects and waits for the greeting, in which the gateway sends the client its id.
     */
    public function __construct(string $address)
    {
        $stream = stream_socket_client("tcp://$address", $code, $message, 5.0);
        if ($stream === false) {
            throw new RuntimeException("the client cannot connect to $address: $message");
        }
        stream_set_blocking($stream, false);
        $this->stream = $stream;
        $this->open($address);
        $greeting = json_decode((string) $this->receive(), true);
        if (($greeting['type'] ?? '') !== 'init') {
            throw new RuntimeException("the gateway at $address did not greet");
        }
        $this->clientId = $greeting['client_id'];
    }

    /**
     * The id that the gateway gave this client.
     */
    public function clientId(): string
    {
        return $this->clientId;
    }

    /**
     * The next message; null when the connection has been closed instead. Throws when neither
     * happens in time.
     */
    public function receive(float $timeout = 10.0): ?string
    {
        $deadline = Clock::in($timeout);
        while (($message = $this->takeMessage()) === null) {
            if ($this->closed) {
                return null;
            }
            if (!$this->fill($deadline)) {
                throw new RuntimeException('the client got no message in time');
            }
        }
        return $message;
    }

    /**
     * The messages before this one, which is awaited: the way to see that nothing else came.
     *
     * @return list<string>
     */
    public function receiveUntil(string $fence): array
    {
        $messages = [];
        while (($message = $this->receive()) !== $fence) {
            if ($message === null) {
                throw new RuntimeException('the connection was closed before the message that was waited for');
            }
            $messages[] = $message;
        }
        return $messages;
    }

    /**
     * The messages up to the end of the connection, which is awaited.
     *
     * @return list<string>
     */
    public function receiveUntilClosed(): array
    {
        $messages = [];
        while (($message = $this->receive()) !== null) {
            $messages[] = $message;
        }
        return $messages;
    }

    /**
     * Waits for bytes as they are, without taking them apart.
     */
    public function receiveRaw(int $length): string
    {
        $deadline = Clock::in(10.0);
        while (strlen($this->buffer) < $length && !$this->closed) {
            if (!$this->fill($deadline)) {
                throw new RuntimeException("the client did not get $length bytes in time");
            }
        }
        $bytes = substr($this->buffer, 0, $length);
        $this->buffer = substr($this->buffer, $length);
        return $bytes;
    }

    /**
     * Whether the other side has been seen to close the connection.
     */
    public function isClosed(): bool
    {
        return $this->closed;
    }

    /**
     * Closes the connection.
     */
    public function close(): void
    {
        $this->closed = true;
        if (is_resource($this->stream)) {
            // A child process may have inherited the socket, so closing it here would not end the
            // connection.
            @stream_socket_shutdown($this->stream, STREAM_SHUT_RDWR);
            fclose($this->stream);
        }
    }

    /**
     * Sends a message to the gateway.
     */
    abstract public function send(string $message): void;

    /**
     * Prepares the clients and connections before messages flow.
     */
    abstract protected function open(string $address): void;

    /**
     * Takes a whole message out of the buffer, if there is one.
     */
    abstract protected function takeMessage(): ?string;

    /**
     * Notes that no more will come.
     */
    protected function end(): void
    {
        $this->closed = true;
    }

    /**
     * Writes all of it.
     */
    protected function write(string $bytes): void
    {
        $deadline = Clock::in(10.0);
        while ($bytes !== '') {
            $written = fwrite($this->stream, $bytes);
            $bytes = (string) substr($bytes, (int) $written);
            if ($bytes !== '' && !Clock::writable($this->stream, $deadline)) {
                throw new RuntimeException('the client cannot get its bytes out');
            }
        }
    }

    /**
     * Reads what there is, after waiting for it; false after the deadline.
     */
    protected function fill(float $deadline): bool
    {
        if (!Clock::readable($this->stream, $deadline)) {
            return false;
        }
        // A connection that was destroyed may end with a reset, which is an end as well.
        $chunk = (string) @fread($this->stream, 1 << 20);
        $this->buffer .= $chunk;
        if ($chunk === '' && feof($this->stream)) {
            $this->closed = true;
        }
        return true;
    }
}
