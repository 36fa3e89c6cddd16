<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker;

use GatewayWorker\Tests\Support\Client;
use RuntimeException;

/**
 * Clients that command the application, and write down everything that they receive.
 *
 * What changes from run to run is written in names: client ids, addresses. The order within maps
 * and lists is not written down, since it depends on which gateway replies first.
 */
final class Player
{
    /** @var Site */
    private $site;

    /** @var array<string, Client> */
    private $clients = [];

    /** @var array<string, string> */
    private $ids = [];

    /** @var list<string> */
    private $transcript = [];

    /** @var int */
    private $number = 0;

    public function __construct(Site $site)
    {
        $this->site = $site;
    }

    /**
     * Everything that was told and received, a line each.
     *
     * @return list<string>
     */
    public function transcript(): array
    {
        return $this->transcript;
    }

    public function title(string $title): void
    {
        $this->transcript[] = "# $title";
    }

    /**
     * Connects a client under a name. Names of WebSocket clients begin with w.
     */
    public function connect(string $name, int $gateway): Client
    {
        $websocket = $name[0] === 'w';
        $client = $websocket ? $this->site->websocket($gateway) : $this->site->text($gateway);
        $this->clients[$name] = $client;
        $this->ids[$name] = $client->clientId();
        $this->transcript[] = "$name is connected";
        if ($websocket) {
            $this->await($name, 'websocket');
            $this->settle($name);
        }
        return $client;
    }

    /**
     * The ids of all clients so far, by name.
     *
     * @return array<string, string>
     */
    public function ids(): array
    {
        return $this->ids;
    }

    public function id(string $name): string
    {
        return $this->ids[$name];
    }

    public function client(string $name): Client
    {
        return $this->clients[$name];
    }

    /**
     * One call by the worker of a client. Strings like @t0 stand for client ids.
     *
     * @param mixed ...$arguments
     *
     * @return mixed what the call returned
     */
    public function call(string $by, string $method, ...$arguments)
    {
        return $this->steps($by, [['call', $method, $arguments]])[0]['returned'] ?? null;
    }

    /**
     * Something else than a call.
     *
     * @param mixed ...$with
     *
     * @return mixed
     */
    public function step(string $by, string $what, ...$with)
    {
        return $this->steps($by, [array_merge([$what], $with)])[0]['returned'] ?? null;
    }

    /**
     * Several steps in one callback of the worker of a client.
     *
     * @param list<array<mixed>> $steps
     *
     * @return list<array<string, mixed>> what came of each
     */
    public function steps(string $by, array $steps): array
    {
        foreach ($steps as $step) {
            $this->transcript[] = "$by: " . $this->show($step);
        }
        $n = $this->tell($by, $steps);
        $results = [];
        foreach (array_keys($this->clients) as $name) {
            $reply = null;
            foreach ($this->clients[$name]->receiveUntil("fence $n") as $message) {
                $decoded = json_decode($message, true);
                if (($decoded['type'] ?? '') === 'reply' && $decoded['n'] === $n) {
                    $results = unserialize(base64_decode($decoded['results']));
                    foreach ($results as $result) {
                        $this->transcript[] = "    $by is told " . $this->show($result, true);
                    }
                } else {
                    $this->received($name, $message);
                }
            }
        }
        if (preg_match('/\b(set|update)?session\b/i', serialize($steps))) {
            $this->settle($by);
        }
        return $results;
    }

    /**
     * A session is written back after the callback, and so after its reply. Once the next reply is
     * there, it is known.
     */
    private function settle(string $by): void
    {
        $n = $this->tell($by, []);
        foreach ($this->clients as $client) {
            $client->receiveUntil("fence $n");
        }
    }

    /**
     * Steps at whose end some clients are disconnected, maybe the one whose worker does them.
     *
     * @param list<array<mixed>> $steps
     * @param list<string>       $closed
     */
    public function farewell(string $by, array $steps, array $closed): void
    {
        foreach ($steps as $step) {
            $this->transcript[] = "$by: " . $this->show($step);
        }
        $this->tell($by, $steps, true);
        foreach ($closed as $name) {
            foreach ($this->clients[$name]->receiveUntilClosed() as $message) {
                $this->received($name, $message);
            }
            $this->forget($name);
        }
    }

    /**
     * A client goes by itself.
     */
    public function leave(string $name): void
    {
        $this->clients[$name]->close();
        $this->forget($name);
    }

    /**
     * Waits for a message of a certain type that no step of the scenario requested.
     *
     * @return array<string, mixed>
     */
    public function await(string $name, string $type): array
    {
        do {
            $message = $this->clients[$name]->receive();
            if ($message === null) {
                throw new RuntimeException("$name waited for a message '$type', and was disconnected");
            }
            $this->received($name, $message);
            $decoded = json_decode($message, true);
        } while (($decoded['type'] ?? '') !== $type);
        return $decoded;
    }

    /**
     * Sends steps and waits for nothing.
     *
     * @param list<array<mixed>> $steps
     */
    public function tell(string $by, array $steps, bool $quiet = false): int
    {
        $n = ++$this->number;
        $ids = $this->ids;
        array_walk_recursive($steps, static function (&$value) use ($ids): void {
            if (is_string($value) && $value !== '' && $value[0] === '@') {
                $value = $ids[substr($value, 1)];
            }
        });
        $fences = array_values(array_intersect_key($this->ids, $this->clients));
        $request = ['n' => $n, 'steps' => $steps, 'fences' => $fences, 'quiet' => $quiet];
        $this->clients[$by]->send(base64_encode(serialize($request)));
        return $n;
    }

    private function forget(string $name): void
    {
        $this->transcript[] = "$name is disconnected";
        unset($this->clients[$name]);
    }

    private function received(string $name, string $message): void
    {
        $this->transcript[] = "    $name received " . $this->show($message);
    }

    /**
     * A value in names, as PHP code.
     *
     * @param mixed $value
     * @param bool  $sorted whether the order within arrays says nothing
     */
    private function show($value, bool $sorted = false): string
    {
        $names = $this->site->gateways();
        foreach ($this->ids as $name => $id) {
            $names[$id] = "@$name";
        }
        return self::canonical($value, $names, $sorted);
    }

    /**
     * @param mixed                 $value
     * @param array<string, string> $names
     */
    private static function canonical($value, array $names, bool $sorted): string
    {
        if (is_string($value) && strlen($value) > 1000) {
            return sprintf("bytes(%d, '%s')", strlen($value), sha1($value));
        }
        if (is_string($value)) {
            return preg_match('//u', $value)
                ? var_export(strtr($value, $names), true)
                : "hex('" . bin2hex($value) . "')";
        }
        if (!is_array($value)) {
            return $value === null ? 'null' : var_export($value, true);
        }
        $list = $value === [] || array_keys($value) === range(0, count($value) - 1);
        $parts = [];
        foreach ($value as $key => $element) {
            $parts[] = ($list ? '' : self::canonical($key, $names, $sorted) . ' => ')
                . self::canonical($element, $names, $sorted);
        }
        if ($sorted) {
            sort($parts, SORT_STRING);
        }
        return '[' . implode(', ', $parts) . ']';
    }
}
