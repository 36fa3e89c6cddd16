<?php

/**
 * Endurance: so many calls of each kind, each kind in a process of its own, and many processes that
 * are forked and exit. What a process holds afterwards has to be what it held before. Run it with
 * `make endurance`.
 *
 *   php soak/endurance/run.php [--calls=N] [--forks=N] [--jobs=N] [--only=KIND|KIND] [--json=FILE]
 *
 * The exit code is 0 where nothing grew.
 */

declare(strict_types=1);

namespace GatewayWorker\Soak\Endurance;

use GatewayWorker\Soak\Process;
use RuntimeException;

require dirname(__DIR__) . '/Process.php';

/** Clients at each of the two gateways. */
const CLIENTS = 6;
/**
 * How much a process may have grown after all the calls, in bytes. The engine counts exactly, so
 * that nothing may be left there. The C library's allocator counts what it caches for a thread as
 * given out, and the background keeps buffers of the size of its largest batch: that is tens of
 * KiB, however many calls are made. A leak of one word per call is 32 bytes there: 160 kB after
 * 5,000 calls.
 */
const BOUNDS = ['zend' => 0, 'malloc' => 96 << 10, 'rss' => 256 << 10, 'anonymous' => 256 << 10, 'descriptors' => 0, 'threads' => 0];

$options = getopt('', ['calls:', 'forks:', 'jobs:', 'only:', 'json:']);
$calls = (int) ($options['calls'] ?? 1_000_000);
$forks = (int) ($options['forks'] ?? 1000);
$jobs = (int) ($options['jobs'] ?? 2);
if (!extension_loaded('pcntl')) {
    fwrite(STDERR, "endurance: the extension pcntl is needed\n");
    exit(2);
}
$root = dirname(__DIR__, 2);
$extension = getenv('GATEWAYWORKER_SO') ?: "$root/target/release/libgatewayworker.so";
$gatewayd = getenv('GATEWAYD') ?: "$root/target/release/gatewayd";
foreach ([$extension, $gatewayd] as $file) {
    if (!is_file($file)) {
        fwrite(STDERR, "endurance: $file is not built; `make endurance` does it\n");
        exit(2);
    }
}
$errors = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-endurance-');

/** @param array<string, mixed> $config */
function start(array $config): Process
{
    global $extension, $errors;
    // Some kinds complain in the log, as often as they are called; errors of PHP are displayed.
    $settings = ['-d', "extension=$extension", '-d', 'error_log=/dev/null', '-d', 'display_errors=stderr'];
    return new Process([PHP_BINARY, ...$settings, __DIR__ . '/kind.php', json_encode($config, JSON_THROW_ON_ERROR)], $errors);
}

/** @return array<string, mixed> */
function result(Process $process): array
{
    $result = null;
    while ($result === null) {
        $read = [$process->output()];
        $none = [];
        stream_select($read, $none, $none, 3600);
        $result = $process->take();
        if ($result === null && feof($process->output())) {
            throw new RuntimeException('a process ended early: ' . $process->said());
        }
    }
    $process->close();
    return $result;
}

function number(?int $bytes): string
{
    return $bytes === null ? '-' : number_format($bytes);
}

$processes = [];
$clients = $ids = [];
try {
    $command = [$gatewayd, '--until-stdin-closes', '--greet', '--gateway', '127.0.0.1:0', '--gateway', '127.0.0.2:0'];
    $processes[] = $one = new Process($command, $errors);
    $processes[] = $two = new Process($command, $errors);
    $info = $one->read();
    foreach ($info['gateways'] as $gateway) {
        for ($i = 0; $i < CLIENTS; $i++) {
            $clients[] = $client = stream_socket_client("tcp://{$gateway['text']}", $code, $message, 5.0);
            $ids[] = json_decode((string) fgets($client), true, 512, JSON_THROW_ON_ERROR)['client_id'];
        }
    }
    $cluster = [
        'register' => $info['register'],
        'gateways' => array_column($info['gateways'], 'internal'),
        'clients' => $ids,
        'other' => $two->read()['register'],
    ];
    result(start(['prepare' => $ids] + $cluster));
    $wanted = result(start(['kinds' => true] + $cluster))['kinds'];
    if (isset($options['only'])) {
        $wanted = array_values(array_intersect($wanted, explode('|', $options['only'])));
    }
    $tasks = array_map(static fn (string $kind): array => ['kind' => $kind, 'calls' => $calls], $wanted);
    if ($forks > 0) {
        $tasks[] = ['forks' => $forks];
    }
    $row = static fn (string ...$cells): string => sprintf("%-46s %10s %9s %8s %9s %9s %9s %4s %4s  %s\n", ...$cells);
    echo $row('kind', 'calls', 'us/call', 'zend', 'malloc', 'RSS', 'anon', 'fds', 'thr', '');
    $running = $rows = $failures = [];
    while ($tasks !== [] || $running !== []) {
        while ($tasks !== [] && count($running) < $jobs) {
            $task = array_shift($tasks);
            $running[] = [$task, start($task + $cluster)];
        }
        $outputs = array_map(static fn (array $pair) => $pair[1]->output(), $running);
        $none = [];
        stream_select($outputs, $none, $none, 3600);
        foreach (array_keys($outputs) as $key) {
            [$task, $process] = $running[$key];
            unset($running[$key]);
            $result = result($process);
            $name = $task['kind'] ?? 'fork and exit';
            $growth = [];
            foreach (BOUNDS as $what => $bound) {
                $growth[$what] = $result['after'][$what] === null ? null : $result['after'][$what] - $result['before'][$what];
                if ($growth[$what] > $bound) {
                    $failures[] = "$name: $what grew by {$growth[$what]}, at most $bound is allowed";
                }
            }
            if ($result['children'] !== 0) {
                $failures[] = "$name: there is a child that nobody has waited for";
            }
            $count = $task['calls'] ?? $task['forks'];
            $rows[$name] = ['calls' => $count, 'growth' => $growth] + $result;
            echo $row(
                $name,
                number_format($count),
                number_format($result['ns'] / 1000, 2),
                ...array_map(number(...), array_values($growth)),
                ...['']
            );
        }
    }
} finally {
    foreach ($running ?? [] as [, $process]) {
        $process->kill();
    }
    foreach ($processes as $process) {
        $process->close();
    }
    unlink($errors);
}
if (isset($options['json'])) {
    $report = ['php' => PHP_VERSION, 'bounds' => BOUNDS, 'kinds' => $rows, 'failures' => $failures];
    file_put_contents($options['json'], json_encode($report, JSON_PRETTY_PRINT | JSON_THROW_ON_ERROR) . "\n");
}
echo "\nGrowth in bytes after the calls; zend and malloc as given out by the two allocators, RSS and anon in pages.\n";
foreach ($failures as $failure) {
    fwrite(STDERR, "FAILURE: $failure\n");
}
echo $failures === [] ? sprintf("%d kinds, nothing grew\n", count($rows)) : sprintf("%d failures\n", count($failures));
exit($failures === [] ? 0 : 1);
