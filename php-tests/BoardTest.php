<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Tests\Support\Chromium;
use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\PhpProcess;
use GatewayWorker\Tests\Support\WebDriver;

/**
 * `make board`: what a person sees and does there, in a Chromium without a window.
 *
 * With BOARD_PICTURES, the name of a directory, the pictures of the documentation are put there:
 * `make board-screenshot`.
 *
 * @group better-than-original
 * @group board
 */
final class BoardTest extends GatewayTestCase
{
    /** @var Chromium|null */
    private static $chromium;

    /** @var PhpProcess|null */
    private $board;

    /** @var string where the page is */
    private $url = '';

    public static function tearDownAfterClass(): void
    {
        if (self::$chromium !== null) {
            self::$chromium->stop();
            self::$chromium = null;
        }
    }

    protected function setUp(): void
    {
        parent::setUp();
        $this->requireNative('has no status to be shown');
        if (!extension_loaded('pcntl') || !extension_loaded('posix')) {
            self::markTestSkipped('the extensions pcntl and posix are needed');
        }
    }

    protected function tearDown(): void
    {
        if ($this->board !== null) {
            if ($this->board->isRunning()) {
                $this->board->signal(SIGTERM);
                $this->board->wait();
            }
            $this->board->dispose();
        }
        parent::tearDown();
    }

    public function testMessagesArriveInThePanesOfThoseTheyAreFor(): void
    {
        $page = $this->openPage();
        self::assertTrue($page->sees('#no-clients'), 'an empty board says what to do first');
        $page->click('#open-first');
        $this->await($page, '#open');
        $page->click('#open');
        $page->click('#open');
        foreach ([1, 2, 3] as $number) {
            $this->await($page, self::pane($number, '', '[data-state=open]'));
            self::assertSame("Gateway $number", $page->text(self::pane($number, '.pane-where')), 'one at each gateway');
        }
        self::assertFalse($page->sees('#no-clients'));

        $this->nameClient($page, 1, 'bind', 'alice');
        $this->nameClient($page, 2, 'bind', 'bob');
        $this->nameClient($page, 3, 'bind', 'alice');
        $this->nameClient($page, 1, 'join', 'team');
        $this->nameClient($page, 2, 'join', 'team');

        $this->send($page, 'all', null, 'Good morning, everyone');
        $this->send($page, 'uid', 'alice', 'For Alice, wherever she is');
        $this->send($page, 'group', 'team', 'The team meets at ten');
        $page->click(self::pane(2, '.to-this'));
        $page->type('#message', 'Only for you');
        $page->click('#send');
        // Gateways deliver in order: once this one has arrived, everything else has too.
        $this->send($page, 'all', null, 'Goodbye, 再见');
        $expected = [
            1 => ['Good morning, everyone', 'For Alice, wherever she is', 'The team meets at ten', 'Goodbye, 再见'],
            2 => ['Good morning, everyone', 'The team meets at ten', 'Only for you', 'Goodbye, 再见'],
            3 => ['Good morning, everyone', 'For Alice, wherever she is', 'Goodbye, 再见'],
        ];
        foreach ($expected as $number => $messages) {
            $this->until(function () use ($page, $number): bool {
                return in_array('Goodbye, 再见', $this->messages($page, $number), true);
            }, "for client $number to get the last message");
            self::assertSame($messages, $this->messages($page, $number), "what client $number has got");
        }
        self::assertSame("Gateway::sendToAll('Goodbye, 再见')", $page->text('#calls li:first-child .call'));
        self::assertSame('→ null', $page->text('#calls li:first-child code:nth-child(2)'));
        $this->takePictures($page);

        $page->click(self::pane(1, '.chip.group button'));
        $this->until(static function () use ($page): bool {
            return !$page->sees(self::pane(1, '.chip.group'));
        }, 'for the client to have left the group');
        $this->send($page, 'group', 'team', 'Who is left?');
        $this->send($page, 'all', null, 'the end');
        foreach ([1 => ['Goodbye, 再见', 'the end'], 2 => ['Goodbye, 再见', 'Who is left?', 'the end']] as $number => $last) {
            $this->until(function () use ($page, $number): bool {
                return in_array('the end', $this->messages($page, $number), true);
            }, "for client $number to get the last message");
            self::assertSame($last, array_slice($this->messages($page, $number), -count($last)));
        }
        self::assertSame([], $page->errors());
    }

