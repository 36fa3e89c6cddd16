<?php

/**
 * Loads userland classes of the names of ours, where the extension leaves them free.
 */

declare(strict_types=1);

$config = json_decode($argv[1], true);
$report = ['loaded' => extension_loaded('gatewayworker')];
$requested = [];
spl_autoload_register(static function (string $class) use (&$requested, $config): void {
    $requested[] = $class;
    $files = ['GatewayWorker\Lib\Gateway' => 'lib', 'GatewayClient\Gateway' => 'client'];
    if (isset($files[$class]) && in_array($class, $config['userland'], true)) {
        require __DIR__ . "/userland-{$files[$class]}.php";
    }
});
foreach (['GatewayWorker\Lib\Gateway', 'GatewayClient\Gateway'] as $class) {
    $report['before'][$class] = class_exists($class, false);
    $report['after'][$class] = class_exists($class);
    if ($report['after'][$class]) {
        $report['internal'][$class] = (new ReflectionClass($class))->isInternal();
        $report['says'][$class] = method_exists($class, 'hello') ? $class::hello() : null;
    }
}
$report['autoloaded'] = $requested;
$report['exceptions'] = class_exists('GatewayWorker\Lib\GatewayException', false);
echo json_encode($report, JSON_THROW_ON_ERROR);
