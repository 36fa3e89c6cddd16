<?php

/**
 * A register and gateways that record what reaches them and reply as configured: one process, one
 * loop.
 *
 * Argument: JSON with "gateways" (addresses to listen on) and "secret" (hex). Prints
 * {"register":"…"}, then replies to each JSON line on its standard input with a line:
 *
 *   {"cmd":"prepare","secret":bool,"replies":{address:[hex,…]}}   forget what was recorded; serve these replies
 *   {"cmd":"take"}                                                what was recorded since
 *
 * Two requests are no part of the record: the barrier (command 11 for connection 0, by which a
 * client makes sure that a gateway has seen its commands) and the fence (command 25 for the
 * connection FENCE, by which a test does). Ends with its standard input.
 */

declare(strict_types=1);

const FENCE = '{"fields":["uid"],"where":{"connection_id":{"4026531839":4026531839}}}';
const QUERIES = [10, 11, 15, 16, 23, 24, 25, 26, 28, 203];

final class Recorder
{
    /** @var array<int, array{stream: resource, at: string, in: string, out: string, authorized: bool}> */
    private $peers = [];

    /** @var array<string, resource> */
    private $listeners = [];

    /** @var list<string> */
    private $gateways;

    /** @var string */
    private $secret;

    /** @var bool */
    private $secretNeeded = false;

    /** @var array<string, list<string>> */
    private $replies = [];

    /** @var array<string, list<array<string, mixed>>> */
    private $frames = [];

    /** @var int */
    private $barriers = 0;

    /** @var list<string> */
    private $problems = [];

    /** @param array{gateways: list<string>, secret: string} $config */
    public function __construct(array $config)
    {
        $this->gateways = $config['gateways'];
        $this->secret = (string) hex2bin($config['secret']);
        foreach ($this->gateways as $address) {
            $this->listen($address, $address);
        }
        $this->listen('register', '127.0.0.1:0');
        $this->say(['register' => stream_socket_get_name($this->listeners['register'], false)]);
    }

    public function run(): void
    {
        $control = '';
        while (true) {
            $read = array_merge([STDIN], array_values($this->listeners), array_column($this->peers, 'stream'));
            $write = [];
            foreach ($this->peers as $peer) {
                if ($peer['out'] !== '') {
                    $write[] = $peer['stream'];
                }
            }
            $except = [];
            stream_select($read, $write, $except, null);
            foreach ($this->listeners as $at => $listener) {
                if (in_array($listener, $read, true) && ($stream = stream_socket_accept($listener, 0))) {
                    stream_set_blocking($stream, false);
                    $this->peers[(int) $stream] =
                        ['stream' => $stream, 'at' => $at, 'in' => '', 'out' => '', 'authorized' => false];
                }
            }
            // Everything that has arrived is read before anything is replied to: what was sent
            // first counts first.
            foreach ($read as $stream) {
                if (isset($this->peers[(int) $stream])) {
                    $this->receive((int) $stream);
                }
            }
            foreach (array_keys($this->peers) as $id) {
                $this->flush($id);
            }
            if (in_array(STDIN, $read, true)) {
                $chunk = (string) fread(STDIN, 1 << 20);
                if ($chunk === '') {
                    return;
                }
                $control .= $chunk;
                while (($end = strpos($control, "\n")) !== false) {
                    $this->control(json_decode(substr($control, 0, $end), true));
                    $control = substr($control, $end + 1);
                }
            }
        }
    }

    private function listen(string $name, string $address): void
    {
        $listener = stream_socket_server("tcp://$address", $code, $message);
        if ($listener === false) {
            fwrite(STDERR, "cannot listen on $address: $message\n");
            exit(1);
        }
        $this->listeners[$name] = $listener;
    }

    /** @param array<string, mixed> $message */
    private function say(array $message): void
    {
        fwrite(STDOUT, json_encode($message) . "\n");
    }

    /** @param array<string, mixed> $request */
    private function control(array $request): void
    {
        if ($request['cmd'] === 'prepare') {
            $this->secretNeeded = $request['secret'];
            $this->replies = $request['replies'];
            $this->frames = [];
            $this->problems = [];
            $this->barriers = 0;
            $this->say(['ok' => true]);
            return;
        }
        foreach (array_filter($this->replies) as $address => $left) {
            $this->problems[] = "$address was not queried for its reply";
        }
        $frames = [];
        foreach ($this->gateways as $address) {
            $frames = array_merge($frames, $this->frames[$address] ?? []);
        }
        $this->say(['frames' => $frames, 'barriers' => $this->barriers, 'problems' => $this->problems]);
    }