    public function testTheStatusMovesWithEachMessage(): void
    {
        $page = $this->openPage();
        $this->openClients($page, 1);
        $before = $this->awaitQuiet($page);
        self::assertStringContainsString('127.0.0.1:', $page->text('#process'), 'the register is named');

        $this->send($page, 'all', null, 'to each gateway');
        $this->awaitFigures($page, array_map(static function (array $figures): array {
            return ['accepted' => $figures['accepted'] + 1, 'written' => $figures['written'] + 1] + $figures;
        }, $before));

        $page->choose('#times', '100');
        $this->send($page, 'client', null, 'to one of them');
        $before[0]['accepted'] += 100;
        $before[0]['written'] += 100;
        $this->awaitFigures($page, array_map(static function (array $figures): array {
            return ['accepted' => $figures['accepted'] + 1, 'written' => $figures['written'] + 1] + $figures;
        }, $before));
        $this->until(static function () use ($page): bool {
            return $page->text(self::pane(1, '.received')) === '102 received';
        }, 'for all of them to arrive');
        self::assertSame([], $page->errors());
    }

    public function testOneFrameIsNoMoreThanOnePerSecond(): void
    {
        $page = $this->openPage();
        $rates = $page->run('return import("/gateways.js").then(({ perSecond }) => [
            perSecond([], 0, 7),
            perSecond([{ at: 0, written: 0 }], 50, 1),
            perSecond([{ at: 0, written: 0 }, { at: 900, written: 0 }, { at: 950, written: 0 }], 1000, 1),
            perSecond([{ at: 0, written: 0 }, { at: 4000, written: 100 }], 6000, 400),
            perSecond([{ at: 0, written: 9 }], 2000, 3),
        ])');
        self::assertEquals([0, 1, 1, 150, 0], $rates);
    }

    public function testAGatewayThatCrashesKeepsItsMessagesAndNobodyElse(): void
    {
        $page = $this->openPage();
        $this->openClients($page, 3);
        $this->send($page, 'all', null, 'before');
        foreach ([1, 2, 3] as $number) {
            $this->until(function () use ($page, $number): bool {
                return $this->messages($page, $number) === ['before'];
            }, "for client $number to get the first message");
        }
        $page->click(self::gateway(2, '[data-order=crash]'));
        $this->await($page, self::pane(2, '', '[data-state=closed]'));
        // The order is carried out to its end: the register lists the gateway again.
        $this->await($page, self::gateway(2, '[data-order=start]'));
        $this->send($page, 'all', null, 'meanwhile');
        foreach ([1, 3] as $number) {
            $this->until(function () use ($page, $number): bool {
                return $this->messages($page, $number) === ['before', 'meanwhile'];
            }, "for client $number to get what was sent to all");
        }
        $this->until(function () use ($page): bool {
            return $this->figures($page)[1]['queued'] === 1;
        }, 'for the message to wait');
        $this->await($page, self::gateway(2, '', '[data-state=failed]'));

        $page->click('#asker button');
        $this->await($page, '#calls li.failed');
        self::assertStringContainsString('UnreachableException: ', $page->text('#calls li.failed code:nth-child(2)'));
        self::assertTrue($page->sees('#alert'), 'the page says that it cannot learn who is who');

        $page->click(self::gateway(2, '[data-order=start]'));
        $this->await($page, self::gateway(2, '', '[data-state=online]'));
        $this->until(function () use ($page): bool {
            return $this->figures($page)[1]['queued'] === 0;
        }, 'for the message to be delivered');
        $page->click(self::pane(2, '.reopen'));
        $this->await($page, self::pane(2, '', '[data-state=open]'));
        $this->send($page, 'all', null, 'after');
        $this->until(function () use ($page): bool {
            return $this->messages($page, 2) === ['before', 'after'];
        }, 'for the client to get messages again');
        $this->until(static function () use ($page): bool {
            return !$page->sees('#alert');
        }, 'for the complaint to go away');
    }

    public function testAPausedAndAStoppedGatewayAreShownAsSuch(): void
    {
        $page = $this->openPage();
        $this->openClients($page, 1);
        $page->click(self::gateway(3, '[data-order=pause]'));
        $this->await($page, self::gateway(3, '', '[data-state=paused]'));
        $page->click('#asker button');
        $this->await($page, '#calls li.failed');
        self::assertStringContainsString('NoAnswerException: ', $page->text('#calls li.failed code:nth-child(2)'));
        $page->click(self::gateway(3, '[data-order=resume]'));
        $this->await($page, self::gateway(3, '[data-order=pause]'));
        self::assertFalse($page->sees(self::gateway(3, '', '[data-state=paused]')));
        $this->until(static function () use ($page): bool {
            return !$page->sees('#alert');
        }, 'for the complaint to go away');

        $page->click(self::gateway(2, '[data-order=stop]'));
        $this->await($page, self::gateway(2, '', '[data-state=stopped]'));
        self::assertFalse($page->sees(self::gateway(2, '.open-here')), 'nobody can connect there');
        $page->click(self::gateway(2, '[data-order=start]'));
        $this->await($page, self::gateway(2, '[data-order=stop]'));
        $page->click(self::gateway(2, '.open-here'));
        $this->await($page, self::pane(2, '', '[data-state=open]'));
        self::assertSame('Gateway 2', $page->text(self::pane(2, '.pane-where')));
    }

    public function testSessionsAreSetAndMergedAndAClientIsKicked(): void
    {
        $page = $this->openPage();
        $this->openClients($page, 1);
        $page->click(self::pane(1, '.session summary'));
        foreach (
            [
                ['setSession', '{"name": "Ann", "level": 3}', '{"name":"Ann","level":3}'],
                ['updateSession', '{"level": 4}', '{"name":"Ann","level":4}'],
                ['setSession', '{}', '{}'],
            ] as [$method, $given, $shown]
        ) {
            $page->type(self::pane(1, 'textarea'), $given);
            $page->click(self::pane(1, ".session button[value=$method]"));
            $this->until(static function () use ($page, $shown): bool {
                return $page->text(self::pane(1, '.session-now')) === $shown;
            }, "for the session to be $shown");
        }
        $page->type(self::pane(1, 'textarea'), 'no JSON');
        $page->click(self::pane(1, '.session button[value=setSession]'));
        self::assertTrue($page->sees(self::pane(1, '.session .error-text')));

        $page->click(self::pane(1, '.kick'));
        $this->await($page, self::pane(1, '', '[data-state=closed]'));
        // The state is shown at once, what came before it with the next picture: all of it
        // together.
        $this->until(function () use ($page): bool {
            return $this->messages($page, 1) !== [];
        }, 'for the last message to be drawn');
        self::assertSame(['You have been kicked'], $this->messages($page, 1));
        self::assertSame([], $page->errors());
    }

    public function testItSpeaksChineseAndEnglish(): void
    {
        $page = $this->openPage();
        $this->openClients($page, 1);
        self::assertSame(['en', 'Gateway board'], [$page->run('return document.documentElement.lang'), $page->text('h1')]);
        $page->click('#language');
        self::assertSame(['zh-CN', 'Gateway 看板'], [$page->run('return document.documentElement.lang'), $page->text('h1')]);
        self::assertSame('客户端 1', $page->text(self::pane(1, 'h3')), 'what was there before has changed, too');
        self::assertSame('已连接', $page->text(self::pane(1, '.pane-state')));
        $english = 'return [...document.querySelectorAll("[data-t]")].filter((e) => /^[a-z ]*$/i.test(e.textContent))'
            . '.map((e) => e.textContent)';
        self::assertEqualsCanonicalizing(
            ['English', 'uid', 'Gateway', 'Register', 'session'],
            array_values(array_unique($page->run($english))),
            'nothing else is English'
        );
        $page->open($this->url);
        self::assertSame('Gateway 看板', $page->text('h1'), 'the choice outlives a reload');
        $page->click('#language');
        self::assertSame('Gateway board', $page->text('h1'));

        $shapes = $page->run('return import("/texts.js").then(({ texts }) => Object.values(texts).map((words) => '
            . 'Object.entries(words).map(([key, text]) => [key, ...(text.match(/\{\w+\}/g) ?? []).sort()].join(" ")).sort()))');
        self::assertSame($shapes[0], $shapes[1], 'both languages have the same texts, with the same values in them');
    }

    public function testItIsLightOrDarkAsTheSystemIsUntilOneIsChosen(): void
    {
        $page = $this->openPage();
        $wish = static function (string $colours) use ($page): void {
            $page->chromium('Emulation.setEmulatedMedia', [
                'features' => [['name' => 'prefers-color-scheme', 'value' => $colours]],
            ]);
        };
        $brightness = static function () use ($page): int {
            $colour = $page->run('return getComputedStyle(document.body).backgroundColor');
            preg_match_all('~\d+~', $colour, $numbers);
            return (int) (array_sum($numbers[0]) / 3);
        };
        $wish('dark');
        self::assertLessThan(50, $brightness());
        $wish('light');
        self::assertGreaterThan(200, $brightness());
        $page->click('#theme');
        self::assertLessThan(50, $brightness(), 'the button has chosen dark');
        $page->open($this->url);
        self::assertLessThan(50, $brightness(), 'the choice outlives a reload');
        $page->click('#theme');
        $wish('dark');
        self::assertGreaterThan(200, $brightness(), 'what is chosen counts more than the system');
        $wish('');
    }

    public function testItFitsANarrowWindowAndEveryControlHasAName(): void
    {
        $page = $this->openPage();
        $this->openClients($page, 2);
        $this->nameClient($page, 1, 'bind', str_repeat('a-long-uid-', 3));
        $page->chromium('Emulation.setDeviceMetricsOverride', self::screen(360, 800));
        self::assertSame(360, $page->run('return document.documentElement.scrollWidth'), 'nothing is cut off');
        $page->chromium('Emulation.clearDeviceMetricsOverride', []);
        $nameless = 'return [...document.querySelectorAll("button, input, select, textarea")].filter((e) => '
            . '![e.textContent, e.getAttribute("aria-label"), ...[...e.labels].map((l) => l.textContent)]'
            . '.some((name) => name?.trim())).map((e) => e.outerHTML)';
        self::assertSame([], $page->run($nameless));
    }

    public function testThePageSaysWhenItsServerIsGone(): void
    {
        $page = $this->openPage();
        $this->await($page, '#pulse[data-state=on]');
        $this->board->signal(SIGTERM);
        $this->board->wait();
        $this->await($page, '#pulse[data-state=off]');
        self::assertStringContainsString('make board', $page->text('#alert'));
    }

    /**
     * @dataProvider refusals
     *
     * @param array<string, string> $headers
     */
    public function testItServesOnlyItsOwnPage(int $status, string $path, ?string $body, array $headers = []): void
    {
        $this->startBoard();
        $good = '{"method":"sendToAll","arguments":{"message":"hello"}}';
        self::assertSame(200, $this->request('api/call', $good)['status'], 'a request of the page is served');
        $reply = $this->request($path, $body === 'good' ? $good : $body, $headers);
        self::assertSame($status, $reply['status']);
        self::assertNotSame('', json_decode($reply['body'], true)['error']['message'] ?? '', 'it says why');
        $status = json_decode($this->request('api/status', '{}')['body'], true)['status'];
        self::assertSame([1, 1, 1], array_column($status['clusters'][0]['gateways'], 'accepted'), 'nothing was sent');
    }

    /**
     * @return array<string, array<mixed>>
     */
    public static function refusals(): array
    {
        $call = static function (string $method, string $arguments, string $more = ''): array {
            return [400, 'api/call', "{\"method\":\"$method\",\"arguments\":$arguments$more}"];
        };
        return [
            'from the page of another site' => [403, 'api/call', 'good', ['Origin' => 'http://example.com']],
            'from another port' => [403, 'api/call', 'good', ['Origin' => 'http://127.0.0.1:1']],
            'from nowhere' => [403, 'api/call', 'good', ['Origin' => 'null']],
            'across sites without an origin' => [403, 'api/call', 'good', ['Sec-Fetch-Site' => 'cross-site']],
            'by another name' => [403, 'api/call', 'good', ['Host' => 'example.com']],
            'not declared as JSON' => [415, 'api/call', 'good', ['Content-Type' => 'text/plain']],
            'declared as nothing' => [415, 'api/call', 'good', ['Content-Type' => '']],
            'by GET' => [405, 'api/call', null],
            'no JSON' => [400, 'api/call', '{'],
            'no object' => [400, 'api/call', '[]'],
            'too long' => [413, 'api/call', '{"a":"' . str_repeat('.', 1 << 20) . '"}'],
            'a request that does not exist' => [404, 'api/nothing', '{}'],
            'a file that is not the page\'s' => [404, 'run.php', null],
            'a file above' => [404, '../router.php', null],
            'a method that is not offered' => $call('setBusinessWorker', '{}'),
            'a private method' => $call('__construct', '{}'),
            'an argument too many' => $call('sendToAll', '{"message":"a","raw":true}'),
            'an argument too few' => $call('sendToUid', '{"message":"a"}'),
            'an empty message' => $call('sendToAll', '{"message":""}'),
            'a message that is none' => $call('sendToAll', '{"message":["a"]}'),
            'a long message' => $call('sendToAll', '{"message":"' . str_repeat('.', 16385) . '"}'),
            'a name that is none' => $call('sendToGroup', '{"message":"a","group":["b"]}'),
            'no client id' => $call('sendToClient', '{"message":"a","client_id":"7f00"}'),
            'a number of times' => $call('sendToAll', '{"message":"a"}', ',"times":1001'),
            'too much at once' => $call('sendToAll', '{"message":"a"}', ',"times":1000,"size":65536'),
            'no such gateway' => [400, 'api/gateway', '{"gateway":3,"order":"stop"}'],
            'no such order' => [400, 'api/gateway', '{"gateway":0,"order":"explode"}'],
        ];
    }

    public function testTheStatusAsksNoGatewayAnything(): void
    {
        $this->startBoard();
        for ($i = 0; $i < 3; $i++) {
            $status = json_decode($this->request('api/status', '{}')['body'], true);
            self::assertSame([], $status['status']['clusters'], 'looking connects to nothing');
            self::assertCount(3, $status['gateways']);
        }
    }

    /**
     * @dataProvider signals
     */
    public function testItStopsEverything(int $signal): void
    {
        $this->startBoard();
        $addresses = [parse_url($this->url, PHP_URL_HOST) . ':' . parse_url($this->url, PHP_URL_PORT)];
        foreach (json_decode($this->request('api/status', '{}')['body'], true)['gateways'] as $gateway) {
            $addresses[] = $gateway['address'];
        }
        foreach ($addresses as $address) {
            self::assertTrue(self::listens($address), "$address is there");
        }
        $this->board->signal($signal);
        self::assertSame(0, $this->board->wait());
        self::assertSame('', $this->board->errors(), 'nothing is said on standard error');
        foreach ($addresses as $address) {
            self::assertFalse(self::listens($address), "$address is not there any more");
        }
    }

    /**
     * @return array<string, array{int}>
     */
    public static function signals(): array
    {
        return extension_loaded('pcntl') ? ['Ctrl-C' => [SIGINT], 'SIGTERM' => [SIGTERM], 'SIGHUP' => [SIGHUP]] : [[0]];
    }

    // --- the board

    private function startBoard(): void
    {
        $this->board = new PhpProcess(dirname(__DIR__) . '/board/run.php');
        self::assertMatchesRegularExpression('~http://127\.0\.0\.1:\d+/$~', $line = $this->board->readLine());
        $this->url = substr($line, (int) strpos($line, 'http'));
    }

    /**
     * A request to the server of the page: POST where there is a body, as JSON unless headers say
     * otherwise.
     *
     * @param array<string, string> $headers
     *
     * @return array{status: int, body: string}
     */
    private function request(string $path, ?string $body, array $headers = []): array
    {
        $port = parse_url($this->url, PHP_URL_PORT);
        $headers += ['Host' => "127.0.0.1:$port", 'Content-Type' => 'application/json', 'Connection' => 'close'];
        $lines = [];
        foreach (array_filter($headers, 'strlen') as $name => $value) {
            $lines[] = "$name: $value";
        }
        $options = ['ignore_errors' => true, 'header' => $lines, 'timeout' => 20.0];
        $options += $body === null ? [] : ['method' => 'POST', 'content' => $body];
        // Without its own Content-Type, the stream would make one up, with a notice.
        $reply = @file_get_contents($this->url . $path, false, stream_context_create(['http' => $options]));
        return ['status' => (int) substr($http_response_header[0], 9, 3), 'body' => (string) $reply];
    }

    private static function listens(string $address): bool
    {
        $connection = @stream_socket_client("tcp://$address", $code, $message, 5.0);
        return $connection !== false && fclose($connection);
    }

    // --- the page

    private function openPage(): WebDriver
    {
        $missing = Chromium::missing();
        if ($missing !== null) {
            self::markTestSkipped($missing);
        }
        $this->startBoard();
        self::$chromium = self::$chromium ?? new Chromium(1440, 1100);
        $page = self::$chromium->browser();
        // What the page before has complained of, until its end, is forgotten.
        $page->open('about:blank');
        $page->errors();
        $page->open($this->url);
        $this->await($page, self::gateway(3));
        return $page;
    }

    private function openClients(WebDriver $page, int $count): void
    {
        for ($number = 1; $number <= $count; $number++) {
            $page->click($number === 1 ? '#open-first' : '#open');
            $this->await($page, self::pane($number, '', '[data-state=open]'));
        }
    }

    /**
     * Gives a client a uid (`bind`) or a group (`join`), and waits until the gateways know it.
     */
    private function nameClient(WebDriver $page, int $number, string $what, string $name): void
    {
        $page->type(self::pane($number, ".$what input"), $name);
        $page->click(self::pane($number, ".$what button"));
        $kind = $what === 'bind' ? 'uid' : 'group';
        $this->until(static function () use ($page, $number, $kind, $name): bool {
            $chips = $page->run(
                'return [...document.querySelectorAll(arguments[0])].map((e) => e.childNodes[1].data.trim())',
                [self::pane($number, ".chip.$kind")]
            );
            return in_array($name, $chips, true);
        }, "for client $number to have the $kind $name");
    }

    /**
     * Sends by the form, and waits until PHP has made the call.
     */
    private function send(WebDriver $page, string $to, ?string $name, string $message): void
    {
        $calls = 'return document.querySelectorAll("#calls li").length';
        $before = $page->run($calls);
        $page->click("#composer input[value=$to]");
        if ($name !== null) {
            $page->type('#name', $name);
        }
        $page->type('#message', $message);
        $page->click('#send');
        $this->until(static function () use ($page, $calls, $before): bool {
            return $page->run($calls) > $before;
        }, "for '$message' to be sent");
    }

    /**
     * The messages in the pane of a client.
     *
     * @return list<string>
     */
    private function messages(WebDriver $page, int $number): array
    {
        $script = 'return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)';
        return $page->run($script, [self::pane($number, '.messages li > span')]);
    }

    /**
     * The figures of each gateway.
     *
     * @return list<array<string, int>>
     */
    private function figures(WebDriver $page): array
    {
        return $page->run('return [...document.querySelectorAll(".gateway")].map((gateway) => Object.fromEntries('
            . '[...gateway.querySelectorAll("[data-figure]")].map((e) => [e.dataset.figure, Number(e.textContent)])))');
    }

    /**
     * The figures once every gateway is online and has written what it accepted.
     *
     * @return list<array<string, int>>
     */
    private function awaitQuiet(WebDriver $page): array
    {
        $this->send($page, 'all', null, 'the first');
        $this->until(function () use ($page): bool {
            foreach ($this->figures($page) as $figures) {
                if ($figures['accepted'] === 0 || $figures['written'] !== $figures['accepted']) {
                    return false;
                }
            }
            return true;
        }, 'for the status to show the first message');
        return $this->figures($page);
    }

    /**
     * @param list<array<string, int>> $expected
     */
    private function awaitFigures(WebDriver $page, array $expected): void
    {
        $seen = [];
        try {
            $this->until(function () use ($page, $expected, &$seen): bool {
                $seen = $this->figures($page);
                return $seen == $expected;
            }, 'for the status to move');
        } catch (\RuntimeException $late) {
            self::assertEquals($expected, $seen);
        }
        self::assertEquals($expected, $seen);
    }

    private function await(WebDriver $page, string $selector): void
    {
        $this->until(static function () use ($page, $selector): bool {
            return $page->sees($selector);
        }, "for $selector to be seen");
    }

    /**
     * @param callable(): bool $condition
     */
    private function until(callable $condition, string $what): void
    {
        Clock::waitUntil($condition, $what, 20.0);
    }

    /**
     * Something in the pane of a client; of is what the pane itself has to be.
     */
    private static function pane(int $number, string $inside = '', string $of = ''): string
    {
        return "[data-client=\"$number\"]$of $inside";
    }

    private static function gateway(int $number, string $inside = '', string $of = ''): string
    {
        return ".gateway[data-gateway=\"$number\"]$of $inside";
    }

    /**
     * @return array<string, mixed>
     */
    private static function screen(int $width, int $height): array
    {
        return ['width' => $width, 'height' => $height, 'deviceScaleFactor' => 1, 'mobile' => false];
    }

    /**
     * The pictures of the documentation, if requested.
     */
    private function takePictures(WebDriver $page): void
    {
        $directory = getenv('BOARD_PICTURES');
        if ($directory === false || $directory === '') {
            return;
        }
        $page->chromium('Emulation.setDeviceMetricsOverride', self::screen(1440, 1110));
        // Nothing is in the middle of a movement.
        $still = ['features' => [['name' => 'prefers-reduced-motion', 'value' => 'reduce']]];
        $page->chromium('Emulation.setEmulatedMedia', $still);
        $page->run('document.activeElement.blur(); scrollTo(0, 0)');
        foreach (['board.png', 'board-dark.png'] as $name) {
            self::assertNotFalse(file_put_contents("$directory/$name", $page->screenshot()));
            $page->run('document.getElementById("theme").click()');
        }
        $page->chromium('Emulation.setEmulatedMedia', ['features' => []]);
        $page->chromium('Emulation.clearDeviceMetricsOverride', []);
    }
}
