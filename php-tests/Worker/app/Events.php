<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker\App;

use GatewayWorker\Lib\Gateway;
use Throwable;

/**
 * The application of the tests: it carries out the steps that its clients send, and reports the
 * results.
 *
 * A client sends base64(serialize(['n' => number, 'steps' => […], 'fences' => [client_id, …]])).
 * Each step is a list: what to do, and with what. When all are done, a message goes to each client
 * of "fences": it has then received everything that the steps sent it.
 */
final class Events
{
    /** @var object|null */
    private static $worker;

    /** @var bool whether clients are told their ids here, and not by the gateway */
    public static $greets = true;

    /** @var string a file that takes a line for each event worth waiting for */
    public static $log = '';

    /**
     * @param object $worker
     */
    public static function onWorkerStart($worker): void
    {
        self::$worker = $worker;
        // No gateway is known yet: nobody gets the message, and the query has no reply.
        try {
            self::log('early ' . json_encode([Gateway::sendToAll('to nobody'), Gateway::getAllClientCount()]));
        } catch (Throwable $thrown) {
            self::log('early ' . get_class($thrown) . ' ' . $thrown->getMessage());
        }
        self::log('class ' . ((new \ReflectionClass(Gateway::class))->isInternal() ? 'native' : 'original'));
        self::log('worker ' . getmypid());
    }

    /**
     * Clients with the uid "observer" are told, a thousand times over, in the last moment of the
     * process.
     */
    public static function onWorkerStop(): void
    {
        try {
            foreach (Gateway::getClientIdByUid('observer') as $observer) {
                self::flood($observer, 'bye-' . getmypid(), 1000, 1000);
            }
        } catch (Throwable $thrown) {
            self::log('at the end: ' . $thrown->getMessage());
        }
        self::log('stopped ' . getmypid());
    }

    public static function onConnect(string $client_id): void
    {
        if (self::$greets) {
            Gateway::sendToCurrentClient((string) json_encode(['type' => 'init', 'client_id' => $client_id]));
        }
    }

    /**
     * @param array<string, mixed> $handshake
     */
    public static function onWebSocketConnect(string $client_id, array $handshake): void
    {
        $server = $handshake['server'] ?? [];
        $_SESSION = ['websocket' => $server['REQUEST_METHOD'] ?? null];
        Gateway::sendToClient($client_id, (string) json_encode([
            'type' => 'websocket',
            'method' => $server['REQUEST_METHOD'] ?? null,
            'uri' => $server['REQUEST_URI'] ?? null,
            'upgrade' => $server['HTTP_UPGRADE'] ?? null,
            'get' => $handshake['get'] ?? null,
            'cookie' => $handshake['cookie'] ?? null,
        ]));
    }

    public static function onMessage(string $client_id, string $message): void
    {
        $request = unserialize((string) base64_decode($message, true), ['allowed_classes' => false]);
        $results = [];
        foreach ($request['steps'] as $step) {
            if ($step[0] === 'only with') {
                $results[] = ['returned' => self::knows($step[1])];
                if (self::knows($step[1])) {
                    continue;
                }
                break;
            }
            try {
                $results[] = ['returned' => self::step($client_id, ...$step)];
            } catch (Throwable $thrown) {
                $results[] = ['thrown' => get_class($thrown), 'message' => $thrown->getMessage()];
            }
        }
        if ($request['quiet'] ?? false) {
            return;
        }
        Gateway::sendToCurrentClient((string) json_encode([
            'type' => 'reply',
            'n' => $request['n'],
            'results' => base64_encode(serialize($results)),
        ]));
        foreach ($request['fences'] as $id) {
            Gateway::sendToClient($id, "fence {$request['n']}");
        }
    }

    /**
     * Those in the group of watchers are told.
     */
    public static function onClose(string $client_id): void
    {
        Gateway::sendToGroup('watchers', (string) json_encode([
            'type' => 'closed',
            'client' => $client_id,
            'session' => $_SESSION,
            'online' => Gateway::isOnline($client_id),
        ]));
    }

