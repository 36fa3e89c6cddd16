<?php

/**
 * The whole-process benchmark: the extension, the userland class, and raw sockets, against a peer that discards or answers at
 * once (crates/bench). Run it with `make bench`.
 *
 *   php bench.php --side=extension|userland|raw --case=NAME --peer=JSON [--count=N]     one measurement, printed as JSON
 *
 * CPU is that of all threads of the process; the time of sends ends when the last byte has arrived at the peer.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

$options = getopt('', ['side:', 'case:', 'peer:', 'count:', 'autoload:']);
$peer = json_decode($options['peer'], true, 512, JSON_THROW_ON_ERROR);
$count = (int) ($options['count'] ?? 1000);
if (isset($options['autoload'])) {
    require $options['autoload'];
}

final class Control
{
    /** @var resource */
    private $stream;

    public function __construct(string $address)
    {
        $this->stream = stream_socket_client("tcp://$address");
    }

    public function ask(string $line): string
    {
        fwrite($this->stream, "$line\n");
        return trim((string) fgets($this->stream));
    }
}

/** CPU of all threads of this process, in nanoseconds. */
function cpu(): int
{
    $usage = getrusage();
    return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1_000_000_000
        + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) * 1000;
}

/** @return array{string, int, int} */
function address(string $text): array
{
    [$host, $port] = explode(':', $text);
    return [$text, (int) ip2long($host), (int) $port];
}

function clientId(string $gateway, int $connection): string
{
    [, $ip, $port] = address($gateway);
    return bin2hex(pack('NnN', $ip, $port, $connection));
}

$control = new Control($peer['control']);
$id = clientId($peer['gateways'][0], 1);
$body = str_repeat('m', 32);
$case = $options['case'];
$side = $options['side'];

/** A frame as every side sends it. */
function frame(int $command, int $connection, string $ext, string $body): string
{
    return pack('NCNnNnNCnN', 28 + strlen($ext) + strlen($body), $command, 0, 0, 0, 0, $connection, 1, 0, strlen($ext))
        . $ext . $body;
}

$exclude = [clientId($peer['gateways'][0], 7), clientId($peer['gateways'][count($peer['gateways']) - 1], 9)];
$sends = [
    'sendToUid' => [14, static fn () => Gateway::sendToUid('user-1', $body)],
    'sendToClient' => [5, static fn () => Gateway::sendToClient($id, $body)],
    'bindUid' => [12, static fn () => Gateway::bindUid($id, 'user-1')],
    'setSession' => [204, static fn () => Gateway::setSession($id, ['uid' => 1, 'name' => 'Name 1', 'ok' => true])],
    'sendToGroup' => [22, static fn () => Gateway::sendToGroup('room-1', $body, $exclude)],
];
$queries = [
    'isOnline' => static fn () => Gateway::isOnline($id),
    'getSession' => static fn () => Gateway::getSession($id),
    'getAllClientCount' => static fn () => Gateway::getAllClientCount(),
    'getAllUidList' => static fn () => count(Gateway::getAllUidList()),
    'getAllGroupUidList' => static fn () => count(Gateway::getAllGroupUidList()),
    'getAllClientSessions' => static fn () => count(Gateway::getAllClientSessions()),
    'getClientIdByUid' => static fn () => count(Gateway::getClientIdByUid('user-1')),
];
/** The questions whose answers grow with the clients. */
$lists = [
    'getAllUidList' => frame(25, 0, '{"fields":["uid"],"where":[]}', ''),
    'getAllGroupUidList' => frame(25, 0, '{"fields":["uid","groups"],"where":[]}', ''),
    'getAllClientSessions' => frame(10, 0, '', ''),
    'getClientIdByUid' => frame(15, 0, 'user-1', ''),
];

/**
 * Writes a question to each gateway, then reads the short answers, one read for each.
 *
 * @param list<string> $gateways
 */
