<?php

/**
 * Sends, queries and waits, in both modes, and checks whether the process listens anywhere.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\WorkerStub;

require __DIR__ . '/common.php';
require dirname(__DIR__, 2) . '/bootstrap.php';

/**
 * The inodes of this process's sockets.
 *
 * @return list<string>
 */
function sockets(): array
{
    $inodes = [];
    foreach (scandir('/proc/self/fd') as $fd) {
        if (preg_match('~^socket:\[(\d+)\]$~', (string) @readlink("/proc/self/fd/$fd"), $match) === 1) {
            $inodes[] = $match[1];
        }
    }
    return $inodes;
}

/**
 * Sockets through which unsolicited data can arrive: the table and the line of each.
 *
 * @return array<string, string>
 */
function listening(): array
{
    [$found, $sockets] = [[], sockets()];
    $tables = ['tcp' => [9, 3, '0A'], 'tcp6' => [9, 3, '0A'], 'unix' => [6, 3, '00010000']];
    // These have no state that means "listening": any of them can receive.
    $tables += array_fill_keys(['udp', 'udp6', 'udplite', 'udplite6', 'raw', 'raw6'], [9, null, null]);
    foreach ($tables as $table => [$inode, $column, $value]) {
        foreach (array_slice((array) @file("/proc/self/net/$table"), 1) as $line) {
            $fields = preg_split('~\s+~', trim((string) $line));
            $isOurs = in_array($fields[$inode] ?? '', $sockets, true);
            if ($isOurs && ($column === null || $fields[$column] === $value)) {
                $found[$table] = $line;
            }
        }
    }
    return $found;
}

Gateway::$secretKey = $config['secret'];
GatewayClient\Gateway::$secretKey = $config['secret'];
GatewayClient\Gateway::$registerAddress = $config['register'];
Gateway::sendToAll('to all');
Gateway::bindUid($config['client'], 'ann');
Gateway::getAllClientCount();
GatewayClient\Gateway::sendToUid('ann', 'for ann');
GatewayClient\Gateway::getClientIdByUid('ann');
Gateway::setBusinessWorker(new WorkerStub($config['gateways']));
Gateway::sendToClient($config['client'], 'to one');
Gateway::getSession($config['client']);
Gateway::flush();
$report = ['sockets' => count(sockets()), 'listening' => listening()];
$listener = stream_socket_server('tcp://127.0.0.1:0');
$report['proof'] = array_keys(listening());
say($report);
