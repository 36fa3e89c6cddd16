<?php

/**
 * Prepares a test run: loads the tests' own classes and makes sure that there is something to test.
 *
 * GATEWAYWORKER_TESTS_ALLOW_USERLAND=1 holds the tests against the original: a userland class
 * GatewayWorker\Lib\Gateway (brought in with auto_prepend_file) is accepted in place of the
 * extension. Every test passes with it then, save those in the group "better-than-original", each
 * of which fails (in ReadYourWritesTest, where the original depends on luck, some may pass).
 */

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    $prefix = 'GatewayWorker\\Tests\\';
    if (strncmp($class, $prefix, strlen($prefix)) !== 0) {
        return;
    }
    $file = __DIR__ . '/' . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
    if (is_file($file)) {
        require $file;
    }
});

if (!extension_loaded('gatewayworker')) {
    $userland = getenv('GATEWAYWORKER_TESTS_ALLOW_USERLAND') === '1'
        && class_exists('GatewayWorker\\Lib\\Gateway');
    if (!$userland) {
        fwrite(STDERR, "The extension gatewayworker is not loaded, so there is nothing to test.\n"
            . "Run `make test`: it builds the extension and the development gateway and starts PHPUnit with them.\n");
        exit(1);
    }
}
