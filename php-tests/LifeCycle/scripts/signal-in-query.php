<?php

/**
 * Gets a signal while it waits for a gateway that does not reply in time, or only later.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$events = [];
pcntl_async_signals($config['async']);
pcntl_signal($config['signal'], static function () use (&$events): void {
    $events[] = 'signal';
    Gateway::$connectTimeout = 1;
});
Gateway::getAllClientIdCount();
say('ready');
await();
if ($config['signal'] === SIGALRM) {
    pcntl_alarm(1);
}
try {
    $events[] = Gateway::getAllClientIdCount();
} catch (Exception $exception) {
    $events[] = $exception->getMessage();
}
// Handlers run between two statements.
pcntl_signal_dispatch();
rsort($events);
say($events);
