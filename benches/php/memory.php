<?php

/** Prints the resident memory in KiB and the number of threads, after the first use of the class if it is there. */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

if (isset($argv[1])) {
    Gateway::$registerAddress = $argv[1];
    Gateway::getAllClientCount();
    // After the question: the peer discards commands, and with them the barrier of a question behind them.
    Gateway::sendToAll('hello');
}
preg_match('/^VmRSS:\s+(\d+)/m', (string) file_get_contents('/proc/self/status'), $memory);
echo json_encode(['kib' => (int) $memory[1], 'threads' => count(scandir('/proc/self/task')) - 2]), "\n";
