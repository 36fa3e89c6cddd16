<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use PHPUnit\Framework\TestCase;
use Throwable;

/**
 * The base of all tests: the class under test starts as in a fresh request, and PHP's error log
 * goes to a file.
 */
abstract class GatewayTestCase extends TestCase
{
    /** @var string */
    private $errorLog = '';

    /** @var array<string, string> */
    private $settings = [];

    protected function setUp(): void
    {
        $this->errorLog = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-log-');
        foreach (['log_errors' => '1', 'error_log' => $this->errorLog] as $name => $value) {
            $this->settings[$name] = (string) ini_set($name, $value);
        }
        Implementation::reset();
    }

    protected function tearDown(): void
    {
        Implementation::reset();
        foreach ($this->settings as $name => $value) {
            ini_set($name, $value);
        }
        unlink($this->errorLog);
    }

    /**
     * The lines written to PHP's error log during the test.
     */
    protected function errorLog(): string
    {
        return (string) file_get_contents($this->errorLog);
    }

    /**
     * Makes a call and observes all of its effects.
     *
     * Complaints belong in the error log and nowhere else; only the original prints them.
     *
     * @param callable(): mixed $call
     */
    protected function observe(callable $call): Outcome
    {
        $outcome = new Outcome();
        $logged = strlen($this->errorLog());
        set_error_handler(static function (int $level, string $message) use ($outcome): bool {
            $outcome->warnings[] = $message;
            return true;
        });
        ob_start();
        try {
            $outcome->returned = $call();
        } catch (Throwable $thrown) {
            $outcome->thrown = $thrown;
        } finally {
            $outcome->printed = (string) ob_get_clean();
            restore_error_handler();
        }
        $outcome->logged = substr($this->errorLog(), $logged);
        return $outcome;
    }

    /**
     * Requires that a call complained (or did not), in the way of the implementation under test.
     */
    protected function assertComplaint(bool $expected, Outcome $outcome): void
    {
        if (Implementation::isNative()) {
            self::assertSame('', $outcome->printed, 'nothing is printed');
            self::assertSame([], $outcome->warnings, 'no warning is raised');
            self::assertSame($expected, $outcome->logged !== '', "complaint in the error log: '{$outcome->logged}'");
        } else {
            self::assertSame($expected, $outcome->printed !== '', "complaint printed: '{$outcome->printed}'");
        }
    }

    /**
     * Requires that the extension has written nothing to this log. PHP's own messages may contain
     * the word "gatewayworker", as they name files, and the project may lie in a folder of that
     * name.
     */
    protected static function assertNothingLogged(string $log): void
    {
        self::assertStringNotContainsString('gatewayworker: ', $log);
    }

    /**
     * Fails at once with the original, where trying it would kill or hang the process.
     */
    protected function requireNative(string $why): void
    {
        if (!Implementation::isNative()) {
            self::fail("the original $why");
        }
    }

    /**
     * Sets the current client of the class under test, as a BusinessWorker does.
     *
     * @param mixed $session
     */
    protected function handleEventOf(string $clientId, $session = null): void
    {
        $address = unpack('Nip/nport/Nconnection', (string) hex2bin($clientId));
        \GatewayWorker\Lib\Context::$client_id = $clientId;
        \GatewayWorker\Lib\Context::$local_ip = $address['ip'];
        \GatewayWorker\Lib\Context::$local_port = $address['port'];
        \GatewayWorker\Lib\Context::$connection_id = $address['connection'];
        \GatewayWorker\Lib\Context::$old_session = $GLOBALS['_SESSION'] = $session;
    }
}
