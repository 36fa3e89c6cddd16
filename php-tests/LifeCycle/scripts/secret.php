<?php

/**
 * Shows everything there is to be shown, with errors of all kinds.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$attempt = static function (callable $call): void {
    try {
        var_dump($call());
    } catch (Throwable $thrown) {
        echo $thrown, "\n", print_r($thrown->getTrace(), true);
    }
};
foreach ([$config['register'], '127.0.0.1:9', 'no port', ['127.0.0.1:9', '']] as $register) {
    Gateway::$registerAddress = $register;
    $attempt([Gateway::class, 'getAllClientIdCount']);
    $attempt(static function () use ($config) {
        return Gateway::sendToClient($config['client'], 'x');
    });
    $attempt(static function () {
        return Gateway::getSession('7f0000090001000000ff');
    });
}
Gateway::flush(0.1);
var_dump(Gateway::status(), new Gateway());
print_r(Gateway::status());
phpinfo(INFO_MODULES | INFO_GENERAL);
ini_set('gatewayworker.secret_key', 'not changeable');
