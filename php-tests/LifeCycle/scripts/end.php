<?php

/**
 * Sends, and ends in the next statement, in the requested way.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

final class Grower
{
    /** @var string */
    private $string = '';

    public function grow(): void
    {
        while (true) {
            $this->string .= str_repeat('x', 1 << 20);
        }
    }
}

function endHere(): void
{
    exit(0);
}

[$how, $clients, $messages] = [$config['how'], $config['clients'], $config['messages']];
if (strpos($how, 'SIGTERM') === 0) {
    pcntl_async_signals($how === 'SIGTERM, async');
    pcntl_signal(SIGTERM, static function (): void {
        exit(0);
    });
}
if ($how === 'shutdown function') {
    register_shutdown_function(static function () use ($clients, $messages): void {
        for ($i = 0; $i < $messages; $i++) {
            Gateway::sendToClient($clients[$i & 1], "$i\n");
        }
    });
    exit(0);
}
if ($how === 'destructor') {
    $last = new class ($clients, $messages) {
        /** @var list<string> */
        private $clients;
        /** @var int */
        private $messages;

        /** @param list<string> $clients */
        public function __construct(array $clients, int $messages)
        {
            [$this->clients, $this->messages] = [$clients, $messages];
        }

        public function __destruct()
        {
            for ($i = 0; $i < $this->messages; $i++) {
                Gateway::sendToClient($this->clients[$i & 1], "$i\n");
            }
        }
    };
    exit(0);
}
$raw = true;
for ($i = 0; $i < $messages; $i++) {
    Gateway::sendToClient($clients[$i & 1], "$i\n");
}
switch ($how) {
    case 'exit':
        exit(0);
    case 'exit with a code':
        exit(7);
    case 'exit in a function':
        endHere();
        // no break: the function does not return
    case 'exception':
        throw new RuntimeException('nobody catches this');
    case 'fatal error':
        no_such_function();
        // no break: the function does not exist
    case 'memory':
        (new Grower())->grow();
        // no break: there is never enough
    case 'time':
        set_time_limit(1);
        while (true) {
        }
        // no break: there is never enough
    case 'SIGTERM, async':
        posix_kill(getmypid(), SIGTERM);
        while (true) {
            usleep(1000);
        }
        // no break: the handler ends it
    case 'SIGTERM, dispatched':
        posix_kill(getmypid(), SIGTERM);
        pcntl_signal_dispatch();
        // no break: the handler ends it
    case 'pcntl_exec':
        pcntl_exec(PHP_BINARY, ['-n', '-r', 'exit(3);']);
        // no break: it does not return
    case 'pcntl_exec that fails':
        exit(@pcntl_exec('/nowhere/to/be/found') === false ? 0 : 1);
    case 'closed output':
        fclose(STDOUT);
        fclose(STDERR);
        exit(0);
}
