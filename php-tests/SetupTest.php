<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\Implementation;

/**
 * What scripts/setup.sh says and installs. apt-get and all that is looked for are stand-ins:
 * nothing is installed.
 *
 * @group better-than-original
 */
final class SetupTest extends GatewayTestCase
{
    /** What the script itself needs of the system. */
    private const TOOLS = ['awk', 'cat', 'chmod', 'dirname', 'env', 'head', 'mktemp', 'rm', 'sed', 'sh', 'sort', 'touch'];

    /** @var string the only folder in PATH */
    private $bin;

    protected function setUp(): void
    {
        parent::setUp();
        $this->requireNative('has no setup');
        $this->bin = sys_get_temp_dir() . '/gatewayworker-setup-' . bin2hex(random_bytes(6));
        mkdir("{$this->bin}/installed", 0755, true);
        foreach (self::TOOLS as $tool) {
            $found = trim((string) shell_exec("command -v $tool"));
            if ($found === '') {
                self::markTestSkipped("$tool is needed");
            }
            symlink($found, "{$this->bin}/$tool");
        }
        $this->program('id', 'echo 0');
        $this->program('cargo', 'echo "cargo 1.90.0 (840b83a10 2025-07-30)"');
        $this->program('php', 'case $* in *MAJOR*) echo 8.2 ;; esac');
        $this->program('php-config', 'echo 8.2.29');
        $this->program('cc', 'exit 0');
        $this->program('clang', 'exit 0');
        $this->program('make', 'exit 0');
    }

    protected function tearDown(): void
    {
        if ($this->bin !== null) {
            shell_exec('rm -rf ' . escapeshellarg($this->bin));
        }
        parent::tearDown();
    }

    public function testNothingIsSaidWhereNothingIsMissing(): void
    {
        self::assertSame([0, ''], $this->runSetup('build'));
    }

    public function testTheDownloadAndTheProgressAreSaid(): void
    {
        unlink("{$this->bin}/clang");
        $this->aptGet('echo "#!/bin/sh" >"$BIN/clang"; chmod +x "$BIN/clang"');
        [$code, $output] = $this->runSetup('build');
        self::assertSame(0, $code, $output);
        self::assertSame([
            'setup: installing clang',
            'setup: 46 MB to download; this may take some minutes',
            'setup: downloading, 0 %',
            'setup: downloading, 75 %',
            'setup: unpacking and configuring, 0 %',
            'setup: unpacking and configuring, 50 %',
        ], explode("\n", trim($output)));
    }

    /** A fresh system has no list of packages; the size is known when there is one. */
    public function testAFreshSystemGetsItsListOfPackagesFirst(): void
    {
        unlink("{$this->bin}/clang");
        $this->aptGet('echo "#!/bin/sh" >"$BIN/clang"; chmod +x "$BIN/clang"', true);
        [$code, $output] = $this->runSetup('build');
        self::assertSame(0, $code, $output);
        self::assertSame([
            'setup: updating the list of packages',
            'setup: installing clang',
            'setup: 46 MB to download; this may take some minutes',
        ], array_slice(explode("\n", $output), 0, 3));
    }

    public function testAFailureOfAptGetIsShown(): void
    {
        unlink("{$this->bin}/clang");
        $this->aptGet('echo "E: no space left"; exit 100');
        [$code, $output] = $this->runSetup('build');
        self::assertNotSame(0, $code);
        self::assertStringContainsString("E: no space left\n", $output);
        self::assertStringContainsString('setup: apt-get could not install clang; its output is above.', $output);
    }

