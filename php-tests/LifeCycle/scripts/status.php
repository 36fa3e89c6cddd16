<?php

/**
 * Does what the test orders, one word a line, and says what came of it.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$attempt = static function (callable $call) {
    try {
        return $call();
    } catch (Exception $exception) {
        return $exception->getMessage();
    }
};
pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]);
while (($order = await()) !== '') {
    switch ($order) {
        case 'send':
            say($attempt(static fn () => Gateway::sendToAll('x')));
            break;
        case 'query':
            say($attempt(static fn () => Gateway::getAllClientIdCount()));
            break;
        case 'query one':
            say($attempt(static fn () => Gateway::isOnline($config['client'])));
            break;
        case 'status':
            say(Gateway::status());
            break;
        case 'complain':
            Gateway::sendToClient("bad\nid", 'x');
            Gateway::sendToGroup('', 'x');
            Gateway::getAllClientInfo();
            ini_set('gatewayworker.query_timeout', 'soon');
            say('done');
            break;
        case 'dead register':
            Gateway::$registerAddress = '127.0.0.1:9';
            say($attempt(static fn () => Gateway::getAllClientIdCount()));
            break;
        case 'fork':
        case 'fork unused':
            // The child says its number, and ends when it gets SIGUSR1.
            child(static function () use ($order, $attempt): void {
                if ($order === 'fork') {
                    $attempt(static fn () => Gateway::sendToAll('from the child'));
                }
                say(getmypid());
                pcntl_sigwaitinfo([SIGUSR1]);
            });
            break;
        case 'reap':
            pcntl_wait($status);
            say($status);
            break;
    }
}
