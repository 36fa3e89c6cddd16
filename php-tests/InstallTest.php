<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\Implementation;

/**
 * Installing and uninstalling: `make install` into a scratch root, the way of phpize, and what PIE
 * goes by.
 *
 * @group better-than-original
 */
final class InstallTest extends GatewayTestCase
{
    /** @var string the scratch folder of the test */
    private $scratch;

    protected function setUp(): void
    {
        parent::setUp();
        $this->requireNative('is not installed by these files');
        $this->scratch = sys_get_temp_dir() . '/gatewayworker-install-' . bin2hex(random_bytes(6));
        mkdir($this->scratch, 0755);
    }

    protected function tearDown(): void
    {
        if ($this->scratch !== null) {
            self::execute(['rm', '-rf', $this->scratch]);
        }
        parent::tearDown();
    }

    public function testInstalledFilesLoadAndUninstallingLeavesNothing(): void
    {
        self::requireProgram('make');
        $this->make('install');
        $library = $this->scratch . PHP_EXTENSION_DIR . '/gatewayworker.so';
        self::assertFileEquals(Implementation::sharedObject(), $library);
        $top = $this->scratch . PHP_BINDIR . '/gatewayworker-top';
        self::assertFileEquals(Implementation::root() . '/bin/gatewayworker-top', $top);
        self::assertTrue(is_executable($top));
        self::assertSame([], array_diff($this->files(), [$library, $top], $this->iniFiles()), 'nothing else is installed');
        self::assertNotSame([], $this->iniFiles());
        foreach ($this->iniFiles() as $file) {
            self::assertLoads(dirname($library), dirname($file));
        }
        $this->make('uninstall');
        self::assertSame([], $this->files());
        self::assertSame(['.', '..'], scandir($this->scratch), 'no folder either');
    }

    /**
     * In the layout of Debian each SAPI has its folder of links; elsewhere all share the one that
     * PHP scans.
     */
    public function testEverySapiThatIsThereGetsIt(): void
    {
        self::requireProgram('make');
        $this->make('install');
        $base = preg_replace('~/cli/conf\.d$~', '', PHP_CONFIG_FILE_SCAN_DIR, 1, $isDebian);
        if ($isDebian === 1 && is_dir("$base/mods-available")) {
            $folders = (array) glob("$base/*/conf.d", GLOB_ONLYDIR);
            self::assertContains(PHP_CONFIG_FILE_SCAN_DIR, $folders);
        } else {
            $folders = [PHP_CONFIG_FILE_SCAN_DIR];
        }
        foreach ($folders as $folder) {
            self::assertCount(1, (array) glob("{$this->scratch}$folder/*gatewayworker.ini"), (string) $folder);
        }
    }

    public function testSettingsInTheIniFileOutliveInstallingAnewAndUninstalling(): void
    {
        self::requireProgram('make');
        $this->make('install');
        $file = (string) realpath($this->iniFiles()[0]);
        $mine = file_get_contents($file) . "gatewayworker.query_timeout = 7\n";
        file_put_contents($file, $mine);
        $this->make('install');
        self::assertStringEqualsFile($file, $mine);
        $this->make('uninstall');
        self::assertSame(["$file.saved"], $this->files(), 'PHP reads .ini only');
        self::assertStringEqualsFile("$file.saved", $mine);
    }

    public function testAFileThatPhpCannotLoadIsNotInstalled(): void
    {
        $broken = $this->scratch . '/broken.so';
        file_put_contents($broken, substr((string) file_get_contents(Implementation::sharedObject()), 0, 4096));
        [$code, $output] = $this->install('install', $broken);
        self::assertNotSame(0, $code, $output);
        self::assertStringContainsString('does not load', $output);
        self::assertSame([$broken], $this->files());
    }

    public function testAMissingFileIsNamedWithTheCommandThatMakesIt(): void
    {
        [$code, $output] = $this->install('install', $this->scratch . '/none.so');
        self::assertNotSame(0, $code, $output);
        self::assertStringContainsString('none.so is not there', $output);
        self::assertStringContainsString('make build', $output);
    }

