<?php

/**
 * The board: starts a register, three gateways and a page that talks to them, and stops all of it
 * on Ctrl-C.
 *
 * Start it with `make board`. BOARD_PORT is the port of the page; without it, any free one is
 * taken. Everything listens on the loopback interface. This is a development tool: docs/board.md.
 */

declare(strict_types=1);

use GatewayWorker\Board\Cluster;
use GatewayWorker\Board\Server;

require __DIR__ . '/Cluster.php';
require __DIR__ . '/Server.php';

$port = getenv('BOARD_PORT');
$port = $port === false || $port === '' ? '0' : $port;
if (!ctype_digit($port) || (int) $port > 65535) {
    fwrite(STDERR, "BOARD_PORT is to be a port number, and is '$port'.\n");
    exit(2);
}

$stop = false;
if (function_exists('pcntl_async_signals')) {
    pcntl_async_signals(true);
    foreach ([SIGINT, SIGTERM, SIGHUP] as $signal) {
        pcntl_signal($signal, static function () use (&$stop): void {
            $stop = true;
        });
    }
}

$cluster = $server = null;
$code = 0;
try {
    $cluster = new Cluster(3);
    $server = new Server((int) $port, $cluster);
    echo "The board is at {$server->url()}\nCtrl-C stops it.\n";
    while (!$stop) {
        $server->passOn();
    }
} catch (RuntimeException $failure) {
    // A signal ends them too, maybe before it is seen here.
    if (!$stop) {
        fwrite(STDERR, "The board ends: {$failure->getMessage()}\n");
        $code = 1;
    }
} finally {
    $server?->stop();
    $cluster?->stop();
}
exit($code);
