<?php

/**
 * Describes GatewayClient\Gateway.
 */

declare(strict_types=1);

use GatewayClient\Gateway;
use GatewayWorker\Tests\Support\Surface;

require dirname(__DIR__, 2) . '/bootstrap.php';

$class = new ReflectionClass(Gateway::class);
$statics = [];
foreach ($class->getProperties() as $property) {
    $property->setAccessible(true);
    $statics[$property->getName()] = [
        implode(' ', Reflection::getModifierNames($property->getModifiers())),
        $property->hasType(),
        $property->getValue(),
    ];
}
$returns = [];
foreach ($class->getMethods() as $method) {
    if ($method->hasReturnType()) {
        $returns[$method->getName()] = (string) $method->getReturnType();
    }
}
echo json_encode([
    'surface' => Surface::of(Gateway::class),
    'statics' => $statics,
    'returns' => $returns,
    'parent' => $class->getParentClass(),
    'final' => $class->isFinal(),
    'instantiable' => $class->isInstantiable(),
    'interfaces' => $class->getInterfaceNames(),
    'constants' => $class->getConstants(),
    'context' => class_exists('GatewayClient\Context'),
], JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION);
