<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\Implementation;

/**
 * No kind of call leaves anything behind in memory, and no fork a descriptor, a thread or a zombie.
 * The short form of `make endurance`: soak/endurance says what is looked at and how exactly.
 *
 * @group better-than-original
 */
final class EnduranceTest extends GatewayTestCase
{
    /**
     * One word per call would be 160 kB of the C library's memory and 40 kB of the engine's, each
     * well above its bound.
     */
    private const CALLS = 5000;

    private const FORKS = 50;

    public function testNothingGrowsWithCallsAndForks(): void
    {
        $this->requireNative('has not been looked at in this way');
        foreach (['pcntl' => 'to fork', 'FFI' => 'to read how much the C library has allocated'] as $extension => $why) {
            if (!extension_loaded($extension)) {
                self::markTestSkipped("the extension $extension is needed $why");
            }
        }
        if (!is_readable('/proc/self/status')) {
            self::markTestSkipped('there is no /proc/self/status here');
        }
        [$report, $output] = $this->measure([]);
        $grown = [];
        foreach ($report['failures'] as $failure) {
            $grown[] = explode(': ', $failure)[0];
        }
        if ($grown !== []) {
            // What the kernel and the C library count moves on a busy machine. What grows with
            // calls does so each time.
            [$again, $said] = $this->measure(['--only=' . implode('|', array_unique($grown))]);
            self::assertSame([], $again['failures'], "$output\nand once more:\n$said");
        }
        self::assertSame(self::FORKS, $report['kinds']['fork and exit']['calls']);
        foreach ($report['kinds'] as $kind => $result) {
            if ($result['growth']['malloc'] === null) {
                self::markTestSkipped("$kind: this C library does not say what it has given out; nothing else has grown");
            }
        }
    }

    /**
     * @param list<string> $options
     *
     * @return array{array<string, mixed>, string} the report, and what was printed
     */
    private function measure(array $options): array
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-endurance-');
        try {
            $command = [PHP_BINARY, Implementation::root() . '/soak/endurance/run.php', '--calls=' . self::CALLS,
                '--forks=' . self::FORKS, "--json=$file", ...$options];
            exec(implode(' ', array_map('escapeshellarg', $command)) . ' 2>&1', $output, $code);
            $printed = implode("\n", $output);
            $report = json_decode((string) file_get_contents($file), true);
            self::assertIsArray($report, "it ended with $code: $printed");
            self::assertSame($report['failures'] === [] ? 0 : 1, $code, $printed);
            return [$report, $printed];
        } finally {
            unlink($file);
        }
    }
}
