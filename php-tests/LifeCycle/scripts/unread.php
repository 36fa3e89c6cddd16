<?php

/**
 * Sends more to the second gateway than the kernel takes, and a little to the first; says so and
 * ends.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

Gateway::getAllClientIdCount();
say('ready');
await();
for ($i = 0; $i < $config['messages']; $i++) {
    Gateway::sendToClient($config['clients'][1], "$i " . str_repeat('.', 64 << 10));
}
send($config['clients'][0], 'reads', 0, 100);
if ($config['flush'] !== null) {
    say(Gateway::flush($config['flush']));
    await();
    say(Gateway::flush(20.0));
}
say('ends');