function rawQuestion(string $case, array $gateways): Closure
{
    $streams = array_map(static fn ($g) => stream_socket_client("tcp://$g"), $gateways);
    if ($case !== 'getAllClientCount') {
        $streams = [$streams[0]];
    }
    $frame = ['isOnline' => frame(11, 1, '', ''), 'getSession' => frame(203, 1, '', ''),
        'getAllClientCount' => frame(24, 0, '', '')][$case];
    return static function () use ($streams, $frame): void {
        foreach ($streams as $stream) {
            stream_socket_sendto($stream, $frame);
        }
        foreach ($streams as $stream) {
            stream_socket_recvfrom($stream, 65535);
        }
    };
}

/**
 * What a list costs at least: the question to each gateway, one read of each answer, which nobody looks into, and an array of
 * the same strings in the same number of hashes, made by functions of the engine that are written in C. (The rows of a session
 * are lists of four values, which cost less than hashes with keys.)
 *
 * @param list<string> $gateways
 */
function rawList(string $case, string $frame, array $gateways): Closure
{
    $sockets = [];
    foreach ($gateways as $gateway) {
        [$host, $port] = explode(':', $gateway);
        $socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
        socket_connect($socket, $host, (int) $port);
        socket_set_option($socket, SOL_TCP, TCP_NODELAY, 1);
        $sockets[] = $socket;
    }
    $lengths = [];
    $ask = static function () use ($sockets, $frame, &$lengths): void {
        foreach ($sockets as $socket) {
            socket_send($socket, $frame, strlen($frame), 0);
        }
        foreach ($sockets as $index => $socket) {
            if (!isset($lengths[$index])) {
                socket_recv($socket, $head, 4, MSG_PEEK | MSG_WAITALL);
                $lengths[$index] = 4 + unpack('N', $head)[1];
            }
            socket_recv($socket, $answer, $lengths[$index], MSG_WAITALL);
        }
    };
    $ask();
    // The texts of the result, from the extension's point of view: they have to be made, as it has to make them.
    $clients = [];
    foreach ($sockets as $index => $socket) {
        socket_send($socket, $frame, strlen($frame), 0);
        socket_recv($socket, $answer, $lengths[$index], MSG_WAITALL);
        [$ip, $port] = [address($gateways[$index])[1], address($gateways[$index])[2]];
        foreach (unserialize(substr($answer, 4)) as $connection => $row) {
            $connection = is_array($row) || $case === 'getAllClientSessions' ? $connection : $row;
            $clients[bin2hex(pack('NnN', $ip, $port, $connection))] = $row;
        }
    }
    $ids = implode("\n", array_keys($clients));
    if ($case === 'getClientIdByUid') {
        return static function () use ($ask, $ids): void {
            $ask();
            $list = explode("\n", $ids);
        };
    }
    if ($case === 'getAllClientSessions') {
        $sessions = array_map('unserialize', array_values($clients));
        $names = implode("\n", array_column($sessions, 'name'));
        [$uids, $roles, $scores] = [array_column($sessions, 'uid'), $sessions[0]['roles'], array_column($sessions, 'score')];
        $roles = array_fill(0, count($uids), $roles);
        return static function () use ($ask, $ids, $names, $uids, $roles, $scores): void {
            $ask();
            $rows = array_map(null, $uids, explode("\n", $names), $roles, $scores);
            $list = array_combine(explode("\n", $ids), $rows);
        };
    }
    $uids = implode("\n", array_column($clients, 'uid'));
    if ($case === 'getAllUidList') {
        return static function () use ($ask, $uids): void {
            $ask();
            $list = explode("\n", $uids);
            $list = array_combine($list, $list);
        };
    }
    // Twenty groups, of which each client is in two.
    $size = intdiv(count($clients), 10);
    return static function () use ($ask, $uids, $size): void {
        $ask();
        $list = [];
        foreach (array_chunk(explode("\n", $uids), $size) as $group) {
            $list[] = array_combine($group, $group);
            $list[] = array_combine($group, $group);
        }
    };
}

