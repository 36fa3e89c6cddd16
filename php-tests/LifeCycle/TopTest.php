<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\Implementation;
use GatewayWorker\Tests\Support\LifeCycleTestCase;
use GatewayWorker\Tests\Support\PhpProcess;

/**
 * bin/gatewayworker-top: what it shows of living processes, and what it makes of dead ones and of
 * other files.
 *
 * @group better-than-original
 */
final class TopTest extends LifeCycleTestCase
{
    public function testItShowsALivingProcessOnce(): void
    {
        $script = $this->publishing();
        foreach ([[$this->directory()], [$this->directory() . "/{$script->pid()}.json"]] as $path) {
            [$code, $output, $errors] = $this->top(array_merge(['--once'], $path));
            self::assertSame([0, ''], [$code, $errors]);
            self::assertStringContainsString("pid {$script->pid()}, version " . phpversion('gatewayworker'), $output);
            self::assertStringContainsString("register {$this->cluster->register()} online", $output);
            foreach ($this->cluster->internalAddresses() as $address) {
                self::assertMatchesRegularExpression("~^  \\Q$address\\E +online +0 +0 +- +- +0 +0 +- ~m", $output);
            }
            self::assertStringNotContainsString("\e", $output, 'no terminal, no escape codes');
        }
    }

    public function testANumberMeansTheProcessInTheDirectoryOfTheSetting(): void
    {
        $script = $this->publishing();
        $ini = ['gatewayworker.status_path' => $this->directory()];
        [$code, $output] = $this->top(['--once', (string) $script->pid()], PhpProcess::php($ini));
        self::assertSame(0, $code);
        self::assertStringContainsString("pid {$script->pid()}, ", $output);
        [$code, $output] = $this->top(['--once'], PhpProcess::php($ini));
        self::assertSame(0, $code);
        self::assertStringContainsString("pid {$script->pid()}, ", $output);
        [$code, $output] = $this->top(['--once', '1'], PhpProcess::php($ini));
        self::assertSame(1, $code, $output);
    }

    public function testItSpeaksJson(): void
    {
        $script = $this->publishing();
        [$code, $output, $errors] = $this->top(['--once', '--json', $this->directory()]);
        self::assertSame([0, ''], [$code, $errors]);
        $seen = json_decode($output, true, 16, JSON_THROW_ON_ERROR);
        self::assertSame([[$script->pid()], []], [array_column($seen['processes'], 'pid'), $seen['unreadable']]);
        $gateways = $seen['processes'][0]['clusters'][0]['gateways'];
        self::assertSame($this->cluster->internalAddresses(), array_column($gateways, 'address'));
        self::assertSame([1, 1], array_column($gateways, 'accepted'));
        self::assertLessThan(60.0, $seen['processes'][0]['age']);
    }

