<?php

/**
 * A request to a server: does what the query says and prints what it saw as JSON.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;

require_once dirname(__DIR__, 2) . '/Support/Context.php';

if (!class_exists('RequestGateway', false)) {
    /**
     * Has statics of its own; shares the others.
     */
    class RequestGateway extends Gateway
    {
        public static $secretKey = 'own';
        public static $more = 1;
    }
}

/**
 * The statics of the class, as they are.
 *
 * @return array<string, mixed>
 */
function statics(): array
{
    $statics = [];
    foreach ((new ReflectionClass(Gateway::class))->getProperties(ReflectionProperty::IS_STATIC) as $property) {
        $property->setAccessible(true);
        $statics[$property->getName()] = $property->getValue();
    }
    return $statics;
}

/**
 * Needs more memory than there is when it is converted.
 */
final class Glutton implements JsonSerializable
{
    /** @return array<mixed> */
    public function __serialize(): array
    {
        return [self::eat()];
    }

    #[ReturnTypeWillChange]
    public function jsonSerialize()
    {
        return self::eat();
    }

    public static function eat(): string
    {
        $all = '';
        while (true) {
            $all .= str_repeat('x', 1 << 20);
        }
    }
}

/**
 * Ends the request when it is unserialized, by an error that no code can catch.
 */
final class Deadly
{
    public function __wakeup(): void
    {
        eval('class NeverToBe { abstract function f(); }');
    }
}

$seen = [];
if (class_exists(GatewayClient\Gateway::class, false)) {
    $seen['client'] = [GatewayClient\Gateway::$registerAddress, GatewayClient\Gateway::$secretKey];
}
$seen += ['pid' => getmypid(), 'statics' => statics(), 'own' => [RequestGateway::$secretKey, RequestGateway::$more]];
Gateway::$registerAddress = $_GET['register'];
$client = $_GET['client'] ?? '';
$current = static function (string $client): void {
    ['ip' => Context::$local_ip, 'port' => Context::$local_port, 'connection' => Context::$connection_id]
        = unpack('Nip/nport/Nconnection', (string) hex2bin($client));
    Context::$client_id = $client;
};
switch ($_GET['do']) {
    case 'push and query':
        Gateway::sendToClient($client, "request {$_GET['number']}");
        $seen['count'] = Gateway::getAllClientIdCount();
        // None of this is to be seen in the next request.
        $name = "register{$_GET['number']}";
        Gateway::$secretKey = str_repeat('s', 100) . $_GET['number'];
        Gateway::$registerAddress = [$name, &$name];
        Gateway::$connectTimeout = 0.5;
        Gateway::$persistentConnection = &$name;
        Gateway::$addressesCacheDisable = new stdClass();
        Gateway::setBusinessWorker(new stdClass());
        RequestGateway::$secretKey = 'changed';
        RequestGateway::$more++;
        break;
    case 'push':
        for ($i = $_GET['from'] ?? 0; $i < $_GET['to']; $i++) {
            Gateway::sendToClient($client, "push $i" . str_repeat('.', (int) ($_GET['padding'] ?? 0)));
        }
        break;
    case 'push after the end':
        fastcgi_finish_request();
        for ($i = 0; $i < $_GET['to']; $i++) {
            Gateway::sendToClient($client, "push $i");
        }
        exit;
    case 'fatal':
        Gateway::sendToClient($client, 'push 0');
        no_such_function();
        // no break: the function does not exist
    case 'exit':
        Gateway::sendToClient($client, 'push 0');
        exit;
    case 'memory in a message':
        Gateway::sendToClient($client, ['m' => new Glutton()]);
        break;
    case 'memory in a group':
        Gateway::sendToGroup([new Glutton()], 'x');
        break;
    case 'memory in a session':
        $current($client);
        Gateway::setSession($client, ['m' => new Glutton()]);
        break;
    case 'memory in a merged session':
        $current($client);
        $_SESSION = array_fill(0, 1 << 19, 'x');
        $fill = [];
        while (memory_get_usage() < $_GET['until']) {
            $fill[] = str_repeat('y', 1 << 16);
        }
        Gateway::updateSession($client, [1 => 'z']);
        break;
    case 'memory in a reply':
        $fill = [];
        while (memory_get_usage() < $_GET['until']) {
            $fill[] = str_repeat('y', 1 << 16);
        }
        $seen['replies'] = count(Gateway::getAllClientSessions());
        break;
    case 'deadly session':
        $text = str_repeat('x', (int) $_GET['bytes']);
        Gateway::setSocketSession($client, serialize(['text' => $text, 'deadly' => new Deadly()]));
        break;
    case 'all sessions':
        $seen['replies'] = count(Gateway::getAllClientSessions());
        break;
    case 'memory in the list of gateways':
        Gateway::setBusinessWorker(new class {
            /** @var array<mixed> */
            public $gatewayConnections = [];

            public function getAllGatewayAddresses(): array
            {
                return [Glutton::eat()];
            }
        });
        Gateway::getAllClientIdCount();
        break;
    case 'exit in the list of gateways':
        Gateway::setBusinessWorker(new class {
            /** @var array<mixed> */
            public $gatewayConnections = [];

            public function getAllGatewayAddresses(): array
            {
                exit;
            }
        });
        Gateway::getAllClientIdCount();
        break;
    case 'session':
        $current($client);
        Gateway::setSession($client, ['a' => 1]);
        Gateway::updateSession($client, ['b' => 2]);
        $seen['session'] = [$_SESSION, Gateway::getSession($client)];
        $seen['all'] = count(Gateway::getAllClientSessions());
        $seen['group'] = Gateway::getClientIdCountByGroup('nobody');
        Gateway::sendToGroup(['nobody'], 'x');
        break;
    case 'count':
        $seen['count'] = Gateway::getAllClientIdCount();
        break;
    case 'setting':
        $seen['before'] = ini_get('gatewayworker.query_timeout');
        ini_set('gatewayworker.query_timeout', '1.5');
        $seen['changed'] = ini_get('gatewayworker.query_timeout');
        break;
    case 'query a silent gateway':
        try {
            Gateway::getAllClientIdCount();
        } catch (Exception $exception) {
            $seen['message'] = $exception->getMessage();
        }
        break;
    case 'phpinfo':
        phpinfo(INFO_MODULES);
        exit;
}
echo json_encode($seen, JSON_THROW_ON_ERROR | JSON_PARTIAL_OUTPUT_ON_ERROR);
