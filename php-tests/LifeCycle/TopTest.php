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
        self::assertMatchesRegularExpression('~^pid 1, .*, SILENT for 3\d s$~m', $output);
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
            self::assertStringContainsString("/$name: it is not the status of this process\n", $output);
            self::assertStringEqualsFile($this->directory() . "/$name", $text);
        }
        self::assertStringContainsString('/7.json: it is no regular file', $output);
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
                'one PATH or PID is enough' => ['a', 'b'],
                'is no directory' => [$this->directory() . '/none'],
                'name the directory' => [],
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
