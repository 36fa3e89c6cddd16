<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\LifeCycleTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * The class as userland sees it, with opcache, its JIT and its preloading; and the absence of the
 * class.
 *
 * @group better-than-original
 */
final class ClassTest extends LifeCycleTestCase
{
    private const ROUNDS = 1500;

    /**
     * @return array<string, array{array<string, string>, bool}>
     */
    public static function opcaches(): array
    {
        $jit = ['opcache.jit_buffer_size' => '32M', 'opcache.jit_hot_func' => '2', 'opcache.jit_hot_loop' => '2'];
        return [
            'opcache' => [['opcache.jit' => 'disable'], false],
            'opcache, all optimisations' => [['opcache.jit' => 'disable', 'opcache.optimization_level' => '-1'], false],
            'tracing JIT' => [['opcache.jit' => 'tracing'] + $jit, true],
            'function JIT' => [['opcache.jit' => 'function'] + $jit, true],
            'JIT on load' => [['opcache.jit' => '1205'] + $jit, true],
        ];
    }

    /**
     * @dataProvider opcaches
     *
     * @param array<string, string> $ini
     */
    public function testItBehavesTheSameWithOpcacheAndJit(array $ini, bool $jit): void
    {
        $plain = $this->hot(['opcache.enable_cli' => '0']);
        self::assertFalse($plain['opcache']);
        self::assertCount(2, $plain['distinct'], 'the two values that the time-out takes in turn');
        self::assertSame(self::ROUNDS * 4, $plain['sent'], 'overrides and traits count');
        self::assertSame([true, true, true, true, true, false], $plain['guards']);
        $compiled = $this->hot($this->opcache() + $ini);
        self::assertTrue($compiled['opcache']);
        self::assertSame($jit, $compiled['jit']);
        self::assertSame(
            array_diff_key($plain, ['opcache' => 0, 'jit' => 0]),
            array_diff_key($compiled, ['opcache' => 0, 'jit' => 0])
        );
    }

    /**
     * @return array<string, array{string}>
     */
    public static function preloaders(): array
    {
        return ['as ourselves' => [''], 'as another user' => ['nobody']];
    }

    /**
     * @dataProvider preloaders
     */
    public function testAFileThatUsesTheClassCanBePreloaded(string $user): void
    {
        $ourselves = posix_getpwuid(posix_geteuid())['name'];
        if ($user !== '' && (posix_geteuid() !== 0 || posix_getpwnam($user) === false)) {
            self::markTestSkipped("only root can preload as $user");
        }
        $file = "{$this->directory()}/preload.php";
        file_put_contents($file, '<?php
            class PreloadedGateway extends GatewayWorker\Lib\Gateway {
                public static $own = "own";
                public static function hello($client) { return parent::sendToClient($client, "preloaded"); }
            }
            if (GatewayWorker\Lib\Gateway::$registerAddress !== "127.0.0.1:1236") {
                throw new Exception("no default");
            }
        ');
        $result = $this->hot($this->opcache() + [
            'opcache.preload' => $file,
            'opcache.preload_user' => $user === '' ? $ourselves : $user,
        ]);
        self::assertSame([true, $this->cluster->register(), 'own'], $result['preloaded']);
    }

    public function testWithEnableOffThereIsNoClassAndTheUserlandOneLoads(): void
    {
        $report = $this->resultOf(
            'userland',
            ['userland' => ['GatewayWorker\Lib\Gateway', 'GatewayClient\Gateway']],
            ['gatewayworker.enable' => '0', 'gatewayworker.gateway_client' => '1']
        );
        $names = ['GatewayWorker\Lib\Gateway', 'GatewayClient\Gateway'];
        self::assertTrue($report['loaded'], 'the extension itself is loaded');
        self::assertSame(array_fill_keys($names, false), $report['before']);
        self::assertSame(array_fill_keys($names, true), $report['after']);
        self::assertSame(array_fill_keys($names, false), $report['internal']);
        self::assertSame(array_combine($names, ['userland', 'userland client']), $report['says']);
        self::assertSame($names, $report['autoloaded'], 'the autoloader was called');
        self::assertFalse($report['exceptions'], 'no other class of ours is there either');
    }

    public function testWithEnableOnTheAutoloaderIsNotAsked(): void
    {
        $report = $this->resultOf('userland', ['userland' => ['GatewayWorker\Lib\Gateway']]);
        self::assertTrue($report['before']['GatewayWorker\Lib\Gateway']);
        self::assertTrue($report['internal']['GatewayWorker\Lib\Gateway']);
        self::assertSame(['GatewayClient\Gateway'], $report['autoloaded'], 'save for what is not ours by default');
    }

    public function testWithEnableOffNothingElseOfPhpChanges(): void
    {
        $php = Php::run('
            echo json_encode([
                (new ReflectionExtension("gatewayworker"))->getClassNames(),
                (new ReflectionExtension("gatewayworker"))->getFunctions(),
                ini_get("gatewayworker.enable"),
            ]);
        ', [], ['gatewayworker.enable' => '0']);
        self::assertSame('[[],[],"0"]', $php->stdout, $php->stderr);
    }

    public function testDefiningTheClassASecondTimeIsTheUsualError(): void
    {
        $php = Php::run('namespace GatewayWorker\Lib; class Gateway {}', [], ['display_errors' => '1']);
        self::assertSame(255, $php->exitCode);
        // PHP 8.4 says "redeclare".
        self::assertMatchesRegularExpression('/Cannot (re)?declare class GatewayWorker\\\\Lib\\\\Gateway/', $php->stdout);
    }

    /**
     * @param array<string, string> $ini
     *
     * @return array<string, mixed>
     */
    private function hot(array $ini): array
    {
        if ($this->cluster === null) {
            $this->startCluster();
        }
        $client = $this->text(1);
        $result = $this->resultOf('hot', ['client' => $client->clientId(), 'rounds' => self::ROUNDS], $ini);
        for ($i = 0; $i < self::ROUNDS; $i++) {
            foreach (['plain', 'hot', 'trait', 'instance', 'dynamic', 'named'] as $kind) {
                self::assertSame("$kind $i", $client->receive());
            }
        }
        return $result;
    }

    /**
     * The settings that enable opcache; skips the test without opcache.
     *
     * @return array<string, string>
     */
    private function opcache(): array
    {
        if (Php::run('echo extension_loaded("Zend OPcache") ? 1 : 0;')->stdout === '1') {
            return ['opcache.enable_cli' => '1'];
        }
        $file = ini_get('extension_dir') . '/opcache.so';
        if (!is_file($file)) {
            self::markTestSkipped('opcache is not installed');
        }
        return ['zend_extension' => $file, 'opcache.enable_cli' => '1'];
    }
}
