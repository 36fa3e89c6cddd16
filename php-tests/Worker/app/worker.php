<?php

/**
 * A worker that needs neither GatewayWorker nor Workerman: it does what a BusinessWorker does for
 * the application in Events.php, one event after the other, in a loop of its own.
 *
 * Argument: JSON with "register", "secret", "key" (what the worker calls itself), "gateways" (how many
 * there are) and, where it is not the application of the tests, "events" ({"file", "class"}).
 * Prints a line once all gateways have taken it in, and ends with its standard input.
 */

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker\App;

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;

require dirname(__DIR__, 2) . '/Support/Context.php';

$config = json_decode($argv[1], true);
require $config['events']['file'] ?? __DIR__ . '/Events.php';

final class Worker
{
    private const HEAD = 'Nlength/Ccommand/Nlocal_ip/nlocal_port/Nclient_ip/nclient_port/Nconnection_id/'
        . 'Cflag/ngateway_port/Next';
    private const ON_CONNECT = 1;
    private const ON_MESSAGE = 3;
    private const ON_CLOSE = 4;
    private const ON_WEBSOCKET_CONNECT = 205;
    private const IS_ONLINE = 11;
    private const WORKER_CONNECT = 200;

    /** @var array<string, resource> by address; the extension looks at the keys */
    public $gatewayConnections = [];

    /** @var array<string, string> */
    private $known = [];

    /** @var array<string, string> what has arrived and is not yet taken apart */
    private $buffers = [];

    /** @var array<string, string> the session that was seen last, by client id */
    private $sessions = [];

    /** @var array{register: string, secret: string, key: string, gateways: int} */
    private $config;

    /** @var resource */
    private $register;

    /** @var class-string the application */
    private $events;

    /** @param array{register: string, secret: string, key: string, gateways: int} $config */
    public function __construct(array $config)
    {
        $this->config = $config;
        $this->events = $config['events']['class'] ?? Events::class;
        $this->register = self::connect($config['register']);
        $hello = ['event' => 'worker_connect', 'secret_key' => $config['secret']];
        fwrite($this->register, json_encode($hello) . "\n");
    }

    /**
     * @return array<string, string>
     */
    public function getAllGatewayAddresses(): array
    {
        return $this->known;
    }

    public function run(): void
    {
        Gateway::setBusinessWorker($this);
        Gateway::$secretKey = $this->config['secret'];
        $this->call('onWorkerStart', $this);
        $ready = false;
        while (true) {
            $read = array_merge(['stdin' => STDIN, 'register' => $this->register], $this->gatewayConnections);
            $none = [];
            stream_select($read, $none, $none, null);
            foreach ($read as $from => $stream) {
                if ($from === 'stdin') {
                    $this->call('onWorkerStop');
                    return;
                }
                if ($from === 'register') {
                    $this->follow((array) json_decode((string) fgets($stream), true));
                } else {
                    $this->receive((string) $from, $stream);
                }
            }
            if (!$ready && count($this->gatewayConnections) === $this->config['gateways']) {
                $ready = true;
                fwrite(STDOUT, "ready\n");
            }
        }
    }

    /**
     * Calls a method of the application, where it has one of this name.
     *
     * @param mixed ...$arguments
     */
    private function call(string $method, ...$arguments): void
    {
        if (method_exists($this->events, $method)) {
            [$this->events, $method](...$arguments);
        }
    }

    /**
     * @return resource
     */
    private static function connect(string $address)
    {
        $stream = stream_socket_client("tcp://$address", $code, $message, 5.0);
        if ($stream === false) {
            fwrite(STDERR, "cannot connect to $address: $message\n");
            exit(1);
        }
        return $stream;
    }

