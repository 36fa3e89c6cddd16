<?php

/**
 * Children end in every way there is while the parent goes on; the parent's connections stay as
 * they are.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$client = $config['client'];
$sent = 0;
$goOn = static function () use ($client, &$sent): void {
    send($client, 'parent', $sent, $sent + 10);
    $sent += 10;
    if (Gateway::getAllClientIdCount() !== 1) {
        fwrite(STDERR, "the parent got a wrong reply\n");
    }
};
$ends = [
    'exit' => [static function (): void {
        exit(0);
    }, 0],
    'kill' => [static function (): void {
        posix_kill(getmypid(), SIGKILL);
    }, SIGKILL],
    'term' => [static function (): void {
        posix_kill(getmypid(), SIGTERM);
        sleep(60);
    }, SIGTERM],
    'exec' => [static function (): void {
        pcntl_exec(PHP_BINARY, ['-n', '-r', 'exit(count(glob("/proc/self/fd/*")) < 30 ? 0 : 1);']);
    }, 0],
];
if (extension_loaded('FFI')) {
    $ends['_exit'] = [static function (): void {
        FFI::cdef('void _exit(int);')->_exit(0);
    }, 0];
}
foreach ($ends as [$end, $signal]) {
    foreach ([false, true] as $used) {
        $goOn();
        reap([child(static function () use ($end, $used): void {
            if ($used) {
                Gateway::getAllClientIdCount();
            }
            $end();
        })], $signal);
        $goOn();
    }
}
say($sent);
await();