    /** What it holds; that it works in a bare Debian is what `make test-deb` tries. */
    public function testTheDebianPackageHoldsWhatDebianExpects(): void
    {
        self::requireProgram('dpkg-shlibdeps');
        self::requireProgram('dpkg-gencontrol');
        if (preg_match('~^/usr/lib/php/\d+$~D', PHP_EXTENSION_DIR) !== 1) {
            self::markTestSkipped('this PHP is not packaged as Debian does');
        }
        $script = Implementation::root() . '/scripts/deb.sh';
        [$code, $output] = self::execute([$script, Implementation::sharedObject(), $this->scratch], null, ['PHP' => PHP_BINARY]);
        self::assertSame(0, $code, $output);
        $version = PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;
        $package = $this->files()[0];
        self::assertStringStartsWith("{$this->scratch}/php$version-gatewayworker_" . phpversion('gatewayworker') . '_', $package);
        [, $depends] = self::execute(['dpkg-deb', '-f', $package, 'Depends']);
        self::assertStringContainsString('phpapi-' . basename(PHP_EXTENSION_DIR), $depends);
        self::assertStringContainsString('libc6 (>= ', $depends);
        self::execute(['dpkg-deb', '-R', $package, "{$this->scratch}/tree"]);
        $tree = "{$this->scratch}/tree";
        self::assertFileExists($tree . PHP_EXTENSION_DIR . '/gatewayworker.so');
        self::assertFileExists("$tree/etc/php/$version/mods-available/gatewayworker.ini");
        self::assertFileEquals(Implementation::root() . '/bin/gatewayworker-top', "$tree/usr/share/php$version-gatewayworker/gatewayworker-top");
        foreach (['postinst', 'prerm', 'postrm', 'control', 'triggers'] as $file) {
            self::assertStringNotContainsString('@', str_replace('maintainers@example.org', '', (string) file_get_contents("$tree/DEBIAN/$file")));
        }
        self::assertLoads($tree . PHP_EXTENSION_DIR, "$tree/etc/php/$version/mods-available");
    }

    /** Builds nothing anew: cargo finds what the Makefile has built. */
    public function testPhpizeConfigureMakeAndMakeInstallWork(): void
    {
        $this->phpize();
        $this->configure();
        $folder = "{$this->scratch}/ext";
        [$code, $output] = self::execute(['make'], $folder, $this->cargo());
        self::assertSame(0, $code, $output);
        // Root has no cargo of rustup's: what was built is installed, and nothing is built.
        $install = ['make', 'install', "INSTALL_ROOT={$this->scratch}/root", "CARGO={$this->scratch}/none"];
        [$code, $output] = self::execute($install, $folder, ['SUDO_USER' => 'somebody'] + $this->cargo());
        self::assertSame(0, $code, $output);
        $library = "{$this->scratch}/root" . PHP_EXTENSION_DIR . '/gatewayworker.so';
        self::assertFileExists("$folder/modules/gatewayworker.so", 'where PIE looks for it');
        file_put_contents("$folder/gatewayworker.ini", "extension=gatewayworker\n");
        self::assertLoads(dirname($library), $folder);
    }

    public function testConfigureSaysWhatIsMissing(): void
    {
        $this->phpize();
        $old = "{$this->scratch}/cargo";
        file_put_contents($old, "#!/bin/sh\necho 'cargo 1.87.0 (99624be96 2025-05-06)'\n");
        chmod($old, 0755);
        mkdir("{$this->scratch}/empty");
        $cases = [
            'cargo was not found. Rust 1.88 or newer is needed' => ['CARGO' => "{$this->scratch}/none"],
            'Rust 1.87.0 is too old, 1.88 or newer is needed' => ['CARGO' => $old],
            'libclang was not found' => ['LIBCLANG_PATH' => "{$this->scratch}/empty"],
        ];
        foreach ($cases as $message => $environment) {
            [$code, $output] = $this->configureWith($environment);
            self::assertNotSame(0, $code, $output);
            self::assertStringContainsString("error: $message", $output);
        }
    }

