<?php

/**
 * Names the class and does not use it.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

Gateway::$secretKey = 'x';
class_exists(Gateway::class);
new Gateway();
