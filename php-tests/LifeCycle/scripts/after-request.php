<?php

/**
 * Uses the class in the handler of a session that PHP writes when the request has ended for the
 * extensions that were loaded after that of sessions.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

final class Handler implements SessionHandlerInterface
{
    /** @var string */
    private $client;

    public function __construct(string $client)
    {
        $this->client = $client;
    }

    public function open(string $path, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        return true;
    }

    #[ReturnTypeWillChange]
    public function read(string $id)
    {
        return '';
    }

    public function write(string $id, string $data): bool
    {
        send($this->client, 'handler', 0, 3);
        say(Gateway::isOnline($this->client));
        return true;
    }

    public function destroy(string $id): bool
    {
        return true;
    }

    #[ReturnTypeWillChange]
    public function gc(int $lifetime)
    {
        return 0;
    }
}

send($config['client'], 'script', 0, 3);
session_set_save_handler(new Handler($config['client']), false);
session_start();
$_SESSION['changed'] = true;