    /**
     * The rule of PIE 1.4 and newer:
     * php_{name}-{version}_php{major.minor}-{arch}-{os}-{libc}[-debug]-{nts|zts}.zip, all of it in
     * lower case, the version as it is tagged.
     */
    public function testTheAssetsOfAReleaseHaveTheNamesThatPieLooksFor(): void
    {
        $matrix = self::json('.github/release-matrix.json');
        $names = [];
        foreach (['8.1', '8.2', '8.3', '8.4', '8.5'] as $php) {
            foreach (['linux-glibc', 'linux-musl', 'darwin-bsdlibc'] as $system) {
                foreach (['x86_64', 'arm64'] as $arch) {
                    foreach (['nts', 'zts'] as $mode) {
                        $names[] = "php_gatewayworker-v1.2.3-rc1_php$php-$arch-$system-$mode.zip";
                    }
                }
            }
        }
        $assets = [];
        foreach ($matrix['php'] as $php) {
            foreach ($matrix['mode'] as $mode) {
                foreach ($matrix['target'] as $target) {
                    [$code, $output] = self::execute([
                        Implementation::root() . '/.github/scripts/asset-name.sh',
                        'v1.2.3-RC1', $php, $target['arch'], $target['os'], $target['libc'], $mode,
                    ]);
                    self::assertSame(0, $code, $output);
                    $assets[] = trim($output);
                }
            }
        }
        sort($names);
        sort($assets);
        self::assertSame($names, $assets);
    }

    /**
     * What GitHub calls a machine decides for which processor and system a file is built; a wrong
     * one fits its name only.
     */
    public function testEachAssetIsBuiltOnAMachineOfItsKind(): void
    {
        $images = ['glibc' => ['bookworm', 'rust:1-slim-bookworm'], 'musl' => ['alpine', 'rust:1-alpine']];
        foreach (self::json('.github/release-matrix.json')['target'] as $target) {
            $runner = $target['runner'];
            if ($target['os'] === 'darwin') {
                self::assertSame($target['arch'] === 'x86_64', substr($runner, -6) === '-intel', $runner);
                self::assertStringStartsWith('macos-', $runner);
            } else {
                self::assertSame($target['arch'] === 'arm64', substr($runner, -4) === '-arm', $runner);
                self::assertStringStartsWith('ubuntu-', $runner);
                self::assertSame($images[$target['libc']], [$target['system'], $target['rust']]);
            }
        }
    }

    public function testThePackageForPieFitsWhatIsBuilt(): void
    {
        $package = self::json('composer.json');
        $extension = $package['php-ext'];
        self::assertSame('php-ext', $package['type']);
        self::assertTrue(extension_loaded($extension['extension-name']));
        self::assertArrayNotHasKey('download-url-method', $extension, 'Composer before 2.9.5 would refuse the file');
        self::assertFileExists(Implementation::root() . "/{$extension['build-path']}/config.m4");
        self::assertArrayNotHasKey('autoload', $package, 'the stubs must never be loaded');
        $systems = array_unique(array_column(self::json('.github/release-matrix.json')['target'], 'os'));
        self::assertEqualsCanonicalizing($extension['os-families'], $systems);
        foreach ($extension['configure-options'] as $option) {
            self::assertStringContainsString(
                "--{$option['name']}",
                (string) file_get_contents(Implementation::root() . "/{$extension['build-path']}/config.m4")
            );
        }
        foreach (self::json('.github/release-matrix.json')['php'] as $php) {
            self::assertTrue(version_compare($php, '8.1', '>=') && version_compare($php, '8.6', '<'), $php);
        }
        self::assertSame('>=8.1,<8.6', $package['require']['php']);
    }

    /**
     * Composer checks the file before it does anything: `composer require --dev` would fail in a
     * clone.
     */
    public function testComposerTakesThePackageFile(): void
    {
        self::requireProgram('composer');
        copy(Implementation::root() . '/composer.json', "{$this->scratch}/composer.json");
        $offline = ['COMPOSER_DISABLE_NETWORK' => '1', 'COMPOSER_ALLOW_SUPERUSER' => '1',
            'COMPOSER_HOME' => "{$this->scratch}/home"];
        // A command that changes the file, as `require` does, and needs no network.
        [$code, $output] = self::execute(
            ['composer', '--no-interaction', 'config', 'minimum-stability', 'dev'],
            $this->scratch,
            $offline
        );
        self::assertSame(0, $code, $output);
        [, $output] = self::execute(['composer', 'validate', '--no-interaction'], $this->scratch, $offline);
        self::assertStringContainsString('composer.json is valid', $output);
        self::assertStringNotContainsString('download-url-method', $output);
    }

