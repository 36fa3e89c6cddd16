<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

/**
 * Lets methods be added at run time, as the helpers of frameworks do.
 */
trait Macros
{
    /**
     * @param string       $name
     * @param array<mixed> $arguments
     *
     * @return mixed
     */
    public static function __callStatic($name, $arguments)
    {
        return $arguments[0];
    }

    /**
     * @param string       $name
     * @param array<mixed> $arguments
     *
     * @return mixed
     */
    public function __call($name, $arguments)
    {
        return $arguments[0];
    }
}
