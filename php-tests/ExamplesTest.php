<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ChildProcess;
use GatewayWorker\Tests\Support\Client;
use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Fpm;
use GatewayWorker\Tests\Support\Gatewayd;
use GatewayWorker\Tests\Support\Implementation;
use GatewayWorker\Tests\Support\PhpProcess;
use GatewayWorker\Tests\Support\Ports;
use GatewayWorker\Tests\Support\WebSocketClient;
use GatewayWorker\Tests\Worker\Application;
use RuntimeException;

/**
 * The examples do what they say.
 *
 * @group better-than-original
 */
final class ExamplesTest extends ClusterTestCase
{
    /** @var list<Gatewayd> */
    private $clusters = [];

    /** @var list<ChildProcess> */
    private $workers = [];

    /** @var resource|null the master process of the chat */
    private $master;

    /** @var Fpm|null */
    private $fpm;

    /** @var string|null */
    private $directory;

    /** @var string the address at which the chat takes clients */
    private $chat = '';

    /** @var list<Client> */
    private $chatters = [];

    protected function setUp(): void
    {
        parent::setUp();
        $this->requireNative('has no example');
    }

    protected function tearDown(): void
    {
        foreach ($this->chatters as $client) {
            $client->close();
        }
        foreach ($this->workers as $worker) {
            $worker->stop();
        }
        if ($this->fpm !== null) {
            $this->fpm->dispose();
        }
        if ($this->master !== null) {
            $this->stopMaster();
        }
        parent::tearDown();
        foreach ($this->clusters as $cluster) {
            $cluster->stop();
        }
        if ($this->directory !== null) {
            self::remove($this->directory);
        }
    }

    public function testPushReachesOneConnectionAUserAGroupAndEverybody(): void
    {
        $this->startCluster();
        [$ann, $bob, $cai] = [$this->text(0), $this->websocket(1), $this->text(1)];
        Gateway::bindUid($bob->clientId(), 'bob');
        Gateway::joinGroup($ann->clientId(), 'room');
        Gateway::joinGroup($cai->clientId(), 'room');
        self::assertSame(2, Gateway::getClientCountByGroup('room'));

        $this->assertPush(['client', $cai->clientId(), 'to cai']);
        $this->assertPush(['uid', 'bob', 'to bob']);
        $this->assertPush(['group', 'room', 'to the room']);
        $this->assertPush(['all', 'to all']);
        $this->assertPush(['uid', 'bob', '-'], "two\nlines");
        $this->assertPush(['--', 'uid', 'bob', '--dashes']);

        $this->assertReceived(['to the room', 'to all'], $ann);
        $this->assertReceived(['to bob', 'to all', "two\nlines", '--dashes'], $bob);
        $this->assertReceived(['to cai', 'to the room', 'to all'], $cai);
    }

    public function testPushTakesTheSecretKeyFromTheEnvironment(): void
    {
        $this->startCluster(self::SECRET);
        $client = $this->text();
        Gateway::bindUid($client->clientId(), 'ann');
        self::assertSame(1, Gateway::isUidOnline('ann'));
        $push = ['uid', 'ann', 'hello'];
        $this->assertPush($push, '', ['GATEWAY_SECRET_KEY' => self::SECRET]);
        [$code, , $errors] = $this->push($push, '', ['GATEWAY_SECRET_KEY' => 'of another cluster']);
        self::assertSame(1, $code);
        self::assertStringContainsString('secret key', $errors);
        self::assertStringNotContainsString('of another cluster', $errors);
        $this->assertReceived(['hello'], $client);
    }

    public function testPushSaysWhyAMessageWasNotSent(): void
    {
        $this->startCluster();
        $register = self::freeAddresses(1)[0];
        $reasons = [
            [$this->cluster->register(), ['client', 'nobody', 'x'], "'nobody' is no client"],
            [$this->cluster->register(), ['group', '0', 'x'], "'0' is no group"],
            [$register, ['all', 'x'], "cannot connect to tcp://$register"],
        ];
        foreach ($reasons as [$register, $arguments, $reason]) {
            array_unshift($arguments, "--register=$register");
            [$code, $output, $errors] = $this->example('push.php', $arguments);
            self::assertSame([1, ''], [$code, $output]);
            self::assertStringContainsString("push.php: $reason", $errors);
        }
    }

