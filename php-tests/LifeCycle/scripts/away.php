<?php

/**
 * Sends to all, although one gateway is away.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

if (isset($config['flush_timeout'])) {
    ini_set('gatewayworker.flush_timeout', $config['flush_timeout']);
}
for ($i = 0; $i < 10; $i++) {
    Gateway::sendToAll("to all $i");
}
