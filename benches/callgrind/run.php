<?php

/**
 * Counts the instructions of the hot paths with valgrind's callgrind, and compares them with limits.json. Run it with
 * `make callgrind`; `make callgrind UPDATE=1` writes the limits anew.
 *
 * Counted is what the calling thread executes from the entry into a method to its end: `own` in the extension itself,
 * `all` with what it calls in PHP and the C library. The kernel and the background thread are not in it. Unlike times, the
 * counts hardly depend on the machine, but they do on the versions of PHP, the C library and the Rust compiler.
 */

declare(strict_types=1);

/** Every method of the extension is entered through this function. */
const ENTRY = 'gatewayworker::engine::frame::enter';
/** See calls.php. */
const MARKER = 'getloadavg';
const GATEWAYS = 4;
const CLIENTS = 1000;
/** Row ⇒ [method, calls]. */
const ROWS = [
    'sendToUid, 4 gateways' => ['sendToUid', 10_000],
    'sendToClient, an answered message' => ['sendToClient', 10_000],
    'joinGroup, getClientCountByGroup' => ['joinGroup, getClientCountByGroup', 200],
    'setSession' => ['setSession', 10_000],
    'isOnline' => ['isOnline', 200],
    'getAllUidList, 4 × 1,000' => ['getAllUidList', 10],
    'getAllGroupUidList, 4 × 1,000' => ['getAllGroupUidList', 5],
    'getAllClientSessions, 4 × 1,000' => ['getAllClientSessions', 5],
    'getClientIdByUid, 4 × 1,000' => ['getClientIdByUid', 10],
];
const LIMITS = __DIR__ . '/limits.json';

$root = dirname(__DIR__, 2);
$extension = getenv('GATEWAYWORKER_SO') ?: "$root/target/profiling/libgatewayworker.so";
$benchpeer = getenv('BENCHPEER') ?: "$root/target/release/benchpeer";
$update = in_array('--update', $argv, true);

function fail(string $message): never
{
    fwrite(STDERR, "callgrind: $message\n");
    exit(1);
}

function version(string $command): string
{
    return trim((string) shell_exec("$command --version 2>/dev/null"));
}

/**
 * The instructions of so many calls.
 *
 * @return array{own: int, all: int}
 */
function instructions(string $method, int $calls, string $peer): array
{
    global $extension;
    $base = sys_get_temp_dir() . '/gatewayworker-callgrind-' . getmypid();
    $command = ['valgrind', '--tool=callgrind', '--separate-threads=yes', '--toggle-collect=' . ENTRY,
        '--zero-before=' . MARKER, '--compress-strings=no', '--compress-pos=no', "--callgrind-out-file=$base.out",
        "--log-file=$base.log", PHP_BINARY, '-n', '-d', "extension=$extension", __DIR__ . '/calls.php', $method,
        (string) $calls, $peer];
    $process = proc_open($command, [1 => ['pipe', 'w'], 2 => ['redirect', 1]], $pipes);
    $output = stream_get_contents($pipes[1]);
    $status = proc_close($process);
    // The calling thread is the first one.
    $profile = @file("$base.out-01", FILE_IGNORE_NEW_LINES);
    $log = (string) @file_get_contents("$base.log");
    array_map('unlink', (array) glob("$base.*"));
    if ($status !== 0 || $output !== '' || $profile === false) {
        fail("$method ended with status $status: $output\n$log");
    }
    return costs($profile, basename($extension));
}

/**
 * Sums up a profile. Its lines of costs belong to the function that was named last, but for the one after `calls=`, which is
 * what a function has cost its caller.
 *
 * @param list<string> $profile
 * @return array{own: int, all: int}
 */