    public function testPushDoesNotReportAMessageAsSentThatAGatewayHasNotTaken(): void
    {
        $this->startCluster();
        $this->cluster->gateway('pause_gateway', 1, ['paused' => true]);
        // More than the buffers of a connection hold.
        $push = ['--register=' . $this->cluster->register(), '--timeout=0.5', 'all', '-'];
        // Its end is not to be waited for.
        $ini = ['gatewayworker.flush_timeout' => '0'];
        [$code, , $errors] = $this->example('push.php', $push, str_repeat('x', 9 << 20), [], $ini);
        $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        self::assertSame(1, $code);
        self::assertStringContainsString('not every gateway has taken the message', $errors);
    }

    /**
     * @return array<string, array{list<string>, string}>
     */
    public static function wrongUsage(): array
    {
        return [
            'nothing' => [[], 'who is to get it?'],
            'an unknown kind' => [['everyone', 'x'], "'everyone' is none of client, uid, group and all"],
            'no uid' => [['uid'], 'the uid is missing'],
            'an empty group' => [['group', '', 'x'], 'the group is missing'],
            'no message' => [['uid', 'bob'], 'the message is missing'],
            'a message without quotes' => [['all', 'two', 'words'], 'more than one message: put it in quotes'],
            'an unknown option' => [['--host=x', 'all', 'x'], 'unknown option --host=x'],
            'a time-out that is none' => [['--timeout=soon', 'all', 'x'], 'unknown option --timeout=soon'],
        ];
    }

    /**
     * @dataProvider wrongUsage
     *
     * @param list<string> $arguments
     */
    public function testPushExplainsItselfWhenItIsCalledWrongly(array $arguments, string $reason): void
    {
        [$code, $output, $errors] = $this->example('push.php', $arguments);
        self::assertSame([2, ''], [$code, $output]);
        self::assertStringStartsWith("push.php: $reason\n\nUsage: php push.php ", $errors);
        [$code, $output, $errors] = $this->example('push.php', ['--help']);
        self::assertSame([0, ''], [$code, $errors]);
        self::assertStringStartsWith('Usage: php push.php ', $output);
    }

    public function testAControllerUnderPhpFpmPushesAndAsks(): void
    {
        $this->startCluster();
        $this->startFpm($this->cluster->register());
        [$ann, $bob] = [$this->text(0), $this->text(1)];

        self::assertSame([200, ['online' => false]], $this->request('GET', '/users/ann%20b/presence'));
        $form = ['client_id' => $ann->clientId()];
        self::assertSame([200, ['bound' => true]], $this->request('POST', '/users/ann%20b/connections', $form));
        self::assertSame([200, ['online' => true]], $this->request('GET', '/users/ann%20b/presence'));
        $text = "it's \u{4f60}\u{597d}";
        $reply = $this->request('POST', '/users/ann%20b/messages', ['text' => $text]);
        self::assertSame([202, ['queued' => true]], $reply);
        self::assertSame(['type' => 'message', 'text' => $text], json_decode((string) $ann->receive(), true));

        Gateway::joinGroup($bob->clientId(), 'room');
        self::assertSame(1, Gateway::getClientCountByGroup('room'));
        self::assertSame([202, ['queued' => true]], $this->request('POST', '/rooms/room/messages', ['text' => 'hi']));
        $expected = ['type' => 'message', 'room' => 'room', 'text' => 'hi'];
        self::assertSame($expected, json_decode((string) $bob->receive(), true));

        $refused = [
            [422, '/users/ann/messages', []],
            [422, '/users/ann/messages', ['text' => '']],
            [422, '/rooms/0/messages', ['text' => 'x']],
            [422, '/users/ann/connections', ['client_id' => 'none']],
            [422, '/users/ann/connections', []],
            [404, '/users/ann', ['text' => 'x']],
        ];
        foreach ($refused as [$status, $path, $form]) {
            self::assertSame($status, $this->request('POST', $path, $form)[0], "$path " . json_encode($form));
        }
        $this->assertReceived([], $ann);
        $this->assertReceived([], $bob);
    }

