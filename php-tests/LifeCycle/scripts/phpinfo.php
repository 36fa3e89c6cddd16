<?php

/**
 * phpinfo() with something to show. Runs as a script and as a request.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

$config = isset($_GET['register']) ? $_GET : json_decode($argv[1], true);
Gateway::$connectTimeout = 0.2;
foreach (["<b title=\"x\">&amp;' % %s", "\xff\xfe", "nul\0nul", $config['register']] as $register) {
    // What is no address is kept beside one that is.
    Gateway::$registerAddress = $register === $config['register'] ? $register : [$register, '127.0.0.1:1'];
    try {
        Gateway::sendToAll('x');
        Gateway::getAllClientIdCount();
    } catch (Exception $exception) {
        // Nothing listens there.
    }
}
phpinfo(INFO_MODULES);
