<?php

/**
 * Says which signals the threads block: the main thread before and after the first use, and the
 * other one.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$mask = static function (int $thread, string $name): string {
    preg_match("/^$name:\\s*([0-9a-f]+)/m", (string) file_get_contents("/proc/self/task/$thread/status"), $match);
    return $match[1];
};
pcntl_sigprocmask(SIG_BLOCK, [SIGUSR2]);
$report = ['main before' => $mask(getmypid(), 'SigBlk')];
Gateway::sendToClient($config['client'], 'x');
$report['main after'] = $mask(getmypid(), 'SigBlk');
$report['ignored before'] = $mask(getmypid(), 'SigIgn');
$report['caught'] = $mask(getmypid(), 'SigCgt');
foreach (array_diff(threads(), [getmypid()]) as $thread) {
    $report['other'][] = $mask($thread, 'SigBlk');
    $report['names'][] = trim((string) file_get_contents("/proc/self/task/$thread/comm"));
}
say($report);
