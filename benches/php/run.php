<?php

/**
 * Runs the whole-process benchmark and prints the table with ratios; writes it as JSON too.
 *
 *   php benches/php/run.php [--rounds=5] [--only=NAME,…] [--json=FILE]
 *
 * The first tables are those of worker/table.php: what is felt in a BusinessWorker (`--only=worker`) and by a script in
 * client mode (`--only=pairs`). The others measure calls in a loop, against a peer that discards.
 *
 * The userland class takes part where the variable GATEWAYWORKER_AUTOLOAD names an autoload file that offers it. Both sides of
 * a row run in turn, in processes of their own, so that a machine whose speed drifts does not favour one of them; the
 * figures are medians.
 */

declare(strict_types=1);

use function GatewayWorker\Bench\median;

require __DIR__ . '/worker/table.php';

$options = getopt('', ['rounds:', 'only:', 'json:']);
$rounds = (int) ($options['rounds'] ?? 5);
$only = isset($options['only']) ? explode(',', $options['only']) : null;
$root = dirname(__DIR__, 2);
$extension = getenv('GATEWAYWORKER_SO') ?: "$root/target/release/libgatewayworker.so";
$benchpeer = getenv('BENCHPEER') ?: "$root/target/release/benchpeer";
$autoload = getenv('GATEWAYWORKER_AUTOLOAD') ?: null;

/** Row ⇒ [case, gateways, clients, count for the extension, count for userland, against: userland or raw]. */
$rows = [
    'sendToUid, 16 gateways' => ['sendToUid', 16, 0, 400_000, 4_000],
    'sendToUid, 4 gateways' => ['sendToUid', 4, 0, 800_000, 10_000],
    'sendToClient' => ['sendToClient', 1, 0, 2_000_000, 50_000],
    'bindUid' => ['bindUid', 1, 0, 2_000_000, 50_000],
    'setSession' => ['setSession', 1, 0, 1_000_000, 50_000],
    'sendToGroup with exclusions, 16 gateways' => ['sendToGroup', 16, 0, 200_000, 4_000],
    'one lone sendToClient per 5 ms' => ['lone', 1, 0, 200, 200],
    'isOnline' => ['isOnline', 1, 0, 5_000, 5_000],
    'getSession' => ['getSession', 1, 0, 5_000, 5_000],
    'getAllClientCount, 16 gateways' => ['getAllClientCount', 16, 0, 2_000, 2_000],
    'getAllUidList, 4 × 10,000' => ['getAllUidList', 4, 10_000, 20, 10],
    'getAllGroupUidList, 4 × 10,000' => ['getAllGroupUidList', 4, 10_000, 20, 10],
    'getAllClientSessions, 4 × 10,000' => ['getAllClientSessions', 4, 10_000, 20, 10],
    'getClientIdByUid, 40,000 ids' => ['getClientIdByUid', 4, 10_000, 20, 10],
];
$withRaw = ['sendToUid', 'sendToClient', 'isOnline', 'getSession', 'getAllClientCount', 'getAllUidList', 'getAllGroupUidList',
    'getAllClientSessions', 'getClientIdByUid'];

/** @return array<string, mixed> */
function measure(string $side, string $case, int $count, string $peer): array
{
    global $extension, $autoload;
    $command = [PHP_BINARY];
    if ($side === 'extension') {
        array_push($command, '-d', "extension=$extension");
    }
    array_push($command, '-d', 'opcache.enable_cli=1', __DIR__ . '/bench.php', "--side=$side", "--case=$case");
    array_push($command, "--count=$count", "--peer=$peer");
    if ($side === 'userland') {
        $command[] = "--autoload=$autoload";
    }
    $process = proc_open($command, [1 => ['pipe', 'w']], $pipes);
    $output = stream_get_contents($pipes[1]);
    proc_close($process);
    $result = json_decode((string) $output, true);
    if (!is_array($result)) {
        throw new RuntimeException("$side $case: $output");
    }
    return $result;
}

function microseconds(?float $ns): string
{
    return $ns === null ? '–' : ($ns >= 1e6 ? sprintf('%.2f ms', $ns / 1e6) : sprintf('%.2f µs', $ns / 1e3));
}

