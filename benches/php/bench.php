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
        $streams = array_map(static fn ($g) => stream_socket_client("tcp://$g"), $peer['gateways']);
        if ($case !== 'getAllClientCount') {
            $streams = [$streams[0]];
        }
        $frame = ['isOnline' => frame(11, 1, '', ''), 'getSession' => frame(203, 1, '', ''),
            'getAllClientCount' => frame(24, 0, '', '')][$case];
        $run = static function () use ($streams, $frame): void {
            foreach ($streams as $stream) {
                stream_socket_sendto($stream, $frame);
            }
            foreach ($streams as $stream) {
                stream_socket_recvfrom($stream, 65535);
            }
        };
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
