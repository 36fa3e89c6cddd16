<?php

/**
 * The calls whose instructions run.php counts; it runs this under callgrind:
 *
 *   php calls.php METHOD CALLS PEER     PEER is the line that benchpeer prints
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

[, $method, $calls, $peer] = $argv;
$peer = json_decode($peer, true, 512, JSON_THROW_ON_ERROR);
Gateway::$registerAddress = $peer['register'];
[$host, $port] = explode(':', $peer['gateways'][0]);
$id = bin2hex(pack('NnN', (int) ip2long($host), (int) $port, 1));
$body = str_repeat('m', 32);

$run = [
    'sendToUid' => static fn () => Gateway::sendToUid('user-1', $body),
    'sendToClient' => static fn () => Gateway::sendToClient($id, $body),
    'joinGroup, getClientCountByGroup' => static function () use ($id): void {
        Gateway::joinGroup($id, 'room-1');
        Gateway::getClientCountByGroup('room-1');
    },
    'setSession' => static fn () => Gateway::setSession($id, ['uid' => 1, 'name' => 'Name 1', 'ok' => true]),
    'isOnline' => static fn () => Gateway::isOnline($id),
    'getAllUidList' => static fn () => Gateway::getAllUidList(),
    'getAllGroupUidList' => static fn () => Gateway::getAllGroupUidList(),
    'getAllClientSessions' => static fn () => Gateway::getAllClientSessions(),
    'getClientIdByUid' => static fn () => Gateway::getClientIdByUid('user-1'),
][$method];
// Connections are made and buffers have grown. Under callgrind calls are so far apart that they are no burst: the caller
// writes. Fan-outs go through the background all the same.
for ($i = 0; $i < 20; $i++) {
    $run();
}
// Where callgrind starts to count: the C function of this name is called by nobody else.
sys_getloadavg();
for ($i = 0; $i < (int) $calls; $i++) {
    $run();
}
