<?php

/**
 * An ordinary GatewayWorker application, or a part of it. The variable GATEWAYWORKER_APP says
 * which, as JSON:
 *
 *   autoload   the file that loads GatewayWorker and Workerman
 *   dir, name  where this master process keeps its files, and their name
 *   parts      any of "register", "gateways" and "workers"
 *   register   address of the register
 *   gateways   list of {"listen": "text://…", "port": internal port, "name": …}
 *   workers    how many BusinessWorkers
 *   secret     the secret key
 *   greets     whether Events sends clients their ids
 *   log        file for the events that tests wait for
 */

declare(strict_types=1);

use GatewayWorker\BusinessWorker;
use GatewayWorker\Gateway;
use GatewayWorker\Register;
use GatewayWorker\Tests\Worker\App\Events;
use Workerman\Worker;

$app = json_decode((string) getenv('GATEWAYWORKER_APP'), true);
require $app['autoload'];
require __DIR__ . '/Events.php';

Worker::$pidFile = "{$app['dir']}/{$app['name']}.pid";
Worker::$logFile = "{$app['dir']}/{$app['name']}.log";
Worker::$stdoutFile = "{$app['dir']}/{$app['name']}.out";

if (in_array('register', $app['parts'], true)) {
    $register = new Register("text://{$app['register']}");
    $register->secretKey = $app['secret'];
}

foreach (in_array('gateways', $app['parts'], true) ? $app['gateways'] : [] as $one) {
    $gateway = new Gateway($one['listen']);
    $gateway->name = $one['name'];
    $gateway->count = 1;
    $gateway->lanIp = '127.0.0.1';
    $gateway->startPort = $one['port'];
    $gateway->registerAddress = $app['register'];
    $gateway->secretKey = $app['secret'];
    foreach (['onBusinessWorkerConnected' => '+', 'onBusinessWorkerClose' => '-'] as $event => $sign) {
        $gateway->$event = static function (object $connection) use ($app, $one, $sign): void {
            file_put_contents($app['log'], "{$one['name']} $sign{$connection->key}\n", FILE_APPEND | LOCK_EX);
        };
    }
}

if (in_array('workers', $app['parts'], true)) {
    Events::$greets = $app['greets'];
    Events::$log = $app['log'];
    $worker = new BusinessWorker();
    $worker->name = 'worker';
    $worker->count = $app['workers'];
    $worker->registerAddress = $app['register'];
    $worker->secretKey = $app['secret'];
    $worker->eventHandler = Events::class;
}

Worker::runAll();
