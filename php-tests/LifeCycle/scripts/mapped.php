<?php

/**
 * Uses gateways that advertise addresses under which they cannot be reached.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\WorkerStub;

require __DIR__ . '/common.php';
require dirname(__DIR__, 2) . '/bootstrap.php';

if ($config['worker']) {
    Gateway::setBusinessWorker(new WorkerStub($config['advertised']));
}
[$a, $b] = $config['clients'];
$report = [
    'list' => Gateway::getAllClientIdList(),
    'online' => [Gateway::isOnline($a), Gateway::isOnline($b)],
    'sent' => [Gateway::sendToClient($a, 'to a'), Gateway::sendToClient($b, 'to b')],
];
Gateway::bindUid($a, 'ann');
Gateway::joinGroup($b, 'room');
Gateway::setSession($b, ['x' => 1]);
$report['of ann'] = Gateway::getClientIdByUid('ann');
$report['room'] = Gateway::getClientIdListByGroup('room');
$report['sessions'] = Gateway::getAllClientSessions('room');
$report['session'] = Gateway::getSession($b);
Gateway::sendToAll('to some', [$b]);
Gateway::sendToAll('to others', null, [$b]);
ksort($report['list']);
foreach (Gateway::status()['clusters'] as $cluster) {
    foreach ($cluster['gateways'] as $gateway) {
        $report['reach'][$gateway['address']] = $gateway['reach'];
    }
}
ksort($report['reach']);
say($report);
