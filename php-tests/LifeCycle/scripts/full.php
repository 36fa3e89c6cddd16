<?php

/**
 * Inside of a worker, sends to a gateway that does not read, until there is no more room; and when
 * there is again.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\WorkerStub;

require __DIR__ . '/common.php';
require dirname(__DIR__, 2) . '/bootstrap.php';

Gateway::setBusinessWorker(new WorkerStub($config['gateways']));
$padding = str_repeat('.', 64 << 10);
$report = ['accepted' => 0, 'refused' => 0];
$send = static function () use ($config, $padding, &$report): bool {
    $accepted = Gateway::sendToClient($config['client'], "{$report['accepted']} $padding");
    $report[$accepted ? 'accepted' : 'refused']++;
    return $accepted;
};
$send();
Gateway::flush();
say('ready');
await();
$written = static function (): int {
    return array_sum(array_column(Gateway::status()['clusters'][0]['gateways'], 'written_bytes'));
};
// Full is it when the system takes nothing more either. The background may be late on a busy
// machine: nothing must have been written in a row of waits, and still there is no room.
do {
    while ($report['accepted'] < 10000 && $send()) {
    }
    $before = $written();
    for ($waits = 0; $waits < 10 && $written() === $before; $waits++) {
        Gateway::flush(0.05);
    }
} while ($report['accepted'] < 10000 && ($written() !== $before || $send()));
say('full');
await();
$before = $report['refused'];
for ($more = 0; $more < 50; $more++) {
    $send();
}
$report['refused in the end'] = $report['refused'] - $before;
$status = Gateway::status()['clusters'][0]['gateways'];
foreach ($status as $gateway) {
    if ($gateway['refused'] > 0) {
        $report['status'] = [$gateway['refused'], $gateway['queued_bytes'] <= $config['limit']];
    }
}
say($report);
await();
say(Gateway::flush(20.0));
say(Gateway::sendToClient($config['client'], "{$report['accepted']} last"));