    public function testAVisitorIsNotToldWhereTheClusterIs(): void
    {
        $this->startCluster();
        $register = self::freeAddresses(1)[0];
        $this->startFpm($register);
        $expected = [503, ['error' => 'the push service is not available']];
        self::assertSame($expected, $this->request('POST', '/users/ann/messages', ['text' => 'x']));
        self::assertSame($expected, $this->request('GET', '/users/ann/presence'));
        self::assertStringContainsString("cannot connect to tcp://$register", $this->fpm->log());
    }

    public function testTwoClustersInOneProcessDoNotMix(): void
    {
        $first = $this->startCluster();
        $client = $this->text(1);
        $second = $this->startCluster(self::SECRET);
        $other = $this->text(0);
        $registers = [$first->register(), $second->register()];
        $keys = ['SECOND_SECRET_KEY' => self::SECRET];
        [$code, $output, $errors] = $this->example('multi-cluster.php', $registers, '', $keys);
        self::assertSame([0, ''], [$code, $errors]);
        self::assertSame(
            "Shop: 1 clients\nSupport: 1 clients\n$registers[0]: 2 gateways\n$registers[1]: 2 gateways\n",
            $output
        );
        $this->assertReceived(['hello from Support', "hello by way of $registers[1]"], $other);
        $this->pointAt($first);
        $this->assertReceived(['hello from Shop', "hello by way of $registers[0]"], $client);
    }

    public function testAClusterThatIsAwayDoesNotDisturbTheOther(): void
    {
        $register = self::freeAddresses(1)[0];
        $there = $this->startCluster();
        $client = $this->text();
        [$code, $output, $errors] = $this->example('multi-cluster.php', [$register, $there->register()]);
        self::assertSame(1, $code);
        self::assertStringStartsWith("Support: 1 clients\n", $output);
        self::assertStringContainsString("Shop: cannot connect to tcp://$register", $errors);
        $this->assertReceived(['hello from Support', "hello by way of {$there->register()}"], $client);
    }

    public function testTheChatWithWorkersOfTheTestsOwn(): void
    {
        $this->startCluster();
        // worker.php takes the Events that lie beside it.
        $tests = __DIR__;
        foreach (['Worker/app', 'Support'] as $folder) {
            mkdir("{$this->directory()}/$folder", 0755, true);
        }
        foreach (['Worker/app/worker.php', 'Support/Context.php'] as $file) {
            copy("$tests/$file", "{$this->directory()}/$file");
        }
        $events = '<?php require ' . var_export("$tests/fixtures/chat-events.php", true) . ';';
        file_put_contents("{$this->directory()}/Worker/app/Events.php", $events);
        foreach (['worker:0', 'worker:1'] as $key) {
            $config = json_encode(
                ['register' => $this->cluster->register(), 'secret' => '', 'key' => $key, 'gateways' => 2]
            );
            $script = "{$this->directory()}/Worker/app/worker.php";
            $worker = $this->workers[] = new ChildProcess(array_merge(PhpProcess::php(), [$script, (string) $config]));
            self::assertSame('ready', $worker->readLine());
        }
        $this->chat = $this->cluster->websocket(0);
        $this->chatIsAsDescribed($this->cluster->register());
    }

    public function testTheChatWithTheRealGatewayWorker(): void
    {
        if (Application::autoload() === null) {
            self::markTestSkipped('GatewayWorker and Workerman are not there: install them with Composer, or name a '
                . 'file that loads them in the environment variable GATEWAYWORKER_AUTOLOAD.');
        }
        if (!extension_loaded('pcntl') || !extension_loaded('posix')) {
            self::markTestSkipped('Workerman needs the PHP extensions pcntl and posix.');
        }
        [$register, $this->chat, $internal] = self::freeAddresses(3);
        $this->startMaster([
            'CHAT_AUTOLOAD' => (string) Application::autoload(),
            'CHAT_REGISTER' => $register,
            'CHAT_LISTEN' => "websocket://{$this->chat}",
            'CHAT_START_PORT' => substr((string) strrchr($internal, ':'), 1),
            'CHAT_SECRET_KEY' => 'key of the chat',
            'CHAT_RUNTIME' => $this->directory(),
        ]);
        $this->chatIsAsDescribed($register, ['GATEWAY_SECRET_KEY' => 'key of the chat']);
    }

