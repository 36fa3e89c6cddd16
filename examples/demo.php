<?php

/**
 * Every call of GatewayWorker\Lib\Gateway, made by the extension to two gateways with live clients.
 *
 * Start it with `make demo`. It ends with 0 where everything came as expected.
 */

declare(strict_types=1);

use GatewayWorker\Demo\Cluster;
use GatewayWorker\Demo\Stage;
use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Lib\UnreachableException;

foreach (['Cluster', 'Client', 'WebSocketClient', 'Context', 'Stage'] as $class) {
    require __DIR__ . "/support/$class.php";
}

if (!extension_loaded('gatewayworker')) {
    fwrite(STDERR, "The extension gatewayworker is not loaded: start the demo with `make demo`.\n");
    exit(1);
}

$cluster = new Cluster();
$stage = new Stage();
Gateway::$registerAddress = $cluster->register();

$stage->title('Five live clients on two gateways');
$ann = $cluster->connect('websocket', 0);
$bob = $cluster->connect('text', 0);
$cai = $cluster->connect('websocket', 1);
$dee = $cluster->connect('text', 1);
$eve = $cluster->connect('text', 1);
$stage->add('ann', $ann, 'WebSocket, first gateway');
$stage->add('bob', $bob, 'text, first gateway');
$stage->add('cai', $cai, 'WebSocket, second gateway');
$stage->add('dee', $dee, 'text, second gateway');
$stage->add('eve', $eve, 'text, second gateway');
[$ann, $bob, $cai, $dee, $eve] = [$ann->id, $bob->id, $cai->id, $dee->id, $eve->id];
$everybody = [$ann, $bob, $cai, $dee, $eve];
$ids = static fn (string ...$ids): array => array_combine($ids, $ids);

$stage->title('Who is a client: uids');
$stage->call('bindUid', [$ann, 'alice']);
$stage->call('bindUid', [$cai, 'alice']);
$stage->call('bindUid', [$bob, 42]);
$stage->call('bindUid', [$eve, 'evil']);
$stage->call('unbindUid', [$eve, 'evil']);
$stage->call('getClientIdByUid', ['alice'], [$ann, $cai]);
$stage->call('getUidByClientId', [$bob], '42');
$stage->call('getUidByClientId', [$eve], null);
$stage->call('isUidOnline', ['alice'], 1);
$stage->call('isUidOnline', ['evil'], 0);
$stage->call('isUidsOnline', [['alice', 'evil']], ['alice' => 1, 'evil' => 0]);
$stage->call('batchGetClientIdByUid', [['alice', 42]], ['alice' => [$ann, $cai], 42 => [$bob]]);
$stage->call('getClientIdByUids', [['alice', 'evil']], ['alice' => [$ann, $cai], 'evil' => []]);
$stage->call('getAllUidList', [], ['alice' => 'alice', 42 => '42']);
$stage->call('getAllUidCount', [], 2);

$stage->title('Who belongs together: groups');
$stage->call('joinGroup', [$ann, 'room']);
$stage->call('joinGroup', [$bob, 'room']);
$stage->call('joinGroup', [$dee, 'room']);
$stage->call('joinGroup', [$eve, 'room']);
$stage->call('leaveGroup', [$eve, 'room']);
$stage->call('joinGroup', [$cai, 7]);
$stage->call('getClientIdListByGroup', ['room'], $ids($ann, $bob, $dee));
$stage->call('getClientIdCountByGroup', ['room'], 3);
$stage->call('getClientCountByGroup', ['room'], 3);
$stage->call('batchGetClientIdCountByGroup', [['room', 7, 'none']], ['room' => 3, 7 => 1, 'none' => 0]);
$stage->call('getUidListByGroup', ['room'], ['alice' => 'alice', 42 => '42']);
$stage->call('getUidCountByGroup', ['room'], 2);
$stage->call('getAllGroupIdList', [], ['room' => 'room', 7 => 7]);
$stage->call('getAllGroupClientIdList', [], ['room' => $ids($ann, $bob, $dee), 7 => $ids($cai)]);
$stage->call('getAllGroupClientIdCount', [], ['room' => 3, 7 => 1]);
$stage->call('getAllGroupUidList', [], ['room' => ['alice' => 'alice', 42 => '42'], 7 => ['alice' => 'alice']]);
$stage->call('getAllGroupUidCount', [], ['room' => 2, 7 => 1]);

$stage->title('Messages');
$stage->call('sendToClient', [$ann, 'for you'], true, ['ann' => ['for you']]);
$stage->call('sendToUid', ['alice', 'on all your screens'], null, [
    'ann' => ['on all your screens'],
    'cai' => ['on all your screens'],
]);
$stage->call('sendToUid', [['alice', 42], 'to several'], null, [
    'ann' => ['to several'],
    'bob' => ['to several'],
    'cai' => ['to several'],
]);
$stage->call('sendToGroup', ['room', 'hello room'], null, [
    'ann' => ['hello room'],
    'bob' => ['hello room'],
    'dee' => ['hello room'],
]);
$stage->call('sendToGroup', [['room', 7], 'two groups'], null, [
    'ann' => ['two groups'],
    'bob' => ['two groups'],
    'cai' => ['two groups'],
    'dee' => ['two groups'],
]);
$stage->call('sendToGroup', ['room', 'not for ann', [$ann]], null, [
    'bob' => ['not for ann'],
    'dee' => ['not for ann'],
]);
$stage->call('sendToAll', ['hello everybody'], null, array_fill_keys(
    ['ann', 'bob', 'cai', 'dee', 'eve'],
    ['hello everybody']
));
$stage->call('sendToAll', ['a chosen few', [$bob, $cai]], null, [
    'bob' => ['a chosen few'],
    'cai' => ['a chosen few'],
]);
$stage->call('sendToAll', ['exclude_client_id' => [$ann, $dee], 'message' => 'all but two'], null, [
    'bob' => ['all but two'],
    'cai' => ['all but two'],
    'eve' => ['all but two'],
]);

