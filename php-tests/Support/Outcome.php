<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use Throwable;

/**
 * Everything that came of a call.
 */
final class Outcome
{
    /** @var mixed what it returned */
    public $returned;

    /** @var Throwable|null what it threw */
    public $thrown;

    /** @var string what it printed */
    public $printed = '';

    /** @var string what it wrote to PHP's error log */
    public $logged = '';

    /** @var list<string> the warnings, notices and deprecations that it raised */
    public $warnings = [];
}
