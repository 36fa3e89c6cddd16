<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\Surface;
use ReflectionClass;
use ReflectionExtension;

/**
 * The public surface: what Reflection says about the class.
 */
final class SurfaceTest extends GatewayTestCase
{
    /** How many of the methods are those of the original; the others stand behind them. */
    private const ORIGINAL = 42;

    public function testTheMethodsOfTheOriginalAreThereInItsOrder(): void
    {
        self::assertSame(
            array_slice(Surface::expected(), 0, self::ORIGINAL),
            array_slice(Surface::of(Gateway::class), 0, self::ORIGINAL)
        );
    }

    /**
     * @group better-than-original
     */
    public function testNothingButTheAddedMethodsStandsBehindThem(): void
    {
        self::assertSame(Surface::expected(), Surface::of(Gateway::class));
    }

    /**
     * @group better-than-original
     */
    public function testTheReturnTypesAreThoseThatHinderNoOverride(): void
    {
        $types = [];
        foreach ((new ReflectionClass(Gateway::class))->getMethods() as $method) {
            if ($method->hasReturnType()) {
                $types[$method->getName()] = (string) $method->getReturnType();
            }
        }
        self::assertSame(
            ['batchGetClientIdCountByGroup' => 'array', 'flush' => 'bool', 'confirm' => 'bool', 'status' => 'array', 'sent' => 'array'],
            $types
        );
    }

    public function testTheClassCanBeExtendedAndInstantiated(): void
    {
        $class = new ReflectionClass(Gateway::class);
        self::assertFalse($class->isFinal());
        self::assertFalse($class->isAbstract());
        self::assertTrue($class->isInstantiable());
        self::assertNull($class->getConstructor());
        self::assertFalse($class->getParentClass());
        self::assertSame([], $class->getInterfaceNames());
        self::assertSame([], $class->getConstants());
    }

    /**
     * @group better-than-original
     */
    public function testTheExtensionTellsItsVersionAndItsClasses(): void
    {
        $extension = new ReflectionExtension('gatewayworker');
        self::assertMatchesRegularExpression('/^\d+\.\d+\.\d+/', (string) $extension->getVersion());
        self::assertContains(Gateway::class, $extension->getClassNames());
        self::assertTrue((new ReflectionClass(Gateway::class))->isInternal());
        self::assertFalse((new ReflectionClass('GatewayWorker\Lib\Context'))->isInternal());
    }
}
