<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use GatewayWorker\Lib\Gateway;

/**
 * Shares everything with its parent.
 */
class PlainGateway extends Gateway
{
}
