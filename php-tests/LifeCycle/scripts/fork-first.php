<?php

/**
 * Forks before the class is used for the first time; then parent and children use it.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$use = static function (string $who) use ($config): void {
    send($config['client'], $who, 0, 20);
    if (Gateway::getAllClientIdCount() !== 1) {
        fwrite(STDERR, "$who got a wrong reply\n");
    }
};
$children = [];
for ($i = 0; $i < 4; $i++) {
    $children[] = child(static function () use ($use, $i): void {
        $use("child$i");
    });
}
$use('parent');
reap($children);
say('done');
