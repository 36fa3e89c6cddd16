<?php

/**
 * The first table of the benchmark: what a client of a BusinessWorker waits for, and what its messages cost the worker.
 *
 * Two clusters, which differ in the worker's class alone, are there at the same time and are measured in turn. With
 * GatewayWorker (GATEWAYWORKER_AUTOLOAD) they are real; without it there is gatewayd with the worker of the tests, and
 * no userland class to compare with.
 *
 *   php table.php [--rounds=5] [--gateways=1,4] [--pinned=0,1] [--only=CASE;…] [--seconds=0.4] [--json=FILE]
 */

declare(strict_types=1);

namespace GatewayWorker\Bench;

require_once __DIR__ . '/Cluster.php';

// The clusters and php-fpm are those of the tests.
spl_autoload_register(static function (string $class): void {
    $file = dirname(__DIR__, 3) . '/php-tests/' . strtr(substr($class, strlen('GatewayWorker\\Tests\\')), '\\', '/') . '.php';
    if (strpos($class, 'GatewayWorker\\Tests\\') === 0 && is_file($file)) {
        require $file;
    }
});

/** A callback's calls, timed in the callback. */
const CALLS = [
    'joinGroup, getClientCountByGroup',
    'updateSession, getSession',
    'sendToUid, isUidOnline',
    'sendToAll, getAllClientCount',
    'bindUid, isOnline',
    '20 × sendToUid, isUidOnline',
    'getSession',
    'getAllClientCount',
];
/** Pairs of client mode, and the query that they are compared with. */
const PAIRS = [
    'joinGroup, getClientCountByGroup' => 'getClientCountByGroup',
    'updateSession, getSession' => 'getSession',
];

/** @param list<float> $values */
function median(array $values): float
{
    sort($values);
    return (float) $values[intdiv(count($values), 2)];
}

/** The file that loads GatewayWorker; null where there is none. */
function autoload(): ?string
{
    return getenv('GATEWAYWORKER_AUTOLOAD') ?: null;
}

/**
 * What is compared: the extension, the userland class where GatewayWorker is there, and another build of the extension
 * where GATEWAYWORKER_SO_BEFORE names one.
 *
 * @return array<string, list<string>> side ⇒ PHP with its options
 */
function sides(): array
{
    $extension = getenv('GATEWAYWORKER_SO') ?: dirname(__DIR__, 3) . '/target/release/libgatewayworker.so';
    $before = getenv('GATEWAYWORKER_SO_BEFORE') ?: null;
    $php = [PHP_BINARY, '-d', 'opcache.enable_cli=1'];
    return array_filter([
        'extension' => array_merge($php, ['-d', "extension=$extension"]),
        'userland' => autoload() === null ? null : $php,
        'before' => $before === null ? null : array_merge($php, ['-d', "extension=$before"]),
    ]);
}

/**
 * @param array<string, mixed> $options rounds, gateways, pinned, only, seconds
 *
 * @return list<array<string, mixed>> the rows
 */
function table(array $options): array
{
    $client = getenv('BENCHCLIENT') ?: dirname(__DIR__, 3) . '/target/release/benchclient';
    [$sides, $autoload] = [sides(), autoload()];
    $rows = [];
    printf("%-64s %10s %10s %7s %10s %10s %7s\n", 'in a BusinessWorker', 'extension', 'userland', 'ratio', 'CPU', 'CPU u.', 'ratio');
    foreach ($options['gateways'] as $gateways) {
        foreach ($options['pinned'] as $pinned) {
            $pin = $pinned ? ['taskset', '-c', '0'] : [];
            $place = "$gateways gateway" . ($gateways > 1 ? 's' : '') . ($pinned ? ', one processor' : '');
            $clusters = [];
            foreach ($sides as $side => $command) {
                $clusters[$side] = new Cluster($gateways, $pin, $command, $autoload);
                $class = $clusters[$side]->ask('class');
                if ($class !== ($side === 'userland' ? 'userland' : 'extension')) {
                    throw new \RuntimeException("the worker of $side has the class of $class");
                }
            }
            $cases = [];
            foreach ([1, 10, 100] as $clients) {
                $cases["reply, $clients client" . ($clients > 1 ? 's' : '')] = ['reply', $clients];
            }
            $cases['bindUid, joinGroup, setSession, reply'] = ['manage', 1];
            foreach (CALLS as $case) {
                $cases[$case] = [$case, 1];
            }
            foreach ($cases as $name => [$message, $clients]) {
                if ($options['only'] !== null && !in_array($name, $options['only'], true)) {
                    continue;
                }
                $runs = [];
                for ($round = 0; $round < $options['rounds']; $round++) {
                    foreach ($clusters as $side => $cluster) {
                        $cpu = (int) $cluster->ask('cpu');
                        $command = array_merge($pin, [$client, (string) $clients, (string) $options['seconds'], $message], $cluster->text);
                        $run = json_decode((string) shell_exec(implode(' ', array_map('escapeshellarg', $command))), true);
                        if (!is_array($run)) {
                            throw new \RuntimeException("$side did not get through $name");
                        }
                        $run['cpu_ns'] = ((int) $cluster->ask('cpu') - $cpu) / $run['messages'];
                        $run['per_second'] = $run['messages'] / $run['seconds'];
                        $runs[$side][] = $run;
                    }
                }
                $time = $runs['extension'][0]['value_ns'] === null ? 'rtt_ns' : 'value_ns';
                $row = ['name' => $name, 'gateways' => $gateways, 'pinned' => (bool) $pinned, 'clients' => $clients];
                foreach ($runs as $side => $of) {
                    foreach ([$time, 'rtt_ns', 'cpu_ns', 'per_second'] as $key) {
                        $row[$side][$key === $time ? 'ns' : $key] = median(array_column($of, $key));
                    }
                }
                $rows[] = show($row, "$name ($place)");
            }
            foreach ($clusters as $cluster) {
                $cluster->stop();
            }
        }
    }
    return $rows;
}