    private function receive(int $id): void
    {
        $stream = $this->peers[$id]['stream'];
        do {
            $chunk = (string) fread($stream, 1 << 20);
            $this->peers[$id]['in'] .= $chunk;
        } while ($chunk !== '');
        if ($this->peers[$id]['at'] === 'register') {
            $this->registerLines($id);
        } else {
            $this->gatewayFrames($id);
        }
        if (feof($stream)) {
            if ($this->peers[$id]['in'] !== '') {
                $this->problems[] = "a connection to {$this->peers[$id]['at']} ended inside a frame";
            }
            fclose($stream);
            unset($this->peers[$id]);
        }
    }

    private function flush(int $id): void
    {
        $peer = &$this->peers[$id];
        if ($peer['out'] !== '') {
            $peer['out'] = (string) substr($peer['out'], (int) @fwrite($peer['stream'], $peer['out']));
        }
    }

    private function registerLines(int $id): void
    {
        $peer = &$this->peers[$id];
        while (($end = strpos($peer['in'], "\n")) !== false) {
            $line = substr($peer['in'], 0, $end);
            $peer['in'] = (string) substr($peer['in'], $end + 1);
            if ($line === '{"event":"ping"}') {
                continue;
            }
            // The original puts the key into the line as it is, which is no JSON if the key has a
            // quote in it.
            $event = json_decode($line, true);
            $known = ($event['event'] ?? '') === 'worker_connect'
                && in_array($event['secret_key'] ?? null, ['', $this->secret], true);
            if (!$known && $line !== '{"event":"worker_connect","secret_key":"' . $this->secret . '"}') {
                $this->problems[] = "the register got: $line";
            }
            $peer['out'] .= json_encode(['event' => 'broadcast_addresses', 'addresses' => $this->gateways]) . "\n";
        }
    }

    private function gatewayFrames(int $id): void
    {
        $peer = &$this->peers[$id];
        $offset = 0;
        while (strlen($peer['in']) - $offset >= 28) {
            $length = unpack('N', $peer['in'], $offset)[1];
            if ($length < 28) {
                $this->problems[] = "{$peer['at']} got a frame of $length bytes";
                $offset = strlen($peer['in']);
                break;
            }
            if (strlen($peer['in']) - $offset < $length) {
                break;
            }
            $this->frame($id, substr($peer['in'], $offset, $length));
            $offset += $length;
        }
        $peer['in'] = (string) substr($peer['in'], $offset);
    }

    private function frame(int $id, string $frame): void
    {
        $peer = &$this->peers[$id];
        $address = $peer['at'];
        $head = unpack('Nlength/Ccommand/Nip/nport/Ncip/ncport/Nconnection/Cflag/ngport/Next', $frame);
        $ext = substr($frame, 28, $head['ext']);
        $body = substr($frame, 28 + $head['ext']);
        $command = $head['command'];
        if ($command === 202) {
            if ($body === json_encode(['secret_key' => $this->secret])) {
                $peer['authorized'] = true;
            } elseif ($body !== json_encode(['secret_key' => ''])) {
                $this->problems[] = "$address got the authentication $body";
            }
            return;
        }
        if ($this->secretNeeded && !$peer['authorized']) {
            $this->problems[] = "$address got command $command on a connection that was not authenticated";
        }
        if ($command === 11 && $head['connection'] === 0) {
            $this->barriers++;
            $this->reply($id, 'i:0;');
            return;
        }
        if ($command === 25 && $ext === FENCE) {
            $this->reply($id, 'a:0:{}');
            return;
        }
        $this->frames[$address][] = [
            'gateway' => $address,
            'cmd' => $command,
            'head' => bin2hex(substr($frame, 0, 28)),
            'ext' => bin2hex($ext),
            'body' => bin2hex($body),
        ];
        if (in_array($command, QUERIES, true)) {
            if (empty($this->replies[$address])) {
                $this->problems[] = "$address has no reply to command $command";
                $this->reply($id, 'N;');
                return;
            }
            $this->reply($id, (string) hex2bin(array_shift($this->replies[$address])));
        }
    }

    private function reply(int $id, string $payload): void
    {
        $this->peers[$id]['out'] .= pack('N', strlen($payload)) . $payload;
    }
}

(new Recorder(json_decode($argv[1], true)))->run();
