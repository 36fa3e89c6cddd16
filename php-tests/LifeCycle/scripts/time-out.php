<?php

/**
 * Queries a gateway that does not reply, with the setting as it is and with others.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$messages = [];
$query = static function () use (&$messages): void {
    try {
        Gateway::getAllClientIdCount();
        $messages[] = 'replied';
    } catch (Exception $exception) {
        $messages[] = $exception->getMessage();
    }
};
$query();
ini_set('gatewayworker.query_timeout', '0.25');
$query();
ini_set('gatewayworker.query_timeout', '-3');
$query();
ini_restore('gatewayworker.query_timeout');
$query();
say($messages);
