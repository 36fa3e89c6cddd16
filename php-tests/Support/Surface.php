<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use ReflectionClass;
use ReflectionMethod;

/**
 * The methods of a class, in the form of fixtures/surface.php.
 */
final class Surface
{
    /**
     * What the class must have.
     *
     * @return array<string, list<array<string, mixed>>>
     */
    public static function expected(): array
    {
        return require dirname(__DIR__) . '/fixtures/surface.php';
    }

    /**
     * What a class has. All of it is static, or the name says so.
     *
     * @param class-string $class
     * @param int          $visibility of which methods, as ReflectionMethod has it
     *
     * @return array<string, list<array<string, mixed>>>
     */
    public static function of(string $class, int $visibility = ReflectionMethod::IS_PUBLIC): array
    {
        $surface = [];
        foreach ((new ReflectionClass($class))->getMethods($visibility) as $method) {
            $parameters = [];
            foreach ($method->getParameters() as $parameter) {
                $description = ['name' => $parameter->getName()];
                if ($parameter->hasType()) {
                    $description['type'] = (string) $parameter->getType();
                }
                if ($parameter->isOptional()) {
                    $description['default'] = $parameter->getDefaultValue();
                }
                if ($parameter->isVariadic() || $parameter->isPassedByReference()) {
                    $description['passed'] = 'by reference or variadic';
                }
                $parameters[] = $description;
            }
            $surface[($method->isStatic() ? '' : 'non-static ') . $method->getName()] = $parameters;
        }
        return $surface;
    }
}
