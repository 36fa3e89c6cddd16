<?php

/**
 * The workers: what clients say reaches Events.php here. GatewayWorker\Lib\Gateway is the
 * extension's class.
 */

declare(strict_types=1);

use ChatExample\Events;
use GatewayWorker\BusinessWorker;
use Workerman\Worker;

$config = require __DIR__ . '/bootstrap.php';

$worker = new BusinessWorker();
$worker->name = 'ChatWorker';
$worker->count = $config['workers'];
$worker->registerAddress = $config['register'];
$worker->secretKey = $config['secret key'];
$worker->eventHandler = Events::class;
$worker->onWorkerStart = static function (): void {
    // Here and not above, in the master: so `reload` takes up a changed file.
    require_once __DIR__ . '/Events.php';
};

if (!defined('CHAT_ALL_IN_ONE')) {
    Worker::runAll();
}
