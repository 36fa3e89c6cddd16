<?php

/**
 * Signals in every shape. With "used" the class is used before and in between, without it nothing
 * of it is touched: the output must be the same.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

require __DIR__ . '/common.php';

$used = $config['used'];
$use = static function () use ($used, $config): void {
    if ($used) {
        Gateway::sendToClient($config['client'], 'x');
        if (Gateway::getAllClientIdCount() !== 1) {
            fwrite(STDERR, "a wrong reply\n");
        }
    }
};
/** Sends this process a signal every few milliseconds while the function runs. */
$while = static function (int $signal, callable $run) {
    $parent = getmypid();
    $metronome = child(static function () use ($parent, $signal): void {
        while (posix_getppid() === $parent && posix_kill($parent, $signal)) {
            usleep(3000);
        }
    });
    $reply = $run();
    posix_kill($metronome, SIGKILL);
    pcntl_waitpid($metronome, $status);
    return $reply;
};
$report = [];
$seen = [];
$note = static function (int $signal) use (&$seen): void {
    $seen[] = $signal;
};
foreach ([SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGALRM, SIGIO, SIGPIPE, SIGCHLD] as $signal) {
    pcntl_signal($signal, $note);
}
$use();

// Asynchronous: before the next statement.
pcntl_async_signals(true);
foreach ([SIGUSR1, SIGHUP, SIGTERM, SIGINT, SIGIO, SIGPIPE] as $signal) {
    posix_kill(getmypid(), $signal);
    $use();
}
$report['asynchronous'] = $seen;

// Not asynchronous: only on request, in order.
pcntl_async_signals(false);
$seen = [];
foreach ([SIGUSR1, SIGUSR2, SIGHUP] as $signal) {
    posix_kill(getmypid(), $signal);
    $use();
}
$report['not before the dispatch'] = $seen;
pcntl_signal_dispatch();
sort($seen);
$report['dispatched'] = $seen;

// Waiting functions are interrupted, with the values that say so.
$left = $while(SIGUSR1, static function () {
    return sleep(60);
});
$report['sleep'] = $left > 0 && $left <= 60;
$report['time_nanosleep'] = $while(SIGUSR1, static function () {
    $left = time_nanosleep(60, 0);
    return is_array($left) ? array_keys($left) : $left;
});
$pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$report['stream_select'] = $while(SIGUSR1, static function () use ($pair) {
    [$read, $write, $except] = [[$pair[0]], [], []];
    $reply = @stream_select($read, $write, $except, 60);
    return [$reply, strpos((string) (error_get_last()['message'] ?? ''), 'Interrupted') !== false];
});
$report['usleep'] = $while(SIGUSR1, static function () {
    usleep(60000000);
    return 'interrupted';
});
// By default, system calls go on after the handler; this one would.
pcntl_signal(SIGUSR1, $note, false);
$report['wait'] = $while(SIGUSR1, static function () {
    $child = child(static function (): void {
        sleep(60);
    });
    $reply = pcntl_waitpid($child, $status);
    $error = pcntl_get_last_error() === PCNTL_EINTR;
    posix_kill($child, SIGKILL);
    do {
        $end = pcntl_waitpid($child, $status);
    } while ($end === -1 && pcntl_get_last_error() === PCNTL_EINTR);
    return [$reply, $error, $end === $child];
});
$use();
pcntl_signal_dispatch();

// A timer of the system: one alarm is one call of the handler, in the middle of a sleep.
pcntl_async_signals(true);
$seen = [];
// Before the alarm: it must not go off until the sleep has begun.
$use();
pcntl_alarm(1);
$report['alarm'] = [sleep(60) > 0, $seen];

// The other threads get none of it: a signal that the main thread blocks stays pending.
$seen = [];
pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]);
posix_kill(getmypid(), SIGUSR1);
$use();
$report['blocked'] = $seen;
$report['waited for'] = pcntl_sigtimedwait([SIGUSR1], $information, 60);
posix_kill(getmypid(), SIGUSR1);
$use();
// Not by setting the old mask: it is empty, and PHP 8.4 takes no empty set.
pcntl_sigprocmask(SIG_UNBLOCK, [SIGUSR1]);
$use();
$report['unblocked'] = $seen;
pcntl_sigprocmask(SIG_UNBLOCK, [SIGUSR1], $mask);
$report['mask'] = $mask;

// The end of a child is reported.
$seen = [];
reap([child(static function (): void {
})]);
$report['child'] = array_values(array_unique($seen));

// The default and the ignored action.
pcntl_signal(SIGUSR2, SIG_IGN);
posix_kill(getmypid(), SIGUSR2);
$use();
$report['handlers'] = [];
foreach ([SIGUSR1, SIGUSR2, SIGPIPE, SIGQUIT, SIGALRM] as $signal) {
    $handler = pcntl_signal_get_handler($signal);
    $report['handlers'][$signal] = is_int($handler) ? $handler : 'ours';
}
$report['killed by default'] = (static function () use ($use): array {
    $pid = child(static function () use ($use): void {
        $use();
        posix_kill(getmypid(), SIGQUIT);
        sleep(60);
    });
    pcntl_waitpid($pid, $status);
    return [pcntl_wifsignaled($status), pcntl_wtermsig($status)];
})();
say($report);
