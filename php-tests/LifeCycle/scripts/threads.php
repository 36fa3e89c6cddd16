<?php

/**
 * Counts threads at every step.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

class Mine extends Gateway
{
}

$report = [];
$count = static function (string $when) use (&$report): void {
    $report[$when] = count(threads());
};
$count('at the start');
Gateway::$secretKey = '';
Gateway::setBusinessWorker(null);
new Gateway();
Gateway::status();
Gateway::flush();
$count('after what needs no connection');
Gateway::sendToClient('nonsense', 'x');
Gateway::sendToGroup('', 'x');
Gateway::sendToAll('x', []);
$count('after calls that do nothing');
Gateway::sendToClient($config['client'], 'x');
$count('after the first message');
Gateway::getAllClientIdCount();
Gateway::sendToAll('x');
Mine::sendToClient($config['client'], 'x');
$count('after more calls');
Gateway::$registerAddress = [$config['register'], '127.0.0.1:9'];
Gateway::getAllClientIdCount();
Gateway::$secretKey = 'another';
try {
    Gateway::sendToClient($config['client'], 'x');
} catch (Exception $exception) {
    // The gateway does not know this key: whether it has said so by now is of no interest here.
}
Gateway::$secretKey = '';
$count('with several clusters');
GatewayClient\Gateway::$registerAddress = $config['register'];
GatewayClient\Gateway::getAllClientIdCount();
$count('with both classes');
Gateway::flush();
gc_collect_cycles();
$count('in the end');
say($report);
