<?php

/**
 * Says what the settings are, and what becomes of changing them.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$report = ['values' => [], 'access' => [], 'set' => []];
foreach (ini_get_all('gatewayworker') as $name => $entry) {
    $name = substr($name, strlen('gatewayworker.'));
    $report['values'][$name] = $entry['global_value'];
    $report['access'][$name] = $entry['access'];
}
foreach ($config['set'] ?? [] as [$name, $value]) {
    $report['set'][] = [ini_set("gatewayworker.$name", $value), ini_get("gatewayworker.$name")];
}
if (class_exists(Gateway::class)) {
    $report['statics'] = [Gateway::$registerAddress, Gateway::$secretKey];
    if ($config['query'] ?? false) {
        $report['count'] = Gateway::getAllClientIdCount();
    }
}
foreach ($config['set'] ?? [] as [$name, $value]) {
    ini_restore("gatewayworker.$name");
    $report['restored'][] = ini_get("gatewayworker.$name");
}
say($report);