/**
 * Client mode: a command and a query on the heels of each other, against the query alone.
 *
 * @param array<string, mixed> $options
 *
 * @return list<array<string, mixed>>
 */
function pairs(array $options): array
{
    [$sides, $autoload] = [sides(), autoload()];
    $rows = [];
    printf("\n%-64s %10s %10s %7s %10s %10s\n", 'in client mode', 'extension', 'userland', 'ratio', 'query', 'of query');
    foreach ([1, 4, 16] as $gateways) {
        foreach ($options['pinned'] as $pinned) {
            $pin = $pinned ? ['taskset', '-c', '0'] : [];
            $cluster = new Cluster($gateways, $pin, $sides['extension'], $autoload);
            // The client stays for as long as it is measured.
            $stream = stream_socket_client("tcp://{$cluster->text[0]}");
            fwrite($stream, "id\n");
            do {
                $id = trim((string) fgets($stream));
            } while ($id !== '' && $id[0] === '{');
            $runs = [];
            for ($round = 0; $round < $options['rounds']; $round++) {
                foreach ($sides as $side => $command) {
                    // The userland class takes 44 ms a pair.
                    [$load, $count] = $side === 'userland' ? [(string) $autoload, 15] : ['-', 500];
                    $cases = array_merge(array_keys(PAIRS), array_values(PAIRS));
                    $command = array_merge($pin, $command, [__DIR__ . '/client-mode.php', $cluster->register, $id, (string) $count, $load], $cases);
                    $run = json_decode((string) shell_exec(implode(' ', array_map('escapeshellarg', $command))), true);
                    if (!is_array($run)) {
                        throw new \RuntimeException("$side did not get through client mode");
                    }
                    $runs[$side][] = $run;
                }
            }
            fclose($stream);
            $cluster->stop();
            foreach (PAIRS as $pair => $query) {
                $row = ['name' => "$pair, client mode", 'gateways' => $gateways, 'pinned' => (bool) $pinned];
                foreach ($runs as $side => $of) {
                    $row[$side] = ['ns' => median(array_column($of, $pair)), 'query_ns' => median(array_column($of, $query))];
                }
                $row['ratio'] = isset($row['userland']) ? $row['extension']['ns'] / $row['userland']['ns'] : null;
                $row['of_query'] = $row['extension']['ns'] / $row['extension']['query_ns'];
                $place = "$gateways gateway" . ($gateways > 1 ? 's' : '') . ($pinned ? ', one processor' : '');
                printf(
                    "%-64s %10s %10s %7s %10s %10.2f%s\n",
                    "$pair ($place)",
                    us($row['extension']['ns']),
                    us($row['userland']['ns'] ?? null),
                    $row['ratio'] === null ? '–' : sprintf('%.4f', $row['ratio']),
                    us($row['extension']['query_ns']),
                    $row['of_query'],
                    isset($row['before']) ? sprintf('   before %s, query %s', us($row['before']['ns']), us($row['before']['query_ns'])) : ''
                );
                $rows[] = $row;
            }
        }
    }
    return $rows;
}

function us(?float $ns): string
{
    return $ns === null ? '–' : sprintf('%.1f', $ns / 1000);
}

/**
 * @param array<string, mixed> $row
 *
 * @return array<string, mixed> with ratios
 */
function show(array $row, string $name): array
{
    $ratio = static function (string $key) use ($row): ?float {
        $userland = $row['userland'][$key] ?? null;
        return $userland > 0 ? $row['extension'][$key] / $userland : null;
    };
    [$row['ratio'], $row['cpu_ratio'], $row['rate_ratio']] = [$ratio('ns'), $ratio('cpu_ns'), $ratio('per_second')];
    $number = static fn (?float $value): string => $value === null ? '–' : sprintf('%.2f', $value);
    printf(
        "%-64s %10s %10s %7s %10s %10s %7s%s%s\n",
        $name,
        us($row['extension']['ns']),
        us($row['userland']['ns'] ?? null),
        $number($row['ratio']),
        us($row['extension']['cpu_ns']),
        us($row['userland']['cpu_ns'] ?? null),
        $number($row['cpu_ratio']),
        str_starts_with($row['name'], 'reply') ? sprintf('   %d/s, × %s', $row['extension']['per_second'], $number($row['rate_ratio'])) : '',
        isset($row['before']) ? sprintf('   before %s, CPU %s', us($row['before']['ns']), us($row['before']['cpu_ns'])) : ''
    );
    return $row;
}

if (realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    $given = getopt('', ['rounds:', 'gateways:', 'pinned:', 'only:', 'seconds:', 'json:', 'skip-pairs', 'skip-worker']);
    $options = [
        'rounds' => (int) ($given['rounds'] ?? 5),
        'gateways' => array_map('intval', explode(',', $given['gateways'] ?? '1,4')),
        'pinned' => array_map('intval', explode(',', $given['pinned'] ?? '0,1')),
        'only' => isset($given['only']) ? explode(';', $given['only']) : null,
        'seconds' => (float) ($given['seconds'] ?? 0.4),
    ];
    $rows = array_merge(
        isset($given['skip-worker']) ? [] : table($options),
        isset($given['skip-pairs']) ? [] : pairs($options)
    );
    if (isset($given['json'])) {
        file_put_contents($given['json'], json_encode(['rows' => $rows], JSON_PRETTY_PRINT) . "\n");
    }
}
