<?php

/**
 * The gateways: they hold the connections of the clients. The extension plays no part in them.
 */

declare(strict_types=1);

use GatewayWorker\Gateway;
use Workerman\Worker;

$config = require __DIR__ . '/bootstrap.php';

$gateway = new Gateway($config['listen']);
$gateway->name = 'ChatGateway';
$gateway->count = $config['gateways'];
$gateway->lanIp = $config['lan ip'];
$gateway->startPort = $config['start port'];
$gateway->registerAddress = $config['register'];
$gateway->secretKey = $config['secret key'];
// A client that says nothing for 50 seconds is gone; it shows that it is there with
// {"type":"ping"}.
$gateway->pingInterval = 25;
$gateway->pingNotResponseLimit = 2;

if (!defined('CHAT_ALL_IN_ONE')) {
    Worker::runAll();
}
