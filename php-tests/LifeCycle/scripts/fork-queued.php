<?php

/**
 * Fills the queue of a gateway that does not read, then forks: the queue is the parent's alone.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$padding = str_repeat('.', 64 << 10);
$queued = static function (): int {
    return array_sum(array_column(Gateway::status()['clusters'][0]['gateways'] ?? [], 'queued'));
};
Gateway::getAllClientIdCount();
say('ready');
await();
for ($i = 0; $i < $config['messages']; $i++) {
    Gateway::sendToClient($config['client'], "parent $i $padding");
}
$before = $queued();
$children = [];
for ($i = 0; $i < 5; $i++) {
    $children[] = child(static function () use ($config, $i, $queued): void {
        if ($queued() !== 0) {
            fwrite(STDERR, "child $i has inherited a queue\n");
        }
        Gateway::sendToClient($config['client'], "child$i 0 x");
    });
}
reap($children);
say(['before' => $before, 'after' => $queued()]);
await();