    /**
     * What examples/chat/README.md describes.
     *
     * @param array<string, string> $environment
     */
    private function chatIsAsDescribed(string $register, array $environment = []): void
    {
        Gateway::$registerAddress = $register;
        Gateway::$secretKey = $environment['GATEWAY_SECRET_KEY'] ?? '';
        [$ann, $bob, $eve] = [$this->chatter(), $this->chatter(), $this->chatter()];
        $this->tell($eve, ['type' => 'say', 'text' => 'too early']);
        $this->assertHears(['type' => 'error', 'reason' => 'enter a room first'], $eve);
        $this->tell($ann, ['type' => 'enter', 'name' => 'ann', 'room' => 'kitchen']);
        $this->assertHears(['type' => 'present', 'room' => 'kitchen', 'names' => ['ann']], $ann);
        $this->tell($bob, ['type' => 'enter', 'name' => 'bob', 'room' => 'kitchen']);
        $this->assertHears(['type' => 'present', 'room' => 'kitchen', 'names' => ['ann', 'bob']], $bob);
        $this->assertHears(['type' => 'entered', 'name' => 'bob'], $ann);
        $this->tell($eve, ['type' => 'enter', 'name' => 'eve', 'room' => 'cellar']);
        $this->assertHears(['type' => 'present', 'room' => 'cellar', 'names' => ['eve']], $eve);

        // A worker keeps nothing to itself: who entered is in the session.
        $this->tell($bob, ['type' => 'ping']);
        $this->tell($bob, ['type' => 'say', 'text' => "tea \u{8336}"]);
        foreach ([$ann, $bob] as $client) {
            $this->assertHears(['type' => 'said', 'name' => 'bob', 'text' => "tea \u{8336}"], $client);
        }
        $this->tell($eve, ['type' => 'whisper', 'to' => 'ann', 'text' => 'psst']);
        $this->assertHears(['type' => 'whispered', 'name' => 'eve', 'text' => 'psst'], $ann);
        $this->tell($eve, ['type' => 'whisper', 'to' => 'nobody', 'text' => 'psst']);
        $this->assertHears(['type' => 'error', 'reason' => 'nobody of that name is here'], $eve);

        // From outside, by the names that the chat uses.
        $notice = ['type' => 'notice', 'text' => 'closing'];
        $push = ["--register=$register", 'group', 'kitchen', (string) json_encode($notice)];
        self::assertSame([0, '', ''], $this->example('push.php', $push, '', $environment));
        $this->assertHears($notice, $ann);
        $this->assertHears($notice, $bob);
        $push = ["--register=$register", 'uid', 'eve', (string) json_encode($notice)];
        self::assertSame([0, '', ''], $this->example('push.php', $push, '', $environment));
        $this->assertHears($notice, $eve);

        // One who changes the room has left the other.
        $this->tell($eve, ['type' => 'enter', 'name' => 'eva', 'room' => 'kitchen']);
        $names = ['ann', 'bob', 'eva'];
        $this->assertHears(['type' => 'present', 'room' => 'kitchen', 'names' => $names], $eve);
        foreach ([$ann, $bob] as $client) {
            $this->assertHears(['type' => 'entered', 'name' => 'eva'], $client);
        }
        $this->tell($bob, ['type' => 'whisper', 'to' => 'eve', 'text' => 'still there?']);
        $this->assertHears(['type' => 'error', 'reason' => 'nobody of that name is here'], $bob);

        foreach (['', '0', 'two words', "line\n", 7, null] as $name) {
            $this->tell($eve, ['type' => 'enter', 'name' => 'eve', 'room' => $name]);
            $this->assertHears(
                ['type' => 'error', 'reason' => 'a name and a room are one word of letters, digits, _ and -'],
                $eve
            );
        }
        foreach (['{', '"x"', '{"type":"dance"}'] as $nonsense) {
            $eve->send($nonsense);
            $this->assertHears(['type' => 'error', 'reason' => 'unknown type'], $eve);
        }
        $this->tell($eve, ['type' => 'say']);
        $this->assertHears(['type' => 'error', 'reason' => 'text is missing or too long'], $eve);

        // Only the last window of a person that closes is the person's leaving.
        $window = $this->chatter();
        $this->tell($window, ['type' => 'enter', 'name' => 'eva', 'room' => 'kitchen']);
        $this->assertHears(['type' => 'present', 'room' => 'kitchen', 'names' => $names], $window);
        foreach ([$ann, $bob, $eve] as $client) {
            $this->assertHears(['type' => 'entered', 'name' => 'eva'], $client);
        }
        $eve->close();
        Clock::waitUntil(static function (): bool {
            return count(Gateway::getClientIdByUid('eva')) === 1;
        }, 'for the gateway to see that a window is closed');
        $window->close();
        foreach ([$ann, $bob] as $client) {
            $this->assertHears(['type' => 'left', 'name' => 'eva'], $client);
            $this->tell($client, ['type' => 'who']);
            // A worker that has just learned of the end of the first window has seen the second one
            // close, too.
            do {
                $heard = json_decode((string) $client->receive(), true);
            } while ($heard === ['type' => 'left', 'name' => 'eva']);
            self::assertSame(['type' => 'present', 'room' => 'kitchen', 'names' => ['ann', 'bob']], $heard);
        }
    }