    /** fc-list comes with the browser: before that, nothing is known about fonts. */
    public function testTheFontIsInstalledTogetherWithTheBrowser(): void
    {
        $this->aptGet('for name in chromium chromedriver; do echo "#!/bin/sh" >"$BIN/$name"; chmod +x "$BIN/$name"; done
            printf "%s\n" "#!/bin/sh" "[ ! -e $BIN/installed/fonts-droid-fallback ] || echo Droid" >"$BIN/fc-list"
            chmod +x "$BIN/fc-list"');
        [$code, $output] = $this->runSetup('browser');
        self::assertSame(0, $code, $output);
        self::assertStringContainsString("setup: installing chromium chromium-driver fonts-droid-fallback\n", $output);
        self::assertSame([0, ''], $this->runSetup('browser'), 'and nothing is missing then');
    }

    /** A browser from elsewhere may have fonts of its own, and nothing can be said about them. */
    public function testNoFontIsMissedWhereNothingIsKnownOfFonts(): void
    {
        $this->program('chromium', 'exit 0');
        $this->program('chromedriver', 'exit 0');
        self::assertSame([0, ''], $this->runSetup('browser'));
    }

    /**
     * @dataProvider oldRusts
     *
     * @param array<string, string> $candidates packages of the system and their versions
     */
    public function testWhatHelpsAgainstAnOldRustIsSaid(bool $packaged, array $candidates, string $job, string $hint): void
    {
        $this->program('cargo', 'echo "cargo 1.85.0 (d73d2caf9 2024-12-31)"');
        $this->program('dpkg-query', $packaged ? 'exit 0' : 'exit 1');
        $cases = '';
        foreach ($candidates as $package => $version) {
            $cases .= "$package) echo '  Candidate: $version' ;; ";
        }
        $this->program('apt-cache', "case \$2 in $cases esac");
        [$code, $output] = $this->runSetup($job);
        self::assertNotSame(0, $code);
        self::assertSame("setup: cargo 1.85 is too old, 1.88 or newer is needed.\nsetup: $hint\n", $output);
    }

    /**
     * @return array<string, array{bool, array<string, string>, string, string}>
     */
    public static function oldRusts(): array
    {
        $trixie = ['cargo' => '1.85.0+dfsg3-1', 'cargo-web' => '1.90.0+dfsg1-1~deb13u1'];
        $rustup = 'install it with rustup, as https://rustup.rs says, then try again.';
        return [
            'Debian 13, for a build' => [true, $trixie, 'build',
                "This system has a newer one, which replaces it: run 'apt-get install cargo-web' as root, then try again."],
            'Debian 13, for the tests' => [true, $trixie, 'test', 'This system has a newer one, which replaces it: run '
                . "'apt-get install cargo-web rustfmt-web rust-web-clippy' as root, then try again."],
            'a system without a newer one' => [true, ['cargo' => '1.85.0'], 'build', "This system has no newer one: $rustup"],
            'rustup' => [false, $trixie, 'build',
                "Run 'rustup update stable' if it came with rustup; otherwise remove it and $rustup"],
        ];
    }

    /**
     * An apt-get that "installs" by running a piece of shell, and notes the names of the packages.
     */
    private function aptGet(string $install, bool $isFresh = false): void
    {
        $this->program('apt-get', 'set -e
            BIN=' . escapeshellarg($this->bin) . '
            case $* in
                update*) touch "$BIN/list" ;;
                *--print-uris*)
                    ' . ($isFresh ? '[ -e "$BIN/list" ] || exit 100' : '') . '
                    echo "\'http://example.org/a.deb\' a.deb 40000000 MD5Sum:00"
                    echo "\'http://example.org/b.deb\' b.deb 5000001 MD5Sum:00" ;;
                install*)
                    for package in "$@"; do case $package in */*) ;; *) touch "$BIN/installed/$package" ;; esac; done
                    echo "Reading package lists..."
                    echo "dlstatus:1:0.0000:Retrieving file 1 of 2"
                    echo "dlstatus:2:80.5000:Retrieving file 2 of 2"
                    echo "pmstatus:dpkg-exec:0.0000:Running dpkg"
                    echo "pmstatus:libclang-14-dev:amd64:50.0000:Unpacking libclang-14-dev (amd64)"
                    echo "pmstatus:7zip:60.0000:Configuring 7zip (amd64)"
                    ' . $install . ' ;;
            esac');
    }

    private function program(string $name, string $script): void
    {
        file_put_contents("{$this->bin}/$name", "#!/bin/sh\n$script\n");
        chmod("{$this->bin}/$name", 0755);
    }

    /**
     * @return array{int, string} the exit code, and all that was printed
     */
    private function runSetup(string $job): array
    {
        $process = proc_open(
            ['sh', Implementation::root() . '/scripts/setup.sh', $job],
            [['file', '/dev/null', 'r'], ['pipe', 'w'], ['redirect', 1]],
            $pipes,
            null,
            ['PATH' => $this->bin, 'TMPDIR' => $this->bin, 'LIBCLANG_PATH' => $this->bin]
        );
        self::assertIsResource($process);
        $deadline = Clock::in(60.0);
        stream_set_blocking($pipes[1], false);
        $output = '';
        while (!feof($pipes[1])) {
            if (!Clock::readable($pipes[1], $deadline)) {
                proc_terminate($process, 9);
                self::fail("setup.sh does not end; it has printed:\n$output");
            }
            $output .= fread($pipes[1], 1 << 16);
        }
        fclose($pipes[1]);
        return [proc_close($process), $output];
    }
}
