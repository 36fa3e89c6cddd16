<?php

/**
 * Makes so many calls of one kind in this process, and prints as JSON what it holds before and
 * after.
 *
 *   php kind.php JSON
 *
 * The JSON names the cluster (see Kinds), `kind`, and `calls`; or, with `prepare`, the clients to
 * be prepared; or, with `forks`, how many children are to be forked, each of which sends, asks and
 * exits. With `kinds` it prints which kinds there are.
 */

declare(strict_types=1);

namespace GatewayWorker\Soak\Endurance;

use GatewayWorker\Lib\Gateway;
use RuntimeException;

require dirname(__DIR__) . '/BusinessWorker.php';
require dirname(__DIR__, 2) . '/php-tests/Support/Context.php';
require __DIR__ . '/Kinds.php';
require __DIR__ . '/Memory.php';

/** After so many calls it waits until all is out: what waits to be written is no leak. */
const BURST = 100;

/** @param callable(): mixed $call */
function calls(callable $call, int $count): void
{
    for ($i = 1; $i <= $count; $i++) {
        $call();
        if ($i % BURST === 0) {
            flush();
        }
    }
    flush();
}

function flush(): void
{
    if (!Gateway::flush(60.0)) {
        throw new RuntimeException('not everything is out after 60 s');
    }
}

function forks(int $count, string $client): void
{
    for ($i = 0; $i < $count; $i++) {
        // The parent has something queued when it forks, now and then.
        Gateway::sendToClient($client, 'parent');
        $pid = pcntl_fork();
        if ($pid === 0) {
            Gateway::sendToClient($client, 'child');
            // An exception is another exit code.
            exit(is_int(Gateway::getAllClientIdCount()) ? 0 : 1);
        }
        if (pcntl_waitpid($pid, $status) !== $pid || !pcntl_wifexited($status) || pcntl_wexitstatus($status) !== 0) {
            throw new RuntimeException("a child ended with status $status");
        }
    }
    flush();
}

$config = json_decode($argv[1], true, 512, JSON_THROW_ON_ERROR);
if (isset($config['prepare'])) {
    Kinds::prepare($config['register'], $config['prepare']);
    echo "{}\n";
    return;
}
$kinds = new Kinds($config);
if (isset($config['kinds'])) {
    echo json_encode(['kinds' => $kinds->names()], JSON_THROW_ON_ERROR), "\n";
    return;
}
$memory = new Memory();
if (isset($config['forks'])) {
    $nobody = substr($config['clients'][0], 0, 12) . '7fffffff';
    $run = static fn (int $count) => forks($count, $nobody);
    $calls = $config['forks'];
} else {
    $call = $kinds->of($config['kind']);
    $run = static fn (int $count) => calls($call, $count);
    $calls = $config['calls'];
}
// What it says takes up memory itself: as much before as after.
$before = $memory->lookAtRest();
$after = $memory->lookAtRest();
$run(intdiv($calls, 10) + BURST);
$before = $memory->lookAtRest();
$start = hrtime(true);
$run($calls);
$took = hrtime(true) - $start;
$after = $memory->lookAtRest();
echo json_encode([
    'before' => $before,
    'after' => $after,
    'ns' => intdiv($took, $calls),
    // Children that nobody has waited for are zombies.
    'children' => function_exists('pcntl_waitpid') ? (int) (pcntl_waitpid(-1, $status, WNOHANG) !== -1) : 0,
], JSON_THROW_ON_ERROR), "\n";
