<?php

/**
 * Sends to all, although one gateway is away.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

for ($i = 0; $i < 10; $i++) {
    Gateway::sendToAll("to all $i");
}
