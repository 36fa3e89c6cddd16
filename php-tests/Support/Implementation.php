<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use GatewayWorker\Lib\Gateway;

/**
 * What is under test: the extension, or the original userland class when the tests are held against
 * that.
 */
final class Implementation
{
    /**
     * Whether the class under test comes from the extension.
     */
    public static function isNative(): bool
    {
        return extension_loaded('gatewayworker');
    }

    /**
     * Puts the class under test back into the state of a fresh request.
     */
    public static function reset(): void
    {
        self::loadContext();
        \GatewayWorker\Lib\Context::clear();
        $GLOBALS['_SESSION'] = null;
        Gateway::$registerAddress = '127.0.0.1:1236';
        Gateway::$secretKey = '';
        Gateway::$connectTimeout = 3;
        Gateway::$persistentConnection = true;
        // The original has one cache for all registers: with it, one test would talk to the cluster
        // of another.
        Gateway::$addressesCacheDisable = !self::isNative();
        Gateway::setBusinessWorker(null);
    }

    /**
     * Makes sure that a class GatewayWorker\Lib\Context exists: the tests' own, unless the original
     * is there.
     */
    public static function loadContext(): void
    {
        if (!class_exists('GatewayWorker\\Lib\\Context')) {
            require_once __DIR__ . '/Context.php';
        }
    }

    /**
     * The file of the extension.
     */
    public static function sharedObject(): string
    {
        return getenv('GATEWAYWORKER_SO') ?: self::root() . '/target/release/libgatewayworker.so';
    }

    /**
     * The root of the repository.
     */
    public static function root(): string
    {
        return dirname(__DIR__, 2);
    }
}
