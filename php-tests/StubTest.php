<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\Implementation;
use GatewayWorker\Tests\Support\Php;
use GatewayWorker\Tests\Support\Surface;
use ReflectionExtension;

/**
 * The stub, from which editors and static analysers learn about the extension, says what Reflection
 * says.
 */
final class StubTest extends GatewayTestCase
{
    private const FILE = '/stubs/gatewayworker.stub.php';

    /** A page of GatewayWorker's manual: that of the method, or the overview of the class. */
    private const LINK = '~^\s*\*\s+@link https://www\.workerman\.net/doc/gateway-worker/[a-z0-9-]+\.html$~m';

    /** Loads the stub into a bare PHP and describes all classes in it. */
    private const DESCRIBE = <<<'PHP'
        require $argv[1];
        $before = get_declared_classes();
        require $argv[2];
        $all = [];
        foreach (array_diff(get_declared_classes(), $before) as $name) {
            $class = new ReflectionClass($name);
            $methods = $docs = $statics = [];
            foreach ($class->getMethods() as $method) {
                if ($method->getDeclaringClass()->getName() === $name) {
                    $docs[$method->getName()] = (string) $method->getDocComment();
                }
            }
            foreach ($class->getProperties(ReflectionProperty::IS_STATIC) as $property) {
                $statics[$property->getName()] = [
                    $property->isPublic() ? 'public' : ($property->isProtected() ? 'protected' : 'private'),
                    $property->getDefaultValue(),
                    (string) $property->getDocComment(),
                ];
            }
            $parent = $class->getParentClass();
            $all[$name] = [
                'methods' => GatewayWorker\Tests\Support\Surface::of($name),
                'protected' => GatewayWorker\Tests\Support\Surface::of($name, ReflectionMethod::IS_PROTECTED),
                'docs' => $docs,
                'statics' => $statics,
                'parent' => $parent ? $parent->getName() : null,
                'final' => $class->isFinal(),
                'doc' => (string) $class->getDocComment(),
            ];
        }
        echo serialize($all);
        PHP;

    /**
     * @return array<string, array<string, mixed>>
     */
    private function stub(string $file = self::FILE): array
    {
        $file = Implementation::root() . $file;
        $php = Php::bare(self::DESCRIBE, [__DIR__ . '/Support/Surface.php', $file]);
        self::assertSame('', $php->stderr);
        self::assertSame(0, $php->exitCode, $php->stdout);
        return unserialize($php->stdout);
    }

    /**
     * @group better-than-original
     */
    public function testTheStubHasTheMethodsOfTheClass(): void
    {
        $stub = $this->stub()[Gateway::class];
        self::assertSame(Surface::of(Gateway::class), $stub['methods']);
        self::assertSame(Surface::of(Gateway::class, \ReflectionMethod::IS_PROTECTED), $stub['protected']);
    }

    /**
     * A method that is missing there, or has other parameters, is wrong in the reference of both languages.
     */
    public function testTheReferenceNamesEveryMethodWithItsParameters(): void
    {
        foreach (['docs/methods.md', 'docs/zh-CN/methods.md'] as $page) {
            preg_match_all('/`(\w+)\(([^`]*)\)(?:: \w+)?`/', (string) file_get_contents(Implementation::root() . "/$page"), $rows);
            $named = [];
            foreach ($rows[1] as $place => $method) {
                preg_match_all('/\$(\w+)/', $rows[2][$place], $parameters);
                $named[$method] ??= $parameters[1];
            }
            foreach ($this->stub()[Gateway::class]['methods'] as $method => $parameters) {
                if (strpos($method, 'destory') === 0) {
                    continue;
                }
                self::assertArrayHasKey($method, $named, "$page has a row for $method()");
                self::assertSame(array_column($parameters, 'name'), $named[$method], "the parameters of $method() in $page");
            }
            self::assertSame([], array_diff(array_keys($named), array_keys($this->stub()[Gateway::class]['methods'])), $page);
        }
    }

    public function testTheStubOfGatewayClientHasTheMethodsOfThatClass(): void
    {
        $php = Php::run(
            'require $argv[1];
            use GatewayClient\Gateway;
            use GatewayWorker\Tests\Support\Surface;
            echo serialize([Surface::of(Gateway::class), Surface::of(Gateway::class, ReflectionMethod::IS_PROTECTED)]);',
            [__DIR__ . '/Support/Surface.php'],
            ['gatewayworker.gateway_client' => '1']
        );
        self::assertSame(0, $php->exitCode, $php->stdout . $php->stderr);
        $stub = $this->stub('/stubs/gatewayclient.stub.php')['GatewayClient\Gateway'];
        self::assertSame(unserialize($php->stdout), [$stub['methods'], $stub['protected']]);
        foreach ($stub['docs'] as $method => $doc) {
            self::assertStringContainsString('@return', $doc, $method);
            self::assertMatchesRegularExpression(self::LINK, $doc, $method);
        }
    }

    public function testTheStubHasTheStaticProperties(): void
    {
        $statics = array_map(static function (array $property): array {
            return array_slice($property, 0, 2);
        }, $this->stub()[Gateway::class]['statics']);
        ksort($statics);
        self::assertSame(
            [
                'addressesCacheDisable' => ['public', false],
                'businessWorker' => ['protected', null],
                'connectTimeout' => ['public', 3],
                'gatewayConnections' => ['protected', []],
                'persistentConnection' => ['public', true],
                'registerAddress' => ['public', '127.0.0.1:1236'],
                'secretKey' => ['public', ''],
            ],
            $statics
        );
    }

    public function testEverythingInTheStubIsDocumented(): void
    {
        foreach ($this->stub() as $name => $class) {
            self::assertMatchesRegularExpression('/\* \S/', $class['doc'], "$name has a description");
            foreach ($class['statics'] as $property => [, , $doc]) {
                self::assertStringContainsString('@var', $doc, "$name::\$$property");
            }
            foreach ($class['docs'] as $method => $doc) {
                self::assertMatchesRegularExpression('/^\s*\*\s+[^@\s]/m', $doc, "$name::$method has a description");
                self::assertStringContainsString('@return', $doc, "$name::$method");
                self::assertMatchesRegularExpression(self::LINK, $doc, "$name::$method");
                foreach ($class['methods'][$method] ?? $class['protected'][$method] ?? [] as $parameter) {
                    self::assertMatchesRegularExpression(
                        '/@param\s+\S.*\$' . $parameter['name'] . '\b/',
                        $doc,
                        "$name::$method(\${$parameter['name']})"
                    );
                }
            }
        }
    }

    /**
     * @group better-than-original
     */
    public function testTheStubHasAllClassesOfTheExtension(): void
    {
        $classes = (new ReflectionExtension('gatewayworker'))->getClassNames();
        $stub = $this->stub();
        self::assertEqualsCanonicalizing($classes, array_keys($stub));
        foreach ($classes as $class) {
            $parent = get_parent_class($class);
            self::assertSame($parent ?: null, $stub[$class]['parent'], $class);
            self::assertSame((new \ReflectionClass($class))->isFinal(), $stub[$class]['final'], $class);
        }
    }
}
