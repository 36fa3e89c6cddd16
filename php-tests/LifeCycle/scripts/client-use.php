<?php

/**
 * Uses both classes in one process: what is each one's own?
 */

declare(strict_types=1);

use GatewayClient\Gateway as ClientGateway;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\Implementation;
use GatewayWorker\Tests\Support\WorkerStub;

require __DIR__ . '/common.php';
require dirname(__DIR__, 2) . '/bootstrap.php';

Implementation::loadContext();
require __DIR__ . '/client-context.php';

[$a, $b] = $config['clients'];
$report = [];
$attempt = static function (callable $call) {
    try {
        return $call();
    } catch (Throwable $thrown) {
        return [get_class($thrown), $thrown->getMessage()];
    }
};
$enter = static function (string $context, string $client): void {
    ['ip' => $context::$local_ip, 'port' => $context::$local_port, 'connection' => $context::$connection_id]
        = unpack('Nip/nport/Nconnection', (string) hex2bin($client));
    $context::$client_id = $client;
};

// Statics: setting one class's leaves the other's alone.
$report['its own register'] = ClientGateway::$registerAddress;
ClientGateway::$registerAddress = $config['register'];
Gateway::$connectTimeout = 7;
$report['its own time-out'] = ClientGateway::$connectTimeout;
if ($config['worker']) {
    Gateway::setBusinessWorker(new WorkerStub([$config['gateways'][1]], $config['gateways']));
}

// Connections.
$report['lib'] = Gateway::getAllClientIdCount();
Gateway::sendToClient($b, 'from lib');
Gateway::flush();
say('lib');
await();
$report['client'] = ClientGateway::getAllClientIdCount();
ClientGateway::sendToClient($b, 'from client');
ClientGateway::sendToClient($a, 'to a');
ClientGateway::flush();
$report['lib cannot reach a'] = Gateway::sendToClient($a, 'only outside of a worker');
say('client');
await();
$report['users'] = array_column(Gateway::status()['clusters'], 'user');
sort($report['users']);

// Bad ids.
foreach (['nonsense', '', '7f0000010b54000000zz', 5] as $bad) {
    $report['bad ids'][(string) $bad] = [
        $attempt(static function () use ($bad) {
            return ClientGateway::sendToClient($bad, 'x');
        }),
        $attempt(static function () use ($bad) {
            return ClientGateway::isOnline($bad);
        }),
        $attempt(static function () use ($bad) {
            return ClientGateway::getSession($bad);
        }),
        $attempt(static function () use ($bad) {
            return ClientGateway::closeClient($bad);
        }),
        $attempt(static function () use ($bad) {
            return ClientGateway::bindUid($bad, 'ann');
        }),
    ];
}

// Contexts: each class looks into its own.
$enter('GatewayWorker\Lib\Context', $a);
$_SESSION = ['of' => 'a'];
ClientGateway::setSession($a, ['set by' => 'client']);
$report['session after setting that of the other context'] = $_SESSION;
$enter('GatewayClient\Context', $b);
ClientGateway::setSession($b, ['set' => 1]);
$report['session after setting the own'] = $_SESSION;
$report['old session'] = GatewayClient\Context::$old_session;
ClientGateway::updateSession($b, ['more' => 2]);
$report['session after updating the own'] = $_SESSION;
$report['stored'] = [ClientGateway::getSession($a), ClientGateway::getSession($b)];
ClientGateway::sendToClient(null, 'to the current client of its own context');

// Its own methods.
ClientGateway::bindUid($a, 'ann');
ClientGateway::bindUid($b, '7');
ClientGateway::joinGroup($a, 'room');
ClientGateway::joinGroup($b, 'room');
$report['isUidsOnline'] = ClientGateway::isUidsOnline(['ann', '7', 'nobody']);
$report['batchGetClientIdByUid'] = ClientGateway::batchGetClientIdByUid(['ann', 'nobody']);
$report['batchGetClientIdCountByGroup'] = ClientGateway::batchGetClientIdCountByGroup(['room', 'nowhere']);
ClientGateway::sendToUid('ann', 'to ann');
ClientGateway::sendToGroup('room', 'to the room', [$a]);
$report['sessions'] = ClientGateway::getAllClientSessions();
ClientGateway::destoryCurrentClient();
ClientGateway::flush();
GatewayClient\Context::$connection_id = null;
$report['destoryCurrentClient without a client'] = $attempt([ClientGateway::class, 'destoryCurrentClient']);
$report['no such methods'] = [
    method_exists(ClientGateway::class, 'sendToCurrentClient'),
    method_exists(ClientGateway::class, 'closeCurrentClient'),
];
say($report);
