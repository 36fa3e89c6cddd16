<?php

/**
 * The parent uses the class, forks and ends on command; its child lives on until the test sends a
 * line.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

send($config['client'], 'parent', 0, 10);
Gateway::getAllClientIdCount();
$pid = pcntl_fork();
if ($pid === 0) {
    if ($config['child uses it']) {
        send($config['client'], 'child', 0, 10);
        Gateway::getAllClientIdCount();
    }
    say('child ' . getmypid());
    await();
    if ($config['child uses it']) {
        send($config['client'], 'child', 10, 20);
    }
    exit(0);
}
// The test kills it, or lets it end while the child waits.
pcntl_async_signals(true);
pcntl_signal(SIGUSR1, static function (): void {
    exit(0);
});
while (true) {
    sleep(60);
}