    public function testItGoesOnWithRatesUntilItIsInterrupted(): void
    {
        $script = $this->publishing();
        $top = proc_open(
            [PHP_BINARY, self::program(), '--json', '--interval=0.1', $this->directory()],
            [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']],
            $pipes
        );
        self::assertIsResource($top);
        try {
            $rate = null;
            Clock::waitUntil(function () use ($script, $pipes, &$rate): bool {
                $script->writeLine('send');
                $script->readJson();
                $seen = json_decode((string) fgets($pipes[1]), true, 16, JSON_THROW_ON_ERROR);
                $rate = $seen['processes'][0]['clusters'][0]['gateways'][0]['rates']['accepted'];
                return $rate > 0;
            }, 'for a rate');
            proc_terminate($top, SIGINT);
            stream_get_contents($pipes[1]);
            self::assertSame('', stream_get_contents($pipes[2]));
        } finally {
            proc_terminate($top, SIGKILL);
            array_map('fclose', $pipes);
            $code = proc_close($top);
        }
        self::assertSame(0, $code, 'Ctrl-C is no failure');
    }

    public function testItSaysWhereNothingIs(): void
    {
        [$code, $output, $errors] = $this->top(['--once', $this->directory()]);
        self::assertSame([1, ''], [$code, $errors]);
        self::assertStringContainsString("No process publishes its status in {$this->directory()}.", $output);
        self::assertStringContainsString('gatewayworker.status_path', $output);
        [$code, $output] = $this->top(['--once', '--json', $this->directory()]);
        self::assertSame([1, []], [$code, json_decode($output, true)['processes']]);
    }

    public function testTheFileOfADeadProcessIsNotShownAndRemovedOnceItIsOld(): void
    {
        [$dead, $other] = [$this->deadPid(), getmypid()];
        $this->put($dead, ['time' => microtime(true)]);
        [$code, $output] = $this->top(['--once', $this->directory()]);
        self::assertSame(1, $code, $output);
        self::assertFileExists($this->file($dead), 'it may be that of a process in a container');
        $this->put($dead, ['time' => microtime(true) - 60]);
        // This process is alive, but began long after the one that wrote that.
        $this->put($other, ['time' => 1000000000.0]);
        [$code, $output] = $this->top(['--once', $this->directory()]);
        self::assertSame(1, $code, $output);
        self::assertFileDoesNotExist($this->file($dead));
        if (is_dir('/proc/self')) {
            self::assertFileDoesNotExist($this->file($other));
        }
    }

    public function testAProcessThatIsSilentIsSaidToBe(): void
    {
        if (!is_dir('/proc/1')) {
            self::markTestSkipped('there is no /proc, so that a silent process cannot be told from a dead one');
        }
        // One that has certainly been there for longer than it is silent.
        $this->put(1, ['time' => microtime(true) - 30]);
        [$code, $output] = $this->top(['--once', $this->directory()]);
        self::assertSame(0, $code);
        self::assertMatchesRegularExpression('~^pid 1, .*, SILENT for 3\d s(, |$)~m', $output);
    }

    public function testOtherFilesAreNamedWithTheReasonAndLeftAlone(): void
    {
        $script = $this->publishing();
        $files = ['1.json' => '', '2.json' => 'garbage', '3.json' => '[]', '4.json' => '{"pid":4,"clusters":1,"time":1}',
            '5.json' => '{"pid":6,"clusters":[],"time":1}', '6.json' => '{"pid":6,"clu'];
        foreach ($files as $name => $text) {
            file_put_contents($this->directory() . "/$name", $text);
        }
        symlink($this->file($script->pid()), $this->directory() . '/7.json');
        file_put_contents($this->directory() . '/notes.txt', 'not looked at');
        [$code, $output, $errors] = $this->top(['--once', $this->directory()]);
        self::assertSame([0, ''], [$code, $errors]);
        self::assertStringContainsString("pid {$script->pid()}, ", $output);
        foreach ($files as $name => $text) {
            self::assertStringContainsString("/$name: not the status of this process\n", $output);
            self::assertStringEqualsFile($this->directory() . "/$name", $text);
        }
        self::assertStringContainsString('/7.json: not a regular file', $output);
        self::assertStringNotContainsString('notes', $output);
    }

    public function testClustersOfAnyShapeDoNotBreakIt(): void
    {
        $this->put(getmypid(), ['time' => microtime(true), 'clusters' => [
            1, [], ['gateways' => 7], ['register' => 'x', 'gateways' => ['x', ['address' => ['y']], []]],
        ]]);
        foreach ([[], ['--json']] as $options) {
            [$code, , $errors] = $this->top(array_merge($options, ['--once', $this->directory()]));
            self::assertSame([0, ''], [$code, $errors]);
        }
    }

    public function testTextOfAFileDoesNotSpeakToTheTerminal(): void
    {
        $this->put(getmypid(), ['time' => microtime(true), 'version' => "\e]0;title\7", 'clusters' => [
            ['user' => "\e[2J", 'register' => null, 'gateways' => [
                ['address' => "a\nb", 'last_error' => "\u{9b}31m", 'last_error_age' => 1],
            ]],
        ]]);
        [$code, $output] = $this->top(['--once', $this->directory()]);
        self::assertSame(0, $code);
        self::assertDoesNotMatchRegularExpression('~[\x00-\x09\x0b-\x1f\x7f]|\xc2\x9b~', $output);
        self::assertStringContainsString('a?b', $output);
    }

    public function testAWrongCommandLineIsExplained(): void
    {
        foreach (
            [
                'unknown option \'--often\'' => ['--often'],
                '--interval has to be between' => ['--interval=0'],
                'give one PATH or PID' => ['a', 'b'],
                'is not a directory' => [$this->directory() . '/none'],
                'gatewayworker.status_path is not set; pass a directory or a status file (see --help)' => [],
                '--sort takes one of pid, ' => ['--sort=size'],
                '--limit takes NAME=WARNING:CRITICAL' => ['--limit=speed=1:2'],
                'exclude each other' => ['--json', '--openmetrics', $this->directory()],
                'are for a whole directory' => ['--openmetrics', $this->directory() . '/1.json'],
            ] as $message => $arguments
        ) {
            [$code, $output, $errors] = $this->top($arguments);
            self::assertSame([2, ''], [$code, $output]);
            self::assertStringContainsString($message, $errors);
        }
        [$code, $output, $errors] = $this->top(['--help']);
        self::assertSame([0, ''], [$code, $errors]);
        self::assertStringStartsWith('Usage: gatewayworker-top ', $output);
    }

    public function testItShowsWhatRunsInAProcessAndTheTotalOfAll(): void
    {
        $script = $this->publishing();
        [, $output] = $this->top(['--once', $this->directory()]);
        self::assertMatchesRegularExpression('~^  all +2/2 up +0 +0 +- +- +0 +0 ~m', $output);
        self::assertStringContainsString('  1 process  ' . $this->directory(), $output);
        if (is_dir('/proc/self')) {
            self::assertMatchesRegularExpression("~^pid {$script->pid()}, .*, status\\.php~m", $output);
        }
    }

    public function testProcessesAreInTheOrderThatIsWanted(): void
    {
        [$one, $other] = [getmypid(), self::parent()];
        foreach ([[$one, 5, 1], [$other, 7, 0]] as [$pid, $queued, $dropped]) {
            $this->put($pid, ['time' => microtime(true), 'clusters' => [['gateways' => [
                ['address' => '127.0.0.1:1', 'queued' => $queued, 'dropped' => $dropped],
            ]]]]);
        }
        $first = fn (string $order): int => json_decode(
            $this->top(['--once', '--json', "--sort=$order", $this->directory()])[1],
            true
        )['processes'][0]['pid'];
        self::assertSame(min($one, $other), $first('pid'));
        self::assertSame($other, $first('queued'));
        self::assertSame($one, $first('dropped'));
    }

    /** No line is wider than the terminal, there are no more lines than it has, and it is as before in the end. */
    public function testItFitsTheTerminalAndEndsWithQ(): void
    {
        $gateways = array_map(static fn (int $port): array => [
            'address' => "127.0.0.1:$port", 'link' => ['state' => 'online'],
            'last_error' => str_repeat('连接被拒绝 ', 40), 'last_error_age' => 1,
        ], range(2900, 2960));
        foreach ([getmypid(), self::parent()] as $pid) {
            $this->put($pid, ['time' => microtime(true) + 3600, 'clusters' => [['user' => 'x', 'gateways' => $gateways]]]);
        }
        foreach ([[80, 24], [50, 6], [200, 300]] as [$width, $height]) {
            [$code, $output, $before, $after] = $this->onTerminal($width, $height, ['s', 'd', 'q']);
            self::assertSame(0, $code, $output);
            self::assertSame($before, $after, 'the settings of the terminal');
            $screens = array_slice(explode("\e[H", $output), 1);
            self::assertGreaterThanOrEqual(3, count($screens), 'it draws at each key');
            foreach ($screens as $screen) {
                $lines = explode("\n", rtrim((string) preg_replace('~\e\[[KJ]|\r~', '', $screen), "\n"));
                self::assertLessThanOrEqual($height, count($lines));
                foreach ($lines as $line) {
                    self::assertLessThanOrEqual($width, mb_strwidth($line), $line);
                }
            }
            self::assertStringContainsString('2 processes', $screens[0]);
            self::assertStringContainsString('sort: pid', $screens[0]);
            self::assertStringContainsString('sort: command', $screens[1]);
            self::assertSame($height > 100, strpos($screens[1], '127.0.0.1:2900') !== false, 'details, where there is room');
            self::assertStringNotContainsString('127.0.0.1:2900', $screens[2], 'd hides them');
        }
    }

    public function testACheckIsOkWhereAllIsWell(): void
    {
        $this->publishing();
        foreach ([1, 2] as $time) {
            [$code, $output, $errors] = $this->top(['--check', $this->directory()]);
            self::assertSame([0, ''], [$code, $errors], "$time: $output");
            self::assertMatchesRegularExpression(
                '~^GATEWAYWORKER OK - 1 process \| processes=1 down=0;;1 register=0;1; silent=0;1; queued-bytes=0;'
                    . '1000000;5000000 dropped=0;;1 failed-percent=0;1;10 p99-ms=\S+;;\n$~D',
                $output
            );
        }
    }

    public function testACheckTellsWhatIsWrongByItsExitCode(): void
    {
        $gateway = ['address' => '10.0.0.5:2900', 'link' => ['state' => 'online'], 'queries' => 1000];
        $cases = [
            [2, '1 unreachable: 10.0.0.5:2900', ['link' => ['state' => 'failed', 'error' => 'x']], []],
            [1, '2000000 bytes wait for 10.0.0.5:2900 in one process', ['queued_bytes' => 2000000], []],
            [2, '6000000 bytes wait for', ['queued_bytes' => 6000000], []],
            [2, '3 frames dropped since the last check', ['dropped' => 3], []],
            [1, '5 % of the queries failed since the last check', ['queries' => 1100, 'queries_failed' => 5], []],
            [2, '20 % of the queries failed since the last check', ['queries' => 1100, 'queries_failed' => 20], []],
            [1, 'p99 of queries is 12.5 ms', ['latency_p99' => 12500], ['--limit=p99-ms=10:']],
            [0, '1 process', ['dropped' => 3], ['--limit=dropped=:']],
        ];
        foreach ($cases as [$expected, $text, $change, $options]) {
            $state = $this->directory() . '/state';
            @unlink($state);
            foreach ([$gateway, $change + $gateway] as $now) {
                $this->put(getmypid(), ['time' => microtime(true), 'clusters' => [['gateways' => [$now]]]]);
                [$code, $output] = $this->top(array_merge($options, ['--check', "--state=$state", $this->directory()]));
            }
            self::assertSame($expected, $code, $output);
            self::assertStringContainsString($text, $output);
            self::assertSame(1, substr_count($output, "\n"));
        }
        [$code, $output] = $this->top(['--check', "--state=$state", $this->directory()]);
        self::assertSame(0, $code, "nothing was dropped since: $output");
        $this->put(getmypid(), ['time' => microtime(true), 'clusters' => [
            ['register' => ['registers' => ['r:1'], 'state' => 'failed'], 'gateways' => []],
        ]]);
        [$code, $output] = $this->top(['--check', $this->directory()]);
        self::assertSame(1, $code, $output);
        self::assertStringContainsString('1 without a register', $output);
    }

    public function testACheckThatCannotTellIsUnknown(): void
    {
        foreach ([[$this->directory()], [$this->directory() . '/none'], ['--nonsense'], []] as $arguments) {
            [$code, $output, $errors] = $this->top(array_merge(['--check'], $arguments));
            self::assertSame(3, $code, $output . $errors);
        }
        $this->put(getmypid(), ['time' => microtime(true)]);
        [$code, $output] = $this->top(['--check', '--state=/proc/none', $this->directory()]);
        self::assertSame(3, $code, $output);
        self::assertStringContainsString('/proc/none cannot be written', $output);
    }

    public function testMetricsAreInTheFormatOfPrometheus(): void
    {
        $this->publishing();
        [$code, $output, $errors] = $this->top(['--openmetrics', $this->directory()]);
        self::assertSame([0, ''], [$code, $errors]);
        $cluster = $this->cluster->register();
        foreach (
            [
                'processes{state="live"} 1', 'processes{state="silent"} 0', 'processes_ended_total 0',
                "frames_accepted_total{cluster=\"$cluster\"} 2", "frames_written_total{cluster=\"$cluster\"} 2",
                "frames_dropped_total{cluster=\"$cluster\"} 0", "queries_total{cluster=\"$cluster\"} 0",
                "register_subscriptions{cluster=\"$cluster\",state=\"online\"} 1",
                "register_subscriptions{cluster=\"$cluster\",state=\"failed\"} 0",
            ] as $line
        ) {
            self::assertStringContainsString("\ngatewayworker_$line\n", $output);
        }
        foreach ($this->cluster->internalAddresses() as $address) {
            $labels = "cluster=\"$cluster\",gateway=\"$address\"";
            self::assertStringContainsString("\ngatewayworker_links{{$labels},state=\"online\"} 1\n", $output);
            self::assertStringContainsString("\ngatewayworker_queued_bytes{{$labels}} 0\n", $output);
        }
        self::assertStringEndsWith("\n# EOF\n", $output);
        self::assertValidMetrics($output);
        $file = $this->directory() . '/gatewayworker.prom';
        self::assertSame([0, '', ''], $this->top(["--openmetrics=$file", $this->directory()]));
        self::assertStringEqualsFile($file, $output);
        self::assertSame(0644, fileperms($file) & 0777, 'others read it');
    }

    public function testMetricsOfAFileOfAnyShapeAreValid(): void
    {
        $this->put(getmypid(), ['time' => microtime(true), 'clusters' => [
            1, [], ['gateways' => 7], ['register' => 'x', 'gateways' => ['x', ['address' => ['y']], []]],
            ['register' => ['registers' => ["a\"\\\n\u{9b}}"], 'state' => 'odd'], 'gateways' => [
                ['address' => "\"}\n", 'link' => ['state' => ['x']], 'queued' => '7', 'latency_p99' => 1500],
            ]],
        ]]);
        [$code, $output, $errors] = $this->top(['--openmetrics', $this->directory()]);
        self::assertSame([0, ''], [$code, $errors]);
        self::assertValidMetrics($output);
        self::assertStringContainsString('gateway="\"}?"} 0.0015' . "\n", $output);
    }

    public function testAKilledProcessIsCountedOnceAndForGood(): void
    {
        $pid = $this->deadPid();
        $gateway = ['address' => '10.0.0.5:2900', 'accepted' => 7, 'queries' => 3];
        $status = ['clusters' => [['gateways' => [$gateway], 'ended' => ['accepted' => 4]]]];
        $this->put($pid, ['time' => microtime(true)] + $status);
        $counted = "\ngatewayworker_frames_accepted_total{cluster=\"worker\"} 11\n";
        self::assertStringContainsString($counted, $this->top(['--openmetrics', $this->directory()])[1], 'a moment ago');
        self::assertFileExists($this->file($pid));
        $this->put($pid, ['time' => microtime(true) - 60] + $status);
        $this->top(['--once', $this->directory()]);
        self::assertFileDoesNotExist($this->file($pid));
        foreach ([1, 2] as $time) {
            $output = $this->top(['--openmetrics', $this->directory()])[1];
            self::assertStringContainsString($counted, $output, (string) $time);
            self::assertStringContainsString("\ngatewayworker_queries_total{cluster=\"worker\"} 3\n", $output);
            self::assertStringContainsString("\ngatewayworker_processes_ended_total 1\n", $output);
        }
        self::assertSame(0600, fileperms($this->directory() . '/ended.json') & 0777);
    }

    /** A process of the extension adds its counters when it ends, where somebody wants them. */
    public function testCountersDoNotGoBackWhenAProcessEnds(): void
    {
        $script = $this->publishing();
        $accepted = "\ngatewayworker_frames_accepted_total{cluster=\"{$this->cluster->register()}\"} ";
        self::assertStringContainsString("{$accepted}2\n", $this->top(['--openmetrics', $this->directory()])[1]);
        // What it does in its last moment counts as well.
        $script->writeLine('send');
        self::assertNull($script->readJson());
        $script->writeLine('');
        self::assertSame(0, $script->wait());
        self::assertFileDoesNotExist($this->file($script->pid()));
        $output = $this->top(['--openmetrics', $this->directory()])[1];
        self::assertStringContainsString("{$accepted}4\n", $output);
        self::assertStringContainsString("\ngatewayworker_processes_ended_total 1\n", $output);
        self::assertStringContainsString("\ngatewayworker_processes{state=\"live\"} 0\n", $output);
    }

    public function testLabelsAreBoundedAndNobodyLosesANameForAnotherOne(): void
    {
        $clusters = fn (int $from): array => array_map(static fn (int $number): array => [
            'register' => ['registers' => ["r:$number"], 'state' => 'online'],
            'gateways' => array_map(static fn (int $port): array => ['address' => "g:$port", 'accepted' => 1], range(1001, 1150)),
        ], range($from, $from + 24));
        $this->put(getmypid(), ['time' => microtime(true), 'clusters' => $clusters(60)]);
        $this->top(['--openmetrics', $this->directory()]);
        // Others come, which would be first in any order.
        $this->put(getmypid(), ['time' => microtime(true), 'clusters' => array_merge($clusters(10), $clusters(60))]);
        $output = $this->top(['--openmetrics', $this->directory()])[1];
        self::assertSame(33, substr_count($output, "\ngatewayworker_frames_accepted_total{"));
        foreach (range(60, 84) as $number) {
            self::assertStringContainsString("\ngatewayworker_frames_accepted_total{cluster=\"r:$number\"} 150\n", $output);
        }
        self::assertStringContainsString("\ngatewayworker_frames_accepted_total{cluster=\"other\"} " . 18 * 150 . "\n", $output);
        self::assertSame(101, substr_count($output, "\ngatewayworker_queued_frames{cluster=\"r:60\","));
        self::assertStringContainsString(
            "\ngatewayworker_links{cluster=\"r:60\",gateway=\"other\",state=\"unused\"} 50\n",
            $output
        );
        self::assertValidMetrics($output);
    }

    public function testTheRulesAndTheDashboardNameMetricsThatThereAre(): void
    {
        $this->publishing()->writeLine('query');
        Clock::waitUntil(function (): bool {
            return strpos($this->top(['--openmetrics', $this->directory()])[1], 'latency_p99') !== false;
        }, 'for the latency of a query');
        preg_match_all('~^(gatewayworker_\w+)[{ ]~m', $this->top(['--openmetrics', $this->directory()])[1], $there);
        $folder = Implementation::root() . '/examples/monitoring';
        foreach (['alerts.yml', 'dashboard.json'] as $file) {
            preg_match_all('~\bgatewayworker_\w+~', (string) file_get_contents("$folder/$file"), $named);
            self::assertNotSame([], $named[0], $file);
            self::assertSame([], array_diff($named[0], $there[1]), $file);
        }
        json_decode((string) file_get_contents("$folder/dashboard.json"), true, 64, JSON_THROW_ON_ERROR);
        $promtool = self::promtool();
        if ($promtool !== null) {
            foreach ([['check', 'rules', "$folder/alerts.yml"], ['test', 'rules', "$folder/alerts.test.yml"]] as $command) {
                exec(implode(' ', array_map('escapeshellarg', [$promtool, ...$command])) . ' 2>&1', $output, $code);
                self::assertSame(0, $code, implode("\n", $output));
            }
        }
    }

    /**
     * By promtool, where there is one; each line by its form anyway.
     */
    private static function assertValidMetrics(string $metrics): void
    {
        $typed = [];
        foreach (explode("\n", rtrim($metrics, "\n")) as $line) {
            if (preg_match('~^# TYPE (\w+) (?:gauge|counter)$~D', $line, $match) === 1) {
                self::assertNotContains($match[1], $typed, 'a family is in one piece');
                $typed[] = $match[1];
            } elseif (preg_match('~^# (HELP \w+ .+|EOF)$~D', $line) !== 1) {
                self::assertMatchesRegularExpression(
                    '~^\w+(\{\w+="([^"\\\\]|\\\\["\\\\n])*"(,\w+="([^"\\\\]|\\\\["\\\\n])*")*\})? \d+(\.\d+)?(e-?\d+)?$~Du',
                    $line
                );
                self::assertSame(end($typed), (string) preg_replace('~\W.*~s', '', $line));
            }
        }
        $promtool = self::promtool();
        if ($promtool !== null) {
            $process = proc_open([$promtool, 'check', 'metrics'], [['pipe', 'r'], ['pipe', 'w'], ['redirect', 1]], $pipes);
            self::assertIsResource($process);
            fwrite($pipes[0], $metrics);
            fclose($pipes[0]);
            $output = (string) stream_get_contents($pipes[1]);
            fclose($pipes[1]);
            self::assertSame([0, ''], [proc_close($process), $output]);
        }
    }

    private static function promtool(): ?string
    {
        $path = trim((string) shell_exec('command -v promtool 2>/dev/null'));
        return $path === '' ? null : $path;
    }

    /** A process that is there as long as this one. */
    private static function parent(): int
    {
        return posix_getppid();
    }

    /**
     * Runs it on a terminal and presses keys, one for each screen.
     *
     * @param list<string> $keys
     *
     * @return array{int, string, string, string} exit code, output, and the settings of the terminal before and after
     */
    private function onTerminal(int $width, int $height, array $keys): array
    {
        $script = "stty cols $width rows $height; stty -g >\"\$1/before\"; \"\$2\" -n \"\$3\" --interval=3600 \"\$1\"; code=\$?;"
            . ' stty -g >"$1/after"; exit $code';
        $process = @proc_open(
            ['sh', '-c', $script, 'sh', $this->directory(), PHP_BINARY, self::program()],
            [['pty'], ['pty'], ['pty']],
            $pipes
        );
        if (!is_resource($process)) {
            self::markTestSkipped('this PHP has no pseudo terminals');
        }
        $output = '';
        $deadline = Clock::in(30.0);
        stream_set_blocking($pipes[1], false);
        try {
            foreach ($keys as $number => $key) {
                while (substr_count($output, "\e[J") <= $number) {
                    self::assertTrue(Clock::readable($pipes[1], $deadline), "no screen $number: $output");
                    $output .= fread($pipes[1], 1 << 16);
                }
                fwrite($pipes[0], $key);
            }
            do {
                $status = proc_get_status($process);
                Clock::readable($pipes[1], Clock::in(0.05));
                $output .= @fread($pipes[1], 1 << 16);
            } while ($status['running'] && Clock::in(0.0) < $deadline);
        } finally {
            array_map('fclose', $pipes);
            proc_close($process);
        }
        $settings = fn (string $when): string => (string) file_get_contents($this->directory() . "/$when");
        return [$status['exitcode'], $output, $settings('before'), $settings('after')];
    }

    /**
     * A process that has sent once and publishes that.
     */
    private function publishing(): PhpProcess
    {
        $this->startCluster();
        $script = $this->script('status', [], ['gatewayworker.status_path' => $this->directory()]);
        $script->writeLine('send');
        self::assertNull($script->readJson());
        Clock::waitUntil(function () use ($script): bool {
            $text = (string) @file_get_contents($this->file($script->pid()));
            return substr_count($text, '"accepted":1,"written":1,') === 2;
        }, 'for the status to be published');
        return $script;
    }

    /**
     * Runs it to its end, with a PHP that has nothing; its exit code, output and errors.
     *
     * @param list<string> $arguments
     * @param list<string> $php
     *
     * @return array{int, string, string}
     */
    private function top(array $arguments, array $php = [PHP_BINARY, '-n']): array
    {
        $process = proc_open(
            array_merge($php, [self::program()], $arguments),
            [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']],
            $pipes
        );
        self::assertIsResource($process);
        $output = (string) stream_get_contents($pipes[1]);
        $errors = (string) stream_get_contents($pipes[2]);
        array_map('fclose', $pipes);
        return [proc_close($process), $output, $errors];
    }

    private static function program(): string
    {
        return Implementation::root() . '/bin/gatewayworker-top';
    }

    private function file(int $pid): string
    {
        return $this->directory() . "/$pid.json";
    }

    /**
     * @param array<string, mixed> $status
     */
    private function put(int $pid, array $status): void
    {
        $status += ['version' => '0', 'pid' => $pid, 'threads' => 1, 'clusters' => []];
        file_put_contents($this->file($pid), json_encode($status, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION));
    }

    /**
     * The number of a process that has ended.
     */
    private function deadPid(): int
    {
        $process = proc_open([PHP_BINARY, '-n', '-r', ''], [['file', '/dev/null', 'r']], $pipes);
        self::assertIsResource($process);
        $pid = proc_get_status($process)['pid'];
        proc_close($process);
        return $pid;
    }
}
