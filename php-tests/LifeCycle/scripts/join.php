<?php

/**
 * Puts clients into groups.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

foreach ($config['joins'] as [$client, $group]) {
    Gateway::joinGroup($client, $group);
}
say(Gateway::getAllGroupIdList());
