<?php

/**
 * Each process sends, forks, sends again; its child does the same, and so on.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$descend = static function (int $level) use (&$descend, $config): void {
    send($config['client'], "level$level", 0, 50);
    if ($level < $config['levels']) {
        $children = [];
        $children[] = child(static function () use ($descend, $level): void {
            $descend($level + 1);
        });
        send($config['client'], "level$level", 50, 100);
        if (Gateway::getAllClientIdCount() !== 1) {
            fwrite(STDERR, "level $level got a wrong reply\n");
        }
        reap($children);
    } else {
        send($config['client'], "level$level", 50, 100);
    }
};
$descend(0);
say('done');
