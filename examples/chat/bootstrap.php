<?php

/**
 * What all parts of the chat have in common. Returns the configuration, which comes from the
 * environment:
 *
 *   CHAT_REGISTER     where the register listens and is found, 127.0.0.1:1236
 *   CHAT_LISTEN       where the gateway takes clients, websocket://0.0.0.0:8282
 *   CHAT_LAN_IP       the gateway's address for workers and for PHP code that pushes, 127.0.0.1
 *   CHAT_START_PORT   its first internal port, 2900: each process takes the next one
 *   CHAT_GATEWAYS     how many gateway processes, 1
 *   CHAT_WORKERS      how many worker processes, 2
 *   CHAT_SECRET_KEY   what register, gateways and workers have to know; nothing
 *   CHAT_RUNTIME      the directory for Workerman's pid file and log; the default is Workerman's own
 *   CHAT_AUTOLOAD     the file that loads GatewayWorker, vendor/autoload.php
 */

declare(strict_types=1);

use Workerman\Worker;

$setting = static function (string $name, string $default): string {
    $value = getenv("CHAT_$name");
    return $value === false || $value === '' ? $default : $value;
};

require_once $setting('AUTOLOAD', __DIR__ . '/vendor/autoload.php');

$runtime = $setting('RUNTIME', '');
if ($runtime !== '') {
    // One master process per file that is started.
    $name = basename($_SERVER['SCRIPT_FILENAME'], '.php');
    Worker::$pidFile = "$runtime/$name.pid";
    Worker::$logFile = "$runtime/$name.log";
    Worker::$statusFile = "$runtime/$name.status";
}

return [
    'register' => $setting('REGISTER', '127.0.0.1:1236'),
    'listen' => $setting('LISTEN', 'websocket://0.0.0.0:8282'),
    'lan ip' => $setting('LAN_IP', '127.0.0.1'),
    'start port' => (int) $setting('START_PORT', '2900'),
    'gateways' => (int) $setting('GATEWAYS', '1'),
    'workers' => (int) $setting('WORKERS', '2'),
    'secret key' => $setting('SECRET_KEY', ''),
];