function costs(array $profile, string $library): array
{
    $sums = ['own' => 0, 'all' => 0];
    $own = $ofCallee = false;
    foreach ($profile as $line) {
        if (str_starts_with($line, 'ob=')) {
            $own = basename($line) === $library;
        } elseif (str_starts_with($line, 'calls=')) {
            $ofCallee = true;
        } elseif (preg_match('/^\d+ (\d+)$/', $line, $match) === 1) {
            if (!$ofCallee) {
                $sums['all'] += (int) $match[1];
                $sums['own'] += $own ? (int) $match[1] : 0;
            }
            $ofCallee = false;
        }
    }
    return $sums;
}

$valgrind = version('valgrind');
if ($valgrind === '') {
    fail('valgrind was not found');
}
$versions = ['php' => PHP_VERSION, 'rustc' => version('rustc'), 'valgrind' => $valgrind];
$process = proc_open([$benchpeer, (string) GATEWAYS, (string) CLIENTS, 'mixed'], [1 => ['pipe', 'w']], $pipes);
$peer = trim((string) fgets($pipes[1]));
register_shutdown_function(static function () use ($process): void {
    proc_terminate($process);
    proc_close($process);
});

// Neither what is before the marker nor what is outside of the methods may count.
if (instructions('sendToUid', 0, $peer)['all'] !== 0) {
    fail('callgrind counts from the start instead of from ' . MARKER . '()');
}
$counts = [];
foreach (ROWS as $row => [$method, $calls]) {
    $sums = instructions($method, $calls, $peer);
    if ($sums['own'] === 0) {
        fail("$row: callgrind has seen no call of " . ENTRY . '(), or the extension has no symbols');
    }
    $counts[$row] = array_map(static fn (int $sum): int => intdiv($sum, $calls), $sums);
}

$limits = json_decode((string) @file_get_contents(LIMITS), true);
if ($update) {
    $limits = ['tolerance' => $limits['tolerance'] ?? 0.1, 'measured_with' => $versions, 'instructions' => $counts];
    $flags = JSON_PRETTY_PRINT | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES;
    file_put_contents(LIMITS, json_encode($limits, $flags | JSON_THROW_ON_ERROR) . "\n");
} elseif (!is_array($limits)) {
    fail('there are no limits yet: make callgrind UPDATE=1');
}
foreach (array_diff_assoc($versions, $limits['measured_with']) as $program => $version) {
    echo "Measured with $version; the limits are those of {$limits['measured_with'][$program]}.\n";
}
$minor = static fn (string $version): string => implode('.', array_slice(explode('.', $version), 0, 2));
// What the engine does for the same call is not ours, and changes from one version to the next.
$compared = $minor($limits['measured_with']['php']) === $minor(PHP_VERSION) ? ['own', 'all'] : ['own'];
if (!in_array('all', $compared, true)) {
    echo "Another PHP: only what the extension itself executes is compared.\n";
}
printf("%-34s %10s %10s %8s %10s %10s %8s\n", 'instructions per call', 'own', 'limit', '', 'all', 'limit', '');
$exceeded = $lower = [];
foreach ($counts as $row => $count) {
    // The padding of printf() counts bytes, and × has two.
    $line = $row . str_repeat(' ', 34 - (int) preg_match_all('/./su', $row));
    foreach ($count as $kind => $instructions) {
        $limit = $limits['instructions'][$row][$kind] ?? fail("$row has no limit yet: make callgrind UPDATE=1");
        $change = $instructions / $limit - 1;
        $line .= sprintf(' %10s %10s %+7.1f%%', number_format($instructions), number_format($limit), 100 * $change);
        if (in_array($kind, $compared, true) && $change > $limits['tolerance']) {
            $exceeded["$row ($kind)"] = true;
        } elseif (in_array($kind, $compared, true) && $change < -$limits['tolerance']) {
            $lower["$row ($kind)"] = true;
        }
    }
    echo "$line\n";
}
if ($lower !== []) {
    echo 'Well under the limit, to be lowered with make callgrind UPDATE=1: ', implode('; ', array_keys($lower)), "\n";
}
if ($exceeded !== []) {
    fail(sprintf('more than %d %% over the limit: %s', 100 * $limits['tolerance'], implode('; ', array_keys($exceeded))));
}