    /**
     * Connects a client to the chat. A gateway that no worker has found yet closes it: another
     * attempt is made then.
     */
    private function chatter(): Client
    {
        Clock::waitUntil(function () use (&$client): bool {
            $client = $this->tryToChat();
            return $client !== null;
        }, "for the chat to take clients\n" . $this->printed(), 20.0);
        return $this->chatters[] = $client;
    }

    private function tryToChat(): ?Client
    {
        $probe = @stream_socket_client("tcp://{$this->chat}", $code, $message, 5.0);
        if ($probe === false) {
            return null;
        }
        fclose($probe);
        try {
            return new WebSocketClient($this->chat);
        } catch (RuntimeException $closed) {
            return null;
        }
    }

    /**
     * @param array<string, mixed> $message
     */
    private function tell(Client $client, array $message): void
    {
        $client->send((string) json_encode($message));
    }

    /**
     * Requires that this is the next that the client hears, save for the greetings.
     *
     * @param array<string, mixed> $expected
     */
    private function assertHears(array $expected, Client $client): void
    {
        do {
            $heard = json_decode((string) $client->receive(), true);
        } while (($heard['type'] ?? '') === 'init');
        self::assertSame($expected, $heard);
    }

    /**
     * Starts two gateways that the tests' own process and clients are pointed at.
     */
    private function startCluster(string $secret = ''): Gatewayd
    {
        $this->clusters[] = $cluster = Gatewayd::start(2, $secret === '' ? null : $secret);
        $this->pointAt($cluster, $secret);
        return $cluster;
    }

    /**
     * @param list<string>          $arguments
     * @param array<string, string> $environment
     */
    private function assertPush(array $arguments, string $input = '', array $environment = []): void
    {
        self::assertSame([0, '', ''], $this->push($arguments, $input, $environment), implode(' ', $arguments));
    }

    /**
     * Runs push.php with the register of the cluster.
     *
     * @param list<string>          $arguments
     * @param array<string, string> $environment
     *
     * @return array{int, string, string}
     */
    private function push(array $arguments, string $input = '', array $environment = []): array
    {
        array_unshift($arguments, '--register=' . $this->cluster->register());
        return $this->example('push.php', $arguments, $input, $environment);
    }

