<?php

/**
 * Register, gateways and workers under one master process: for development, or a single machine.
 *
 *     php start.php start        in the foreground; start -d in the background
 *     php start.php reload       new workers, which take up a changed Events.php
 *     php start.php status
 *     php start.php stop
 */

declare(strict_types=1);

use Workerman\Worker;

define('CHAT_ALL_IN_ONE', true);

require __DIR__ . '/start_register.php';
require __DIR__ . '/start_gateway.php';
require __DIR__ . '/start_businessworker.php';

Worker::runAll();
