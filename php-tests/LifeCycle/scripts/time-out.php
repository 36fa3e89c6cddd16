<?php

/**
 * Asks a gateway that does not answer, with the setting as it is and with others.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$messages = [];
$ask = static function () use (&$messages): void {
    try {
        Gateway::getAllClientIdCount();
        $messages[] = 'answered';
    } catch (Exception $exception) {
        $messages[] = $exception->getMessage();
    }
};
$ask();
ini_set('gatewayworker.query_timeout', '0.25');
$ask();
ini_set('gatewayworker.query_timeout', '-3');
$ask();
ini_restore('gatewayworker.query_timeout');
$ask();
say($messages);
