<?php

/**
 * Uses the class in all ways, often enough for a JIT to compile it, and prints what came of it.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

trait Counts
{
    /** @var int */
    public static $sent = 0;

    public static function counted(string $client, string $message): bool
    {
        self::$sent++;
        return parent::sendToClient($client, $message);
    }
}

class Hot extends Gateway
{
    use Counts;

    public static $secretKey = '';
    public static $connectTimeout = 2;

    public static function sendToClient($client_id, $message, $raw = false)
    {
        static::$sent += 1;
        return parent::sendToClient($client_id, $message, $raw);
    }

    public function byInstance(string $client, string $message): bool
    {
        return static::sendToClient($client, $message);
    }
}

function useAll(string $client, int $i): array
{
    $hot = new Hot();
    $method = 'sendToClient';
    $class = Hot::class;
    $results = [
        Gateway::sendToClient($client, "plain $i"),
        Hot::sendToClient($client, "hot $i"),
        Hot::counted($client, "trait $i"),
        $hot->byInstance($client, "instance $i"),
        $class::$method($client, "dynamic $i"),
        call_user_func_array([Gateway::class, 'sendToClient'], ['message' => "named $i", 'client_id' => $client]),
        Gateway::isOnline($client),
        Gateway::sendToGroup('', $i),
    ];
    Gateway::$connectTimeout = $i & 1 ? 2 : 2.5;
    Gateway::$secretKey = '';
    Hot::$connectTimeout += 0;
    $results[] = Gateway::$connectTimeout;
    $results[] = Hot::$registerAddress === Gateway::$registerAddress;
    try {
        Gateway::setSession($client, "no array $i");
    } catch (TypeError $error) {
        $results[] = $error->getMessage();
    }
    try {
        Gateway::sendToClient();
    } catch (ArgumentCountError $error) {
        $results[] = $error->getMessage();
    }
    return $results;
}

ini_set('error_log', '/dev/null');
$distinct = [];
for ($i = 0; $i < $config['rounds']; $i++) {
    $key = json_encode(useAll($config['client'], $i));
    $distinct[$key] = ($distinct[$key] ?? 0) + 1;
}
$jit = function_exists('opcache_get_status') ? (opcache_get_status(false) ?: []) : [];
say([
    'distinct' => $distinct,
    'sent' => Hot::$sent,
    'surface' => md5(print_r(array_map('strval', (new ReflectionClass(Hot::class))->getMethods()), true)),
    'opcache' => $jit['opcache_enabled'] ?? false,
    'jit' => $jit['jit']['on'] ?? false,
    'guards' => [
        class_exists('GatewayWorker\Lib\Gateway', false),
        class_exists('\gatewayworker\lib\GATEWAY'),
        method_exists(Gateway::class, 'SENDTOALL'),
        is_callable('GatewayWorker\Lib\Gateway::sendToAll'),
        is_subclass_of(Hot::class, Gateway::class),
        class_exists('GatewayClient\Gateway'),
    ],
    'preloaded' => class_exists('PreloadedGateway', false)
        ? [PreloadedGateway::hello($config['client']), PreloadedGateway::$registerAddress, PreloadedGateway::$own]
        : null,
]);
