<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

/**
 * A client that speaks in lines.
 */
final class TextClient extends Client
{
    /** @var int how much of the buffer holds no end of a line */
    private $searched = 0;

    public function send(string $message): void
    {
        $this->write("$message\n");
    }

    protected function open(string $address): void
    {
    }

    protected function takeMessage(): ?string
    {
        $end = strpos($this->buffer, "\n", $this->searched);
        if ($end === false) {
            $this->searched = strlen($this->buffer);
            return null;
        }
        $message = substr($this->buffer, 0, $end);
        $this->buffer = substr($this->buffer, $end + 1);
        $this->searched = 0;
        return $message;
    }
}
