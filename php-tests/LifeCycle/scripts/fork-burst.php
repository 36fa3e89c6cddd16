<?php

/**
 * Sends and queries, and forks again and again in between; the children send and query as well, and
 * end in several ways. Complains about wrong replies to queries (none are expected).
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$wrong = [];
$query = static function (string $who) use ($config): void {
    foreach ($config['groups'] as $group => $count) {
        $reply = Gateway::getClientIdCountByGroup($group);
        if ($reply !== $count) {
            fwrite(STDERR, "$who got " . json_encode($reply) . " for $group\n");
        }
    }
};
$client = $config['client'];
$each = $config['messages'];
$query('the parent');
$children = [SIGKILL => [], 0 => []];
for ($fork = 0; $fork < $config['forks']; $fork++) {
    send($client, 'parent', $fork * $each, $fork * $each + $each);
    $killed = $fork % 3 === 0;
    $children[$killed ? SIGKILL : 0][] = child(static function () use ($fork, $client, $each, $query, $killed): void {
        send($client, "child$fork", 0, $each);
        $query("child $fork");
        if ($killed) {
            // The reply to the query proves that the messages before it have arrived.
            posix_kill(getmypid(), SIGKILL);
        }
    });
    if ($fork % 4 === 3) {
        $query('the parent');
    }
    if ($fork % 10 === 9) {
        reap($children[SIGKILL], SIGKILL);
        reap($children[0]);
        $children = [SIGKILL => [], 0 => []];
    }
}
reap($children[SIGKILL], SIGKILL);
reap($children[0]);
say('done');
