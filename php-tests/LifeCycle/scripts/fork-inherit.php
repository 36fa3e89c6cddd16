<?php

/**
 * Says which descriptors and threads there are before the first use, after it, and in a child; then
 * in the child's child.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$use = static function () use ($config): void {
    Gateway::sendToClient($config['client'], 'x 0');
    Gateway::getAllClientIdCount();
};
$report = ['before' => descriptors(), 'threads before' => count(threads())];
$use();
$report['after'] = descriptors();
$report['threads after'] = count(threads());
say($report);
reap([child(static function () use ($use): void {
    $report = ['before' => descriptors(), 'threads before' => count(threads())];
    $use();
    $report['after'] = descriptors();
    $report['threads after'] = count(threads());
    say($report);
    reap([child(static function (): void {
        say(['before' => descriptors(), 'threads before' => count(threads())]);
    })]);
})]);
$use();
say(['after' => descriptors(), 'threads after' => count(threads())]);
