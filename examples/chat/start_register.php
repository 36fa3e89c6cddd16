<?php

/**
 * The register: gateways tell it their addresses, workers and PHP code that pushes ask for them.
 * One for the cluster.
 */

declare(strict_types=1);

use GatewayWorker\Register;
use Workerman\Worker;

$config = require __DIR__ . '/bootstrap.php';

$register = new Register("text://{$config['register']}");
$register->secretKey = $config['secret key'];

if (!defined('CHAT_ALL_IN_ONE')) {
    Worker::runAll();
}