$gateways = count($peer['gateways']);
/** How many bytes one call of a send puts on the wire. */
$bytes = [
    'sendToUid' => $gateways * strlen(frame(14, 0, '["user-1"]', $body)),
    'sendToClient' => strlen(frame(5, 1, '', $body)),
    'bindUid' => strlen(frame(12, 1, 'user-1', '')),
    'setSession' => strlen(frame(204, 1, serialize(['uid' => 1, 'name' => 'Name 1', 'ok' => true]), '')),
    'sendToGroup' => ($gateways - 2) * strlen(frame(22, 0, '{"group":["room-1"],"exclude":null}', $body))
        + strlen(frame(22, 0, '{"group":["room-1"],"exclude":{"7":7}}', $body))
        + strlen(frame(22, 0, '{"group":["room-1"],"exclude":{"9":9}}', $body)),
];
if ($side !== 'raw') {
    Gateway::$registerAddress = $peer['register'];
}

$result = ['case' => $case, 'side' => $side, 'gateways' => $gateways, 'count' => $count];
if ($case === 'lone') {
    $run = $side === 'raw' ? null : $sends['sendToClient'][1];
    $run();
    $control->ask('wait ' . $bytes['sendToClient']);
    $calls = $arrivals = [];
    for ($i = 0; $i < $count; $i++) {
        usleep(5000);
        $control->ask('reset');
        $start = hrtime(true);
        $run();
        $end = hrtime(true);
        [, $arrived] = explode(' ', $control->ask('wait ' . $bytes['sendToClient']));
        $calls[] = $end - $start;
        $arrivals[] = (int) $arrived - $start;
    }
    sort($calls);
    sort($arrivals);
    $result += ['call_ns' => $calls[$count >> 1], 'arrival_ns' => $arrivals[$count >> 1]];
} elseif (isset($sends[$case])) {
    if ($side === 'raw') {
        $streams = array_map(static fn ($g) => stream_socket_client("tcp://$g"), $peer['gateways']);
        $one = frame($sends[$case][0], 0, '["user-1"]', $body);
        $per = intdiv(65536, strlen($one));
        $chunk = str_repeat($one, $per);
        foreach ($streams as $stream) {
            fwrite($stream, $one);
        }
        $control->ask('wait ' . strlen($one) * $gateways);
        $control->ask('reset');
        $calls = intdiv($count, $per) * $per;
        $cpu = cpu();
        $start = hrtime(true);
        for ($i = 0; $i < intdiv($count, $per); $i++) {
            foreach ($streams as $stream) {
                for ($rest = $chunk; $rest !== ''; $rest = substr($rest, $n)) {
                    $n = fwrite($stream, $rest);
                }
            }
        }
        $total = $calls * strlen($one) * $gateways;
    } else {
        $run = $sends[$case][1];
        $run();
        $control->ask('wait ' . $bytes[$case]);
        $control->ask('reset');
        $calls = $count;
        $cpu = cpu();
        $start = hrtime(true);
        for ($i = 0; $i < $count; $i++) {
            $run();
        }
        $result['loop_ns'] = (hrtime(true) - $start) / $calls;
        $total = $calls * $bytes[$case];
    }
    [, $arrived] = explode(' ', $control->ask("wait $total"));
    $result += ['ns' => ((int) $arrived - $start) / $calls, 'cpu_ns' => (cpu() - $cpu) / $calls];
} else {
    if ($side === 'raw') {
        $run = isset($lists[$case]) ? rawList($case, $lists[$case], $peer['gateways']) : rawQuestion($case, $peer['gateways']);
    } else {
        $run = $queries[$case];
    }
    for ($i = 0; $i < 3; $i++) {
        $run();
    }
    $times = [];
    $cpu = cpu();
    for ($i = 0; $i < $count; $i++) {
        $start = hrtime(true);
        $run();
        $times[] = hrtime(true) - $start;
    }
    sort($times);
    $result += ['ns' => $times[$count >> 1], 'cpu_ns' => (cpu() - $cpu) / $count];
}
echo json_encode($result), "\n";
