<?php

/**
 * Inside of a worker, sends to a gateway that does not read, until there is no more room; and when there is again.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\WorkerStub;

require __DIR__ . '/common.php';
require dirname(__DIR__, 2) . '/bootstrap.php';

Gateway::setBusinessWorker(new WorkerStub($config['gateways']));
$padding = str_repeat('.', 64 << 10);
$i = 0;
Gateway::getAllClientIdCount();
say('ready');
await();
while (Gateway::sendToClient($config['client'], "$i $padding") && $i < 10000) {
    $i++;
}
$report = ['accepted' => $i, 'refused' => 0];
for ($more = 0; $more < 50; $more++) {
    $report['refused'] += Gateway::sendToClient($config['client'], $padding) === false ? 1 : 0;
}
$status = Gateway::status()['clusters'][0]['gateways'];
foreach ($status as $gateway) {
    if ($gateway['refused'] > 0) {
        $report['status'] = ['refused' => $gateway['refused'], 'room kept' => $gateway['queued_bytes'] <= $config['limit']];
    }
}
say($report);
await();
say(Gateway::flush(20.0));
say(Gateway::sendToClient($config['client'], "$i last"));