    /**
     * @param mixed ...$with
     *
     * @return mixed
     */
    private static function step(string $client_id, string $what, ...$with)
    {
        switch ($what) {
            case 'call':
                return Gateway::{$with[0]}(...$with[1]);
            case 'session':
                // None and an empty one are the same: it depends on the way by which a worker
                // learns of it.
                return $_SESSION ?: null;
            case 'set session':
                return $_SESSION = $with[0];
            case 'server':
                return [
                    $_SERVER['REMOTE_ADDR'],
                    is_int($_SERVER['REMOTE_PORT']),
                    $_SERVER['GATEWAY_ADDR'],
                    is_numeric($_SERVER['GATEWAY_PORT']),
                    $_SERVER['GATEWAY_CLIENT_ID'] === $client_id,
                ];
            case 'context':
                return [\GatewayWorker\Lib\Context::$client_id, \GatewayWorker\Lib\Context::$old_session ?: null];
            case 'worker':
                return [
                    'pid' => getmypid(),
                    'memory' => memory_get_usage(),
                ];
            case 'knows':
                return self::knows($with[0]);
            case 'sleep':
                // An interrupted sleep returns an array.
                return time_nanosleep(0, 20000000);
            case 'timers':
                self::timers($client_id);
                return null;
            case 'signal':
                self::signal($client_id);
                return null;
            case 'flood':
                return self::flood($with[0], $with[1], $with[2], $with[3]);
        }
        return "no such step: $what";
    }

    /**
     * Whether the worker knows of, and is connected to, exactly so many gateways.
     */
    private static function knows(int $gateways): bool
    {
        return count(self::$worker->gatewayConnections) === $gateways
            && count(self::$worker->getAllGatewayAddresses()) === $gateways;
    }

    /**
     * Three timers that are due in another order than they are made in, and one that repeats.
     */
    private static function timers(string $client_id): void
    {
        $order = [];
        $count = 0;
        $tell = static function () use (&$order, &$count, $client_id): void {
            if ($count === 5 && count($order) === 3) {
                $message = json_encode(['type' => 'timers', 'order' => $order, 'count' => $count]);
                Gateway::sendToClient($client_id, (string) $message);
            }
        };
        foreach (['late' => 0.3, 'early' => 0.1, 'middle' => 0.2] as $name => $seconds) {
            \Workerman\Timer::add($seconds, static function () use (&$order, $name, $tell): void {
                $order[] = $name;
                Gateway::getAllClientCount();
                $tell();
            }, [], false);
        }
        $timer = \Workerman\Timer::add(0.01, static function () use (&$timer, &$count, $tell): void {
            if (++$count === 5) {
                \Workerman\Timer::del($timer);
            }
            $tell();
        });
    }

    /**
     * A signal of the event loop.
     */
    private static function signal(string $client_id): void
    {
        \Workerman\Worker::getEventLoop()->onSignal(SIGWINCH, static function (int $signal) use ($client_id): void {
            \Workerman\Worker::getEventLoop()->offSignal(SIGWINCH);
            $message = json_encode(['type' => 'signal', 'is the one' => $signal === SIGWINCH]);
            Gateway::sendToClient($client_id, (string) $message);
        });
        posix_kill((int) getmypid(), SIGWINCH);
    }

    /**
     * Sends many messages to a client, and writes down how many were accepted.
     */
    private static function flood(string $to, string $name, int $messages, int $bytes): int
    {
        $accepted = 0;
        $padding = str_repeat('.', $bytes);
        for ($i = 0; $i < $messages; $i++) {
            if (Gateway::sendToClient($to, "flood $name $i $padding") === true) {
                $accepted++;
            }
        }
        self::log("accepted $name $accepted");
        return $accepted;
    }

    private static function log(string $line): void
    {
        if (self::$log !== '') {
            file_put_contents(self::$log, "$line\n", FILE_APPEND | LOCK_EX);
        }
    }
}