    /**
     * Only what is released tells PIE about binaries; everything else in the tag is the commit that
     * was tested.
     */
    public function testTheTagOfAReleaseTellsPieToTakeBinaries(): void
    {
        self::requireProgram('git');
        $clone = "{$this->scratch}/clone";
        mkdir($clone);
        foreach (['composer.json', 'Cargo.toml', '.github/scripts/tag-release.sh'] as $file) {
            @mkdir(dirname("$clone/$file"), 0755, true);
            copy(Implementation::root() . "/$file", "$clone/$file");
        }
        $identity = [];
        foreach (['AUTHOR', 'COMMITTER'] as $who) {
            $identity += ["GIT_{$who}_NAME" => 'somebody', "GIT_{$who}_EMAIL" => 'somebody@example.org'];
        }
        $git = function (string ...$arguments) use ($clone, $identity): string {
            [$code, $output] = self::execute(array_merge(['git'], $arguments), $clone, $identity);
            self::assertSame(0, $code, $output);
            return trim($output);
        };
        $git('init', '-q');
        $git('add', '.');
        $git('commit', '-q', '-m', 'tested');
        [$code, $output] = self::execute(['sh', '.github/scripts/tag-release.sh'], $clone, $identity);
        self::assertSame(0, $code, $output);
        $tag = $git('tag');
        self::assertSame('v' . phpversion('gatewayworker'), $tag);
        self::assertSame($git('rev-parse', 'HEAD'), $git('rev-parse', "$tag^{commit}^"));
        self::assertSame('composer.json', $git('diff', '--name-only', 'HEAD', $tag));
        self::assertSame('', $git('status', '--porcelain'), 'the work tree stays as it is');
        $released = json_decode($git('show', "$tag:composer.json"), true, 16, JSON_THROW_ON_ERROR);
        self::assertSame(['pre-packaged-binary', 'composer-default'], $released['php-ext']['download-url-method']);
        unset($released['php-ext']['download-url-method']);
        self::assertSame(self::json('composer.json'), $released);
        [$code, $output] = self::execute(['sh', '.github/scripts/tag-release.sh'], $clone, $identity);
        self::assertNotSame(0, $code, $output);
        self::assertStringContainsString("the tag $tag exists already", $output);
    }

    /** That PHP with only this extension starts, and has nothing to say about it. */
    private static function assertLoads(string $extensions, string $scanned): void
    {
        [$code, $output] = self::execute(
            [PHP_BINARY, '-d', 'display_errors=1', '-d', 'display_startup_errors=1', '-d', 'log_errors=0',
                '-d', "extension_dir=$extensions", '--ri', 'gatewayworker'],
            null,
            // An empty part would stand for the folder that was compiled in, and php.ini is another
            // one's.
            ['PHP_INI_SCAN_DIR' => $scanned, 'PHPRC' => $scanned]
        );
        self::assertSame(0, $code, $output);
        self::assertStringStartsWith("\ngatewayworker\n\n", $output);
        self::assertStringNotContainsStringIgnoringCase('warning', $output);
    }

    private function make(string $target): void
    {
        [$code, $output] = self::execute(
            ['make', '-C', Implementation::root(), $target, "DESTDIR={$this->scratch}", 'PHP=' . PHP_BINARY],
            null,
            $this->cargo() + ['PHP_CONFIG' => self::phpConfig() ?? 'php-config']
        );
        self::assertSame(0, $code, $output);
    }

    /**
     * @return array{int, string}
     */
    private function install(string ...$arguments): array
    {
        return self::execute(array_merge([Implementation::root() . '/scripts/install.sh'], $arguments), null, [
            'PHP' => PHP_BINARY,
            'PHP_CONFIG' => self::phpConfig() ?? 'php-config',
            'DESTDIR' => $this->scratch,
        ]);
    }