$table = [];
$surroundings = ['rounds' => $rounds, 'gateways' => [1, 4], 'pinned' => [0, 1], 'only' => null, 'seconds' => 0.4];
if ($only === null || in_array('worker', $only, true)) {
    $table = array_merge($table, GatewayWorker\Bench\table($surroundings));
}
if ($only === null || in_array('pairs', $only, true)) {
    $table = array_merge($table, GatewayWorker\Bench\pairs($surroundings));
}
printf("\n%-42s %12s %12s %12s %9s %9s %9s\n", 'case', 'extension', 'userland', 'raw', '× time', '× CPU', 'of raw');
foreach ($rows as $name => [$case, $gateways, $clients, $count, $userlandCount]) {
    if ($only !== null && !in_array($case, $only, true)) {
        continue;
    }
    $process = proc_open([$benchpeer, (string) $gateways, (string) $clients], [1 => ['pipe', 'w']], $pipes);
    $peer = trim((string) fgets($pipes[1]));
    $sides = ['extension' => $count];
    if ($autoload !== null) {
        $sides['userland'] = $userlandCount;
    }
    if (in_array($case, $withRaw, true)) {
        $sides['raw'] = $count;
    }
    $runs = [];
    for ($round = 0; $round < $rounds; $round++) {
        foreach ($sides as $side => $calls) {
            $runs[$side][] = measure($side, $case, $calls, $peer);
        }
    }
    proc_terminate($process);
    proc_close($process);
    $figure = static function (string $side, string $key) use ($runs): ?float {
        $values = array_column($runs[$side] ?? [], $key);
        return $values === [] ? null : median($values);
    };
    $time = $case === 'lone' ? 'arrival_ns' : 'ns';
    $row = ['name' => $name];
    foreach (array_keys($sides) as $side) {
        foreach ([$time, 'cpu_ns', 'call_ns', 'loop_ns'] as $key) {
            $row[$side][$key] = $figure($side, $key);
        }
    }
    $ratio = static fn (?float $a, ?float $b): ?float => $a !== null && $b !== null && $b > 0 ? $a / $b : null;
    $row['times_faster'] = $ratio($figure('userland', $time), $figure('extension', $time));
    $row['times_less_cpu'] = $ratio($figure('userland', 'cpu_ns'), $figure('extension', 'cpu_ns'));
    $row['of_raw'] = $ratio($figure('extension', $time), $figure('raw', $time));
    $number = static fn (?float $value): string => $value === null ? '–' : sprintf('%.2f', $value);
    printf(
        "%-42s %12s %12s %12s %9s %9s %9s\n",
        $name,
        microseconds($figure('extension', $time)),
        microseconds($figure('userland', $time)),
        microseconds($figure('raw', $time)),
        $number($row['times_faster']),
        $number($row['times_less_cpu']),
        $number($row['of_raw'])
    );
    if ($case === 'lone') {
        printf(
            "%-42s %12s %12s\n",
            '  the caller\'s time in it',
            microseconds($figure('extension', 'call_ns')),
            microseconds($figure('userland', 'call_ns'))
        );
    }
    $table[] = $row;
}
/** Starts a peer: its process and its line of addresses. */
function peer(int $gateways): array
{
    global $benchpeer;
    $process = proc_open([$benchpeer, (string) $gateways, '1'], [1 => ['pipe', 'w']], $pipes);
    return [$process, trim((string) fgets($pipes[1]))];
}

if (($only === null || in_array('fpm', $only, true)) && GatewayWorker\Tests\Support\Fpm::program() !== null) {
    putenv("GATEWAYWORKER_SO=$extension");
    [$process, $line] = peer(4);
    $register = json_decode($line, true)['register'];
    $sides = ['extension' => ['register' => $register]];
    if ($autoload !== null) {
        $sides['userland'] = ['register' => $register, 'autoload' => $autoload];
    }
    $servers = $times = $medians = [];
    foreach (array_keys($sides) as $side) {
        $directory = sys_get_temp_dir() . '/gatewayworker-bench-' . getmypid() . "-$side";
        mkdir($directory);
        $ini = ['gatewayworker.enable' => $side === 'extension' ? '1' : '0'];
        $servers[$side] = new GatewayWorker\Tests\Support\Fpm($directory, $ini);
    }
    for ($i = 0; $i < 300; $i++) {
        foreach ($sides as $side => $query) {
            $time = (int) $servers[$side]->get(__DIR__ . '/fpm-request.php', $query);
            if ($i >= 10) {
                $times[$side][] = $time;
            }
        }
    }
    // The message is written by another thread, which sleeps: to wake it is the least that such a call costs.
    $wakes = [];
    for ($round = 0; $round < $rounds; $round++) {
        $wakes[] = (float) shell_exec(escapeshellarg($benchpeer) . ' wake');
    }
    foreach ($servers as $side => $server) {
        $medians[$side] = median($times[$side]);
        $server->dispose();
        $directory = sys_get_temp_dir() . '/gatewayworker-bench-' . getmypid() . "-$side";
        array_map('unlink', array_filter((array) glob("$directory/*"), 'is_file'));
        @rmdir($directory);
    }
    $medians['raw'] = median($wakes);
    proc_terminate($process);
    proc_close($process);
    $faster = isset($medians['userland']) ? $medians['userland'] / $medians['extension'] : null;
    printf(
        "%-42s %12s %12s %12s %9s %9s %9s\n",
        'php-fpm request that pushes to 4 gateways',
        microseconds($medians['extension']),
        microseconds($medians['userland'] ?? null),
        microseconds($medians['raw']),
        $faster === null ? '–' : sprintf('%.2f', $faster),
        '–',
        sprintf('%.2f', $medians['extension'] / $medians['raw'])
    );
    $row = ['name' => 'php-fpm request that pushes to 4 gateways', 'times_faster' => $faster];
    $row['of_raw'] = $medians['extension'] / $medians['raw'];
    $table[] = $row + array_map(static fn (float $ns): array => ['call_ns' => $ns], $medians);
}
if ($only === null || in_array('memory', $only, true)) {
    [$process, $line] = peer(4);
    $register = json_decode($line, true)['register'];
    $run = static function (array $arguments): array {
        return json_decode((string) shell_exec(implode(' ', array_map('escapeshellarg', $arguments))), true);
    };
    $plain = $used = [];
    for ($round = 0; $round < $rounds; $round++) {
        $plain[] = $run([PHP_BINARY, __DIR__ . '/memory.php'])['kib'];
        $used[] = $run([PHP_BINARY, '-d', "extension=$extension", __DIR__ . '/memory.php', $register]);
    }
    proc_terminate($process);
    proc_close($process);
    $more = median(array_column($used, 'kib')) - median($plain);
    $threads = $used[0]['threads'] - 1;
    printf("%-42s %9.2f MiB more than plain PHP, %d thread more\n", 'after the first use', $more / 1024, $threads);
    $table[] = ['name' => 'memory after first use', 'more_kib' => $more, 'more_threads' => $threads];
}
if (isset($options['json'])) {
    $machine = ['php' => PHP_VERSION, 'cpus' => (int) shell_exec('nproc'), 'rounds' => $rounds];
    file_put_contents($options['json'], json_encode(['machine' => $machine, 'rows' => $table], JSON_PRETTY_PRINT) . "\n");
}