$stage->title('Sessions');
$stage->call('setSession', [$ann, ['name' => 'Ann', 'seen' => ['home' => 1]]]);
$stage->call('updateSession', [$ann, ['seen' => ['shop' => 2]]]);
$stage->call('getSession', [$ann], ['name' => 'Ann', 'seen' => ['home' => 1, 'shop' => 2]]);
$stage->call('setSocketSession', [$dee, serialize(['name' => 'Dee'])], true);
$annsSession = ['name' => 'Ann', 'seen' => ['home' => 1, 'shop' => 2]];
$inRoom = [$ann => $annsSession, $bob => [], $dee => ['name' => 'Dee']];
$stage->call('getClientSessionsByGroup', ['room'], $inRoom);
$stage->call('getAllClientSessions', [], $inRoom + [$cai => [], $eve => []]);
$stage->call('getAllClientSessions', ['room'], $inRoom);

$stage->title('Who is there');
$stage->call('isOnline', [$ann], 1);
$stage->call('getAllClientCount', [], 5);
$stage->call('getAllClientIdCount', [], 5);
$stage->call('getAllClientIdList', [], $ids(...$everybody));

$stage->title('In a callback: the current client is ann');
Context::enter($ann);
$stage->call('sendToCurrentClient', ['you said something'], true, ['ann' => ['you said something']]);
$stage->call('setSession', [$ann, ['name' => 'Ann B.']]);
printf("      %s is now %s\n", '$_SESSION', json_encode($_SESSION));
$stage->expect($_SESSION === ['name' => 'Ann B.'], '$_SESSION follows');
Context::clear();

$stage->title('Within a BusinessWorker: the gateways are those that it is connected to');
$businessWorker = new class ($cluster->gateways()) {
    /** @var array<string, object> */
    public array $gatewayConnections;

    /** @param list<string> $gateways */
    public function __construct(private array $gateways)
    {
        $this->gatewayConnections = array_fill_keys($gateways, new stdClass());
    }

    /** @return array<string, string> */
    public function getAllGatewayAddresses(): array
    {
        return array_combine($this->gateways, $this->gateways);
    }
};
$stage->call('setBusinessWorker', [$businessWorker]);
$stage->call('sendToUid', ['alice', 'from a worker'], null, ['ann' => ['from a worker'], 'cai' => ['from a worker']]);
$stage->call('getAllClientCount', [], 5);
$stage->call('setBusinessWorker', [null]);

$stage->title('Goodbye');
$stage->call('closeClient', [$bob, 'you are out'], true, ['bob' => ['you are out', null]]);
$stage->call('destroyClient', [$eve], true, ['eve' => [null]]);
$stage->call('destoryClient', [$dee], true, ['dee' => [null]]);
$stage->call('isOnline', [$bob], 0);
$stage->call('getSession', [$bob], null);
Context::enter($ann);
$stage->call('closeCurrentClient', ['see you'], true, ['ann' => ['see you', null]]);
Context::enter($cai);
$stage->call('destroyCurrentClient', [], true, ['cai' => [null]]);
// In this spelling for those who call it so; cai has gone already.
$stage->call('destoryCurrentClient', [], true);
Context::clear();
$stage->call('getAllClientCount', [], 0);
$fay = $cluster->connect('text', 0);
$stage->add('fay', $fay, 'text, first gateway');
$stage->call('joinGroup', [$fay->id, 'room']);
$stage->call('ungroup', ['room']);
$stage->call('sendToGroup', ['room', 'nobody hears this']);

$stage->title('Mistakes: return values as in the original, and a line in the error log');
$stage->call('sendToClient', ['no client id', 'x'], false);
$stage->call('sendToGroup', ['', 'x'], false);
$stage->call('getAllClientInfo', [], [$fay->id => []]);
$stage->call('getClientInfoByGroup', ['room'], []);

$stage->title('Trouble: an exception that names the cause, never an empty result');
Gateway::$registerAddress = nobodyListens();
$stage->call('getAllClientCount', thrown: UnreachableException::class);
Gateway::$registerAddress = $cluster->register();
$stage->call('getAllClientCount', [], 1);

$stage->title('A look inside');
$stage->call('flush', [5.0], true);
$stage->call('status', [], static fn ($status): bool => count($status['clusters']) > 1);
// The call above has sent each client a last message (see Stage): the counters are compared when
// that is written too.
Gateway::flush(5.0);
foreach (Gateway::status()['clusters'] as $state) {
    foreach ($state['gateways'] as $gateway) {
        printf(
            "      %-9s tcp://%s %s: written %d, waiting %d; queries %d, over %d connections\n",
            $state['mode'],
            $gateway['address'],
            $gateway['link']['state'],
            $gateway['written'],
            $gateway['queued'],
            $gateway['queries'],
            $gateway['queries_opened']
        );
        $stage->expect($gateway['accepted'] === $gateway['written'], 'everything is written');
    }
}

$exitCode = $stage->end();
$cluster->stop();
exit($exitCode);

/**
 * An address at which nobody listens.
 */
function nobodyListens(): string
{
    $socket = stream_socket_server('tcp://127.0.0.1:0');
    $address = stream_socket_get_name($socket, false);
    fclose($socket);
    return $address;
}