    private function phpize(): void
    {
        foreach (['make', 'cargo', 'autoconf'] as $program) {
            self::requireProgram($program);
        }
        $config = self::phpConfig();
        if ($config === null) {
            self::markTestSkipped('there is no php-config of this PHP');
        }
        $phpize = preg_replace('~php-config([^/]*)$~', 'phpize$1', $config);
        if (!is_executable($phpize)) {
            self::markTestSkipped("there is no $phpize");
        }
        mkdir("{$this->scratch}/ext");
        foreach (['config.m4', 'Makefile.frag'] as $file) {
            copy(Implementation::root() . "/ext/$file", "{$this->scratch}/ext/$file");
        }
        [$code, $output] = self::execute([$phpize], "{$this->scratch}/ext");
        self::assertSame(0, $code, $output);
    }

    private function configure(): void
    {
        [$code, $output] = $this->configureWith($this->cargo());
        self::assertSame(0, $code, $output);
    }

    /**
     * @param array<string, string> $environment
     *
     * @return array{int, string}
     */
    private function configureWith(array $environment): array
    {
        return self::execute(
            ['./configure', '--with-php-config=' . self::phpConfig(), '--with-gatewayworker-source=' . Implementation::root()],
            "{$this->scratch}/ext",
            $environment
        );
    }

    /**
     * Where cargo has built what is tested.
     *
     * @return array<string, string>
     */
    private function cargo(): array
    {
        return ['CARGO_TARGET_DIR' => dirname(Implementation::sharedObject(), 2)];
    }

    /**
     * The php-config of the PHP that runs this.
     */
    private static function phpConfig(): ?string
    {
        $version = PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;
        foreach ([(string) getenv('PHP_CONFIG'), dirname(PHP_BINARY) . '/php-config', PHP_BINDIR . '/php-config',
            PHP_BINDIR . "/php-config$version"] as $file) {
            if (is_executable($file) && trim((string) shell_exec(escapeshellarg($file) . ' --version')) === PHP_VERSION) {
                return $file;
            }
        }
        return null;
    }

    private static function requireProgram(string $name): void
    {
        if (self::execute(['sh', '-c', "command -v $name"])[0] !== 0) {
            self::markTestSkipped("$name is needed");
        }
    }

    /**
     * @return array<string, mixed>
     */
    private static function json(string $file): array
    {
        return json_decode((string) file_get_contents(Implementation::root() . "/$file"), true, 16, JSON_THROW_ON_ERROR);
    }

    /**
     * All files and links in the scratch folder.
     *
     * @return list<string>
     */
    private function files(): array
    {
        [, $output] = self::execute(['find', $this->scratch, '!', '-type', 'd']);
        $files = array_filter(explode("\n", $output));
        sort($files);
        return $files;
    }

    /**
     * @return list<string>
     */
    private function iniFiles(): array
    {
        return array_values(preg_grep('~/(\d+-)?gatewayworker\.ini$~', $this->files()) ?: []);
    }

    /**
     * Runs a command to its end, outside of the make that may have started the tests.
     *
     * @param list<string>          $command
     * @param array<string, string> $environment
     *
     * @return array{int, string} the exit code, and all that it printed
     */
    private static function execute(array $command, ?string $folder = null, array $environment = []): array
    {
        $inherited = array_diff_key(getenv(), array_flip(['MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'DESTDIR', 'PHP_INI_SCAN_DIR']));
        $streams = [['file', '/dev/null', 'r'], ['pipe', 'w'], ['redirect', 1]];
        $process = proc_open($command, $streams, $pipes, $folder, $environment + $inherited);
        self::assertIsResource($process);
        $deadline = Clock::in(300.0);
        stream_set_blocking($pipes[1], false);
        $output = '';
        while (!feof($pipes[1])) {
            if (!Clock::readable($pipes[1], $deadline)) {
                proc_terminate($process, 9);
                self::fail(implode(' ', $command) . " does not end; it has printed:\n$output");
            }
            $output .= fread($pipes[1], 1 << 16);
        }
        fclose($pipes[1]);
        return [proc_close($process), $output];
    }
}
