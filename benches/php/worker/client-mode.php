<?php

/**
 * Client mode: what a script outside of the workers waits for. Prints the median nanoseconds of each case as JSON.
 *
 *   php client-mode.php REGISTER CLIENT_ID COUNT AUTOLOAD|- CASE…
 */

declare(strict_types=1);

use GatewayWorker\Bench\Events;
use GatewayWorker\Lib\Gateway;

[, $register, $id, $count, $autoload] = $argv;
if ($autoload !== '-') {
    require $autoload;
}
require __DIR__ . '/Events.php';
Gateway::$registerAddress = $register;

$medians = [];
foreach (array_slice($argv, 5) as $case) {
    $times = [];
    for ($i = -3; $i < (int) $count; $i++) {
        $start = hrtime(true);
        Events::calls($case, $id);
        if ($i >= 0) {
            $times[] = hrtime(true) - $start;
        }
    }
    sort($times);
    $medians[$case] = $times[count($times) >> 1];
}
echo json_encode($medians), "\n";
