<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\Implementation;

/**
 * No kind of call leaves anything behind in memory, and no fork a descriptor, a thread or a zombie. The short form of
 * `make endurance`: soak/endurance says what is looked at and how exactly.
 *
 * @group better-than-original
 */
final class EnduranceTest extends GatewayTestCase
{
    /**
     * One word per call would be 160 kB of the C library's memory and 40 kB of the engine's, each well above its bound.
     */
    private const CALLS = 5000;

    private const FORKS = 50;

    public function testNothingGrowsWithCallsAndForks(): void
    {
        $this->requireNative('has not been looked at in this way');
        foreach (['pcntl' => 'to fork', 'FFI' => 'to ask the C library what it has given out'] as $extension => $why) {
            if (!extension_loaded($extension)) {
                self::markTestSkipped("the extension $extension is needed $why");
            }
        }
        if (!is_readable('/proc/self/status')) {
            self::markTestSkipped('there is no /proc/self/status here');
        }
        $file = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-endurance-');
        try {
            $command = [PHP_BINARY, Implementation::root() . '/soak/endurance/run.php', '--calls=' . self::CALLS,
                '--forks=' . self::FORKS, "--json=$file"];
            exec(implode(' ', array_map('escapeshellarg', $command)) . ' 2>&1', $output, $code);
            self::assertSame(0, $code, implode("\n", $output));
            $report = json_decode((string) file_get_contents($file), true, 512, JSON_THROW_ON_ERROR);
        } finally {
            unlink($file);
        }
        self::assertSame([], $report['failures']);
        self::assertSame(self::FORKS, $report['kinds']['fork and exit']['calls']);
        foreach ($report['kinds'] as $kind => $result) {
            if ($result['growth']['malloc'] === null) {
                self::markTestSkipped("$kind: this C library does not say what it has given out; nothing else has grown");
            }
        }
    }
}
