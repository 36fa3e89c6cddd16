<?php

/**
 * Uses the class from the first connection on while signals arrive all the time.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$handled = 0;
pcntl_async_signals($config['async']);
pcntl_signal(SIGUSR1, static function () use (&$handled): void {
    $handled++;
}, $config['restart']);
$parent = getmypid();
$storm = child(static function () use ($parent): void {
    while (posix_getppid() === $parent && posix_kill($parent, SIGUSR1)) {
        usleep(100);
    }
});
for ($i = 0; $i < 300; $i++) {
    send($config['client'], 'storm', $i * 10, $i * 10 + 10);
    if (Gateway::getAllClientIdCount() !== 1) {
        fwrite(STDERR, "a wrong reply\n");
    }
}
$flushed = Gateway::flush();
pcntl_signal_dispatch();
posix_kill($storm, SIGKILL);
pcntl_waitpid($storm, $status);
say(['flushed' => $flushed, 'handled' => $handled > 0]);
