<?php

/**
 * What every request needs. In a framework this is the place that runs before each controller: a
 * service provider's boot(), a middleware, a config file.
 *
 * Static properties are back at their defaults when a request ends, so each request sets them. That
 * costs nothing: the connections belong to the php-fpm worker and are found again by these values.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/src/PushController.php';

// Several registers are separated by commas. In the pool's configuration: env[GATEWAY_REGISTER] =
// 10.0.0.5:1236
Gateway::$registerAddress = explode(',', getenv('GATEWAY_REGISTER') ?: '127.0.0.1:1236');
Gateway::$secretKey = (string) getenv('GATEWAY_SECRET_KEY');
