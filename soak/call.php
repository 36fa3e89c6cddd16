<?php

/**
 * One of the processes that call. Its configuration is the JSON in its argument. It reports in
 * lines of JSON:
 *
 *   beat: it is running         violation: something that must not happen
 *   report: the books           done, recovered, burst: it waits for the next order
 *   recovering: something does not work yet, and what
 */

declare(strict_types=1);

namespace GatewayWorker\Soak;

require __DIR__ . '/Cluster.php';
require __DIR__ . '/BusinessWorker.php';
foreach (['Subject', 'Population', 'Books', 'Examiner', 'Commands', 'Queries', 'Caller'] as $class) {
    require __DIR__ . "/$class.php";
}
require dirname(__DIR__) . '/php-tests/Support/Context.php';

/**
 * @param array<string, mixed> $message
 */
function say(array $message): void
{
    fwrite(STDOUT, json_encode($message, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
}

/** What it is told next; null: nothing yet. */
function told(bool $wait): ?string
{
    static $buffer = '';
    do {
        $end = strpos($buffer, "\n");
        if ($end !== false) {
            $line = substr($buffer, 0, $end);
            $buffer = substr($buffer, $end + 1);
            return json_decode($line, true, 512, JSON_THROW_ON_ERROR)['do'];
        }
        [$read, $none] = [[STDIN], []];
        if (stream_select($read, $none, $none, $wait ? 3600 : 0) === 1) {
            $chunk = fread(STDIN, 4096);
            if ($chunk === '' || $chunk === false) {
                // The one who started us is gone.
                exit(3);
            }
            $buffer .= $chunk;
        }
    } while ($wait || $buffer !== '');
    return null;
}

/** Children of this process that have not been waited for. */
function reap(array &$children, bool $wait): void
{
    foreach ($children as $pid => $true) {
        if (pcntl_waitpid($pid, $status, $wait ? 0 : WNOHANG) === $pid) {
            unset($children[$pid]);
            if (!pcntl_wifexited($status) || pcntl_wexitstatus($status) !== 0) {
                say(['violation' => "the forked caller $pid ended with status $status"]);
            }
        }
    }
}

$config = json_decode($argv[1], true, 512, JSON_THROW_ON_ERROR);
stream_set_blocking(STDIN, false);
$caller = new Caller($config);
$children = [];
$beat = 0.0;
$next = $config['sender'];
$limit = $config['calls'] ?? PHP_INT_MAX;
$order = null;
while ($order === null && $caller->total() < $limit) {
    $caller->step();
    if (mt_rand(0, 19) === 0) {
        // Not only bursts: a frame after a pause is sent on another way.
        usleep(mt_rand(0, 20_000));
    }
    if ($config['forks'] && $caller->total() % 40 === 0) {
        reap($children, false);
        if (count($children) < 3) {
            $next++;
            $pid = pcntl_fork();
            if ($pid === 0) {
                mt_srand($config['seed'] + $next);
                $caller->become($next);
                while ($caller->total() < 20) {
                    $caller->step();
                }
                say(['report' => $caller->report()]);
                exit(0);
            }
            $children[$pid] = true;
        }
    }
    $now = hrtime(true) / 1e9;
    if ($now - $beat >= 0.5) {
        $beat = $now;
        say(['beat' => $caller->total()]);
        $order = told(false);
    }
}
reap($children, true);
if (!$config['stays']) {
    say(['report' => $caller->report()]);
    exit(0);
}
say(['done' => $caller->total()]);
$order ??= told(true);
// It has become calm.
$caller->recover(45.0);
say(['recovered' => true]);
told(true);
$commands = $caller->burst($config['burst']);
say(['burst' => $commands]);
told(true);
say(['report' => $caller->report()]);
