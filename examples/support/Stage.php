<?php

declare(strict_types=1);

namespace GatewayWorker\Demo;

use GatewayWorker\Lib\Gateway;
use Throwable;

/**
 * Makes a call, prints it with its return value and with what each client received, and compares
 * with what is due.
 *
 * What the clients received is read from their sockets: after each call every client is sent a last
 * message, and what comes before it, or before the end of the connection, is what the call has
 * caused.
 */
final class Stage
{
    /** Return values are shown up to this many bytes. */
    private const LONG = 300;

    /** @var array<string, Client> the clients that are connected, by name */
    private array $clients = [];

    /** @var array<string, string> the client ids and what stands for them in the output */
    private array $names = [];

    /** @var array<string, true> the methods that were called */
    private array $called = [];

    private int $calls = 0;

    private int $wrong = 0;

    private int $fence = 0;

    /** @var resource the error log, to be read */
    private $log;

    private bool $colours;

    public function __construct()
    {
        $this->colours = stream_isatty(STDOUT) && getenv('NO_COLOR') === false;
        $file = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-demo-');
        ini_set('error_log', $file);
        $this->log = fopen($file, 'r');
        register_shutdown_function('unlink', $file);
    }

    public function title(string $title): void
    {
        echo "\n", $this->paint('1', $title), "\n";
    }

    public function add(string $name, Client $client, string $what): void
    {
        $this->clients[$name] = $client;
        $this->names[$client->id] = "\$$name";
        printf("  %-4s %-28s client_id %s\n", $name, $what, $client->id);
    }

    /**
     * A call that is to return this, and to cause that these clients, and no others, receive these
     * messages. A list of messages that ends with null is to end with the end of the connection.
     *
     * @param array<int|string, mixed>               $arguments
     * @param mixed                                  $returned  a value, or a function that says whether it is right
     * @param array<string, list<string|null>>       $received
     * @param class-string<Throwable>|null           $thrown
     */
    public function call(
        string $method,
        array $arguments = [],
        $returned = null,
        array $received = [],
        ?string $thrown = null
    ): void {
        $this->calls++;
        $this->called[$method] = true;
        $result = $error = null;
        try {
            $result = Gateway::$method(...$arguments);
        } catch (Throwable $error) {
        }
        $seen = $this->listen();

        $text = [];
        foreach ($arguments as $name => $argument) {
            $text[] = (is_string($name) ? "$name: " : '') . $this->show($argument);
        }
        printf("  %s(%s)\n", $this->paint('36', "Gateway::$method"), implode(', ', $text));
        if ($error !== null) {
            printf("      throws   %s: %s\n", get_class($error), $error->getMessage());
        } else {
            $shown = $this->show($result);
            printf("      returns  %s\n", strlen($shown) > self::LONG ? substr($shown, 0, self::LONG) . ' …' : $shown);
        }
        foreach ($seen as $name => $messages) {
            foreach ($messages as $message) {
                printf("      %-8s %s\n", $name, $message === null ? 'is disconnected' : 'received ' . $this->show($message));
            }
        }
        foreach ($this->logged() as $line) {
            printf("      log      %s\n", $line);
        }

        if ($thrown !== null) {
            $this->expect($error instanceof $thrown, "a $thrown was expected");
        } elseif ($returned instanceof \Closure) {
            $this->expect($error === null && $returned($result), 'another return value was expected');
        } else {
            $same = $error === null && self::canonical($result) === self::canonical($returned);
            $this->expect($same, 'expected to return ' . $this->show($returned));
        }
        $this->expect(self::canonical($seen) === self::canonical($received), 'expected to be received: '
            . $this->show($received));
    }

    /**
     * What has to hold for the demo to succeed.
     */
    public function expect(bool $holds, string $what): void
    {
        if (!$holds) {
            $this->wrong++;
            echo '      ', $this->paint('1;31', "WRONG: $what"), "\n";
        }
    }

    /**
     * Ends the demo: its exit code.
     */
    public function end(): int
    {
        $missing = array_diff(get_class_methods(Gateway::class), array_keys($this->called));
        $this->expect($missing === [], 'not called: ' . implode(', ', $missing));
        $colour = $this->wrong === 0 ? '1;32' : '1;31';
        echo "\n", $this->paint($colour, "{$this->calls} calls, " . count($this->called) . ' methods: '
            . ($this->wrong === 0 ? 'all as expected' : self::failures($this->wrong))), "\n";
        return $this->wrong === 0 ? 0 : 1;
    }

    private static function failures(int $count): string
    {
        return ($count === 1 ? '1 check' : "$count checks") . ' FAILED (see WRONG above)';
    }

    /**
     * What each client has received since the last call; null stands for the end of the connection.
     *
     * @return array<string, non-empty-list<string|null>>
     */
    private function listen(): array
    {
        $fence = 'fence ' . ++$this->fence;
        foreach ($this->clients as $client) {
            Gateway::sendToClient($client->id, $fence);
        }
        $seen = [];
        foreach ($this->clients as $name => $client) {
            $messages = $client->receiveUntil($fence);
            if ($client->isClosed()) {
                $messages[] = null;
                unset($this->clients[$name]);
            }
            if ($messages !== []) {
                $seen[$name] = $messages;
            }
        }
        return $seen;
    }

    /**
     * The lines that were added to the error log.
     *
     * @return list<string>
     */
    private function logged(): array
    {
        $text = (string) stream_get_contents($this->log);
        return array_filter(explode("\n", $text), static fn (string $line): bool => $line !== '');
    }

    /**
     * A value as PHP code, with the names of the clients in place of their ids.
     *
     * @param mixed $value
     */
    private function show($value): string
    {
        if (is_string($value) && isset($this->names[$value])) {
            return $this->names[$value];
        }
        if (is_object($value)) {
            return '$businessWorker';
        }
        if (!is_array($value)) {
            return $value === null ? 'null' : var_export($value, true);
        }
        $parts = [];
        foreach ($value as $key => $element) {
            $parts[] = (array_is_list($value) ? '' : $this->show($key) . ' => ') . $this->show($element);
        }
        return '[' . implode(', ', $parts) . ']';
    }

    /**
     * The order of elements says nothing: it depends on which gateway a client is connected to.
     *
     * @param mixed $value
     *
     * @return mixed
     */
    private static function canonical($value)
    {
        if (is_array($value)) {
            $value = array_map([self::class, 'canonical'], $value);
            array_is_list($value) ? sort($value) : ksort($value);
        }
        return $value;
    }

    private function paint(string $colour, string $text): string
    {
        return $this->colours ? "\e[{$colour}m$text\e[0m" : $text;
    }
}
