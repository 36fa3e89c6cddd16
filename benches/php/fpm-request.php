<?php

/** One request of the row "php-fpm request that pushes once": prints how many nanoseconds the call took. */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

if (isset($_GET['autoload'])) {
    require $_GET['autoload'];
    // Loading the class is not what is measured.
    class_exists(Gateway::class);
}
Gateway::$registerAddress = $_GET['register'];
$start = hrtime(true);
Gateway::sendToAll('a message of a few words');
echo hrtime(true) - $start;
