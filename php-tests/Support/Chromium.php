<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * A Chromium without a window, driven by ChromeDriver. It reaches 127.0.0.1 and nothing else.
 *
 * CHROMIUM and CHROMEDRIVER in the environment name the programs; both have to be of the same
 * version.
 */
final class Chromium
{
    private const NAMES = [
        'CHROMIUM' => ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
        'CHROMEDRIVER' => ['chromedriver', 'chromium.chromedriver'],
    ];

    /** @var resource */
    private $driver;

    /** @var string where the driver writes, and its home */
    private $directory;

    /** @var WebDriver|null */
    private $session;

    /**
     * Starts it.
     *
     * @param int $width  of the page, in pixels
     * @param int $height of the page, in pixels
     */
    public function __construct(int $width, int $height)
    {
        $this->directory = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-chromium-');
        unlink($this->directory);
        mkdir($this->directory, 0700);
        $output = "{$this->directory}/driver.log";
        // Nothing is read from and left in the home of the user.
        $home = array_fill_keys(['HOME', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'TMPDIR'], $this->directory);
        $process = proc_open(
            [(string) self::program('CHROMEDRIVER'), '--port=0'],
            [['file', '/dev/null', 'r'], ['file', $output, 'w'], ['file', $output, 'a']],
            $pipes,
            null,
            $home + getenv()
        );
        if ($process === false) {
            throw new RuntimeException('cannot start ChromeDriver');
        }
        $this->driver = $process;
        try {
            $port = null;
            Clock::waitUntil(function () use ($output, &$port): bool {
                if (preg_match('~started successfully on port (\d+)~', (string) file_get_contents($output), $match) === 1) {
                    $port = (int) $match[1];
                } elseif (!proc_get_status($this->driver)['running']) {
                    throw new RuntimeException('ChromeDriver ends at once: ' . file_get_contents($output));
                }
                return $port !== null;
            }, 'for ChromeDriver to listen', 30.0);
            $this->session = new WebDriver("127.0.0.1:$port", self::capabilities($width, $height));
        } catch (RuntimeException $failure) {
            $this->stop();
            throw $failure;
        }
    }

    /**
     * Why it cannot be started; null if it can.
     */
    public static function missing(): ?string
    {
        foreach (array_keys(self::NAMES) as $variable) {
            if (self::program($variable) === null) {
                return 'Chromium and ChromeDriver are needed (Debian packages: chromium, chromium-driver); missing is '
                    . self::NAMES[$variable][0];
            }
        }
        return null;
    }

    /**
     * The browser, for commands.
     */
    public function browser(): WebDriver
    {
        return $this->session;
    }

    /**
     * Ends both programs.
     */
    public function stop(): void
    {
        try {
            if ($this->session !== null) {
                $this->session->quit();
            }
        } finally {
            proc_terminate($this->driver);
            proc_close($this->driver);
            self::remove($this->directory);
        }
    }

    /**
     * @return array<string, mixed>
     */
    private static function capabilities(int $width, int $height): array
    {
        $arguments = [
            '--headless=new', "--window-size=$width,$height", '--hide-scrollbars', '--force-device-scale-factor=1',
            '--disable-gpu', '--disable-dev-shm-usage', '--lang=en-US',
            // No traffic but to the page and to the gateways.
            '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-default-apps',
            '--disable-sync', '--disable-extensions', '--disable-domain-reliability', '--metrics-recording-only',
            '--no-pings', '--no-proxy-server', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
            '--disable-features=OptimizationHints,MediaRouter,Translate,DialMediaRouteProvider',
        ];
        if (function_exists('posix_geteuid') && posix_geteuid() === 0) {
            // Its sandbox refuses root; the only page is the board.
            $arguments[] = '--no-sandbox';
        }
        return [
            'browserName' => 'chrome',
            'goog:loggingPrefs' => ['browser' => 'ALL'],
            'goog:chromeOptions' => ['binary' => self::program('CHROMIUM'), 'args' => $arguments],
        ];
    }

    private static function program(string $variable): ?string
    {
        $named = getenv($variable);
        if ($named !== false && $named !== '') {
            return is_executable($named) ? $named : null;
        }
        foreach (self::NAMES[$variable] as $name) {
            foreach (explode(PATH_SEPARATOR, (string) getenv('PATH')) as $directory) {
                if ($directory !== '' && is_executable("$directory/$name")) {
                    return "$directory/$name";
                }
            }
        }
        return null;
    }

    private static function remove(string $path): void
    {
        if (!is_link($path) && is_dir($path)) {
            foreach (array_diff((array) scandir($path), ['.', '..']) as $name) {
                self::remove("$path/$name");
            }
            @rmdir($path);
            return;
        }
        // The last of the browser's processes may still be clearing away.
        @unlink($path);
    }
}
