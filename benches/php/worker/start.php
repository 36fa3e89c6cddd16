<?php

/**
 * A real GatewayWorker cluster for the benchmark: a register, gateways with the text protocol and one BusinessWorker. The
 * variable GATEWAYWORKER_BENCH holds JSON: autoload, dir, register, gateways (list of {"text": port, "start": port}).
 */

declare(strict_types=1);

use GatewayWorker\BusinessWorker;
use GatewayWorker\Gateway;
use GatewayWorker\Register;
use Workerman\Worker;

$cluster = json_decode((string) getenv('GATEWAYWORKER_BENCH'), true);
require $cluster['autoload'];
require __DIR__ . '/Events.php';

Worker::$pidFile = "{$cluster['dir']}/pid";
Worker::$logFile = "{$cluster['dir']}/log";
Worker::$stdoutFile = "{$cluster['dir']}/out";

new Register("text://{$cluster['register']}");
foreach ($cluster['gateways'] as $ports) {
    $gateway = new Gateway("text://127.0.0.1:{$ports['text']}");
    $gateway->count = 1;
    $gateway->lanIp = '127.0.0.1';
    $gateway->startPort = $ports['start'];
    $gateway->registerAddress = $cluster['register'];
}
$worker = new BusinessWorker();
$worker->count = 1;
$worker->registerAddress = $cluster['register'];
$worker->eventHandler = GatewayWorker\Bench\Events::class;

Worker::runAll();
