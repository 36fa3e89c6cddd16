<?php

/**
 * Gives clients big sessions.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

foreach ($config['clients'] as $client) {
    Gateway::setSession($client, array_fill(0, $config['elements'], 'some text'));
}
say(Gateway::flush());