    /**
     * @param array<string, mixed> $news
     */
    private function follow(array $news): void
    {
        if (($news['event'] ?? '') !== 'broadcast_addresses') {
            return;
        }
        $this->known = array_combine($news['addresses'], $news['addresses']);
        foreach (array_diff_key($this->known, $this->gatewayConnections) as $address) {
            $stream = self::connect($address);
            $hello = ['worker_key' => $this->config['key'], 'secret_key' => $this->config['secret']];
            fwrite($stream, self::frame(self::WORKER_CONNECT, (string) json_encode($hello)));
            // A gateway that replies has accepted the worker.
            fwrite($stream, self::frame(self::IS_ONLINE, ''));
            $length = unpack('N', (string) stream_get_contents($stream, 4))[1];
            stream_get_contents($stream, $length);
            stream_set_blocking($stream, false);
            $this->gatewayConnections[$address] = $stream;
            $this->buffers[$address] = '';
        }
    }

    private static function frame(int $command, string $body): string
    {
        return pack('NCNnNnNCnN', 28 + strlen($body), $command, 0, 0, 0, 0, 0, 1, 0, 0) . $body;
    }

    /**
     * @param resource $stream
     */
    private function receive(string $address, $stream): void
    {
        $chunk = (string) fread($stream, 1 << 20);
        if ($chunk === '' && feof($stream)) {
            unset($this->gatewayConnections[$address], $this->buffers[$address]);
            return;
        }
        $this->buffers[$address] .= $chunk;
        while (strlen($this->buffers[$address]) >= 28) {
            $head = unpack(self::HEAD, $this->buffers[$address]);
            if (strlen($this->buffers[$address]) < $head['length']) {
                return;
            }
            $frame = substr($this->buffers[$address], 28, $head['length'] - 28);
            $this->buffers[$address] = substr($this->buffers[$address], $head['length']);
            $body = substr($frame, $head['ext']);
            $this->event($head, substr($frame, 0, $head['ext']), $head['flag'] & 1 ? $body : unserialize($body));
        }
    }

    /**
     * @param array<string, int> $head
     * @param mixed              $body
     */
    private function event(array $head, string $session, $body): void
    {
        foreach (['local_ip', 'local_port', 'client_ip', 'client_port', 'connection_id'] as $name) {
            Context::$$name = $head[$name];
        }
        $id = bin2hex(pack('NnN', $head['local_ip'], $head['local_port'], $head['connection_id']));
        Context::$client_id = $id;
        $_SERVER['REMOTE_ADDR'] = long2ip($head['client_ip']);
        $_SERVER['REMOTE_PORT'] = $head['client_port'];
        $_SERVER['GATEWAY_ADDR'] = long2ip($head['local_ip']);
        $_SERVER['GATEWAY_PORT'] = $head['gateway_port'];
        $_SERVER['GATEWAY_CLIENT_ID'] = $id;
        $closes = $head['command'] === self::ON_CLOSE;
        $changed = isset($this->sessions[$id]) && $this->sessions[$id] !== $session;
        $_SESSION = $changed && !$closes
            ? Gateway::getSession($id)
            : ($session === '' ? null : unserialize($session));
        Context::$old_session = $_SESSION;
        $this->sessions[$id] = $session;
        switch ($head['command']) {
            case self::ON_CONNECT:
                $this->call('onConnect', $id);
                break;
            case self::ON_MESSAGE:
                $this->call('onMessage', $id, $body);
                break;
            case self::ON_WEBSOCKET_CONNECT:
                $this->call('onWebSocketConnect', $id, $body);
                break;
            case self::ON_CLOSE:
                $this->call('onClose', $id);
                unset($this->sessions[$id]);
                break;
        }
        if ($_SESSION !== Context::$old_session && !$closes) {
            $this->sessions[$id] = $_SESSION === null ? '' : serialize($_SESSION);
            Gateway::setSocketSession($id, $this->sessions[$id]);
        }
        Context::clear();
    }
}

if (!isset($config['events'])) {
    Events::$greets = false;
}
(new Worker($config))->run();
