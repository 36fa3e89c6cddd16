<?php

/**
 * Uses a client id that somebody has made up.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

Gateway::$secretKey = $config['secret'];
$id = $config['made up'];
if ($config['send'] ?? false) {
    Gateway::sendToClient($id, 'x');
    exit(0);
}
$calls = [
    'sendToClient' => ['x'],
    'closeClient' => [],
    'isOnline' => [],
    'getSession' => [],
    'getUidByClientId' => [],
    'bindUid' => ['ann'],
    'joinGroup' => ['room'],
    'setSession' => [['x' => 1]],
];
$report = ['made up' => []];
foreach ($calls as $method => $arguments) {
    try {
        $returned = Gateway::$method($id, ...$arguments);
        $report['made up'][$method] = ['no exception', json_encode($returned)];
    } catch (Exception $exception) {
        $report['made up'][$method] = [get_class($exception), $exception->getMessage()];
    }
}
Gateway::sendToAll('to some', [$id, $config['client']]);
Gateway::sendToAll('to nobody', null, [$id, $config['client']]);
Gateway::sendToGroup('room', 'to nobody', [$id]);
$report['online'] = Gateway::isOnline($config['client']);
say($report);
