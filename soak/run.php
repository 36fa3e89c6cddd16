<?php

/**
 * Soak: mixed random calls from several processes, with faults all the time; then calm, and the
 * books are compared.
 *
 *   php soak/run.php [--minutes=N | --calls=N] [--seed=N] [--callers=N] [--burst=N] [--json=FILE]
 *
 * With --minutes the storm lasts so long, with --calls it lasts until each caller has made so many
 * calls. The exit code is 0 where nothing was wrong. Soak and its callers say what is looked at.
 */

declare(strict_types=1);

namespace GatewayWorker\Soak;

use RuntimeException;

require __DIR__ . '/Process.php';
require __DIR__ . '/Cluster.php';
require __DIR__ . '/BusinessWorker.php';
require __DIR__ . '/Caller.php';
require __DIR__ . '/Faults.php';
require __DIR__ . '/Soak.php';

if (!extension_loaded('pcntl') || !extension_loaded('posix')) {
    fwrite(STDERR, "The extensions pcntl and posix are needed.\n");
    exit(2);
}
$options = getopt('', ['minutes:', 'calls:', 'seed:', 'callers:', 'burst:', 'json:']);
$seed = (int) ($options['seed'] ?? random_int(1, 1_000_000_000));
echo "seed $seed\n";
$soak = new Soak(
    $seed,
    (int) ($options['callers'] ?? 8),
    isset($options['calls']) ? (int) $options['calls'] : null,
    60.0 * (float) ($options['minutes'] ?? 30),
    (int) ($options['burst'] ?? 1000)
);
$report = $soak->run();
if (isset($options['json'])) {
    file_put_contents($options['json'], json_encode($report, JSON_PRETTY_PRINT | JSON_THROW_ON_ERROR) . "\n");
}
echo Soak::table($report);
exit($report['violations'] === [] ? 0 : 1);