    /**
     * Runs an example to its end: exit code, output, errors.
     *
     * @param list<string>          $arguments
     * @param array<string, string> $environment
     * @param array<string, string> $ini
     *
     * @return array{int, string, string}
     */
    private function example(
        string $name,
        array $arguments,
        string $input = '',
        array $environment = [],
        array $ini = []
    ): array {
        $php = PhpProcess::php($ini + ['error_log' => '', 'display_errors' => '0']);
        $files = [tmpfile(), tmpfile(), tmpfile()];
        fwrite($files[0], $input);
        rewind($files[0]);
        $process = proc_open(
            array_merge($php, [Implementation::root() . "/examples/$name"], $arguments),
            $files,
            $pipes,
            null,
            $environment + getenv()
        );
        self::assertIsResource($process);
        $status = proc_get_status($process);
        try {
            Clock::waitUntil(static function () use ($process, &$status): bool {
                $status = proc_get_status($process);
                return !$status['running'];
            }, "for $name to end", 20.0);
        } finally {
            if ($status['running']) {
                proc_terminate($process, SIGKILL);
            }
            proc_close($process);
        }
        rewind($files[1]);
        rewind($files[2]);
        return [$status['exitcode'], stream_get_contents($files[1]), stream_get_contents($files[2])];
    }

    private function startFpm(string $register): void
    {
        if (Fpm::program() === null) {
            self::markTestSkipped('php-fpm ' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION . ' is not installed '
                . '(Debian has it as php-fpm; PHP_FPM names another)');
        }
        $this->fpm = new Fpm($this->directory(), [], ['env[GATEWAY_REGISTER]' => $register]);
    }

    /**
     * Makes a request to examples/fpm; returns the status and the decoded response.
     *
     * @param array<string, string> $form
     *
     * @return array{int, mixed}
     */
    private function request(string $method, string $path, array $form = []): array
    {
        $query = ['method' => $method, 'path' => $path] + $form;
        $reply = $this->fpm->get(__DIR__ . '/fixtures/fpm-request.php', $query);
        $head = $this->fpm->client()->head;
        self::assertMatchesRegularExpression('~^Content-type: application/json~im', $head, $reply);
        preg_match('/^Status: (\d+)/m', $head, $match);
        return [(int) ($match[1] ?? 200), json_decode($reply, true)];
    }

    /**
     * Starts register, gateway and workers of the chat under one master process.
     *
     * @param array<string, string> $environment
     */
    private function startMaster(array $environment): void
    {
        $out = ['file', "{$this->directory()}/printed", 'a'];
        $master = proc_open(
            array_merge(PhpProcess::php(), [Implementation::root() . '/examples/chat/start.php', 'start']),
            [['file', '/dev/null', 'r'], $out, $out],
            $pipes,
            null,
            $environment + getenv()
        );
        self::assertIsResource($master);
        $this->master = $master;
    }

    /**
     * Ends the master as Ctrl-C does, and whoever of its processes does not obey.
     */
    private function stopMaster(): void
    {
        $pid = proc_get_status($this->master)['pid'];
        $all = array_merge([$pid], Application::children($pid));
        posix_kill($pid, SIGINT);
        try {
            Clock::waitUntil(function (): bool {
                return !proc_get_status($this->master)['running'];
            }, 'for the chat to stop');
        } finally {
            foreach ($all as $process) {
                if (strpos((string) @readlink("/proc/$process/fd/1"), $this->directory()) === 0) {
                    posix_kill($process, SIGKILL);
                }
            }
            proc_close($this->master);
            $this->master = null;
        }
    }

    /**
     * What the chat has printed: for messages of failing tests.
     */
    private function printed(): string
    {
        return (string) @file_get_contents("{$this->directory()}/printed");
    }

    /**
     * A directory that goes with the test.
     */
    private function directory(): string
    {
        if ($this->directory === null) {
            $this->directory = sys_get_temp_dir() . '/gatewayworker-examples-' . bin2hex(random_bytes(6));
            mkdir($this->directory, 0755);
        }
        return $this->directory;
    }

    private static function remove(string $path): void
    {
        if (is_dir($path) && !is_link($path)) {
            foreach (array_diff((array) scandir($path), ['.', '..']) as $name) {
                self::remove("$path/$name");
            }
            rmdir($path);
        } else {
            unlink($path);
        }
    }

    /**
     * @return list<string> loopback addresses that were free a moment ago
     */
    private static function freeAddresses(int $count): array
    {
        return array_map(static function (int $port): string {
            return "127.0.0.1:$port";
        }, Ports::free($count));
    }
}
