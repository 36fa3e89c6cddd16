<?php

/**
 * What the scripts have in common: the test's configuration in $config, and ways to talk with the
 * test.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;

$config = json_decode($argv[1] ?? '[]', true);
if (isset($config['register'])) {
    Gateway::$registerAddress = $config['register'];
}

/**
 * Tells the test something.
 *
 * @param mixed $what
 */
function say($what): void
{
    fwrite(STDOUT, json_encode($what, JSON_THROW_ON_ERROR) . "\n");
}

/**
 * Waits until the test says something, or closes the connection to the script.
 */
function await(): string
{
    return trim((string) fgets(STDIN));
}

/**
 * Sends numbered messages, as LifeCycleTestCase::assertDelivered() wants them.
 */
function send(string $client, string $sender, int $from, int $to): void
{
    for ($i = $from; $i < $to; $i++) {
        Gateway::sendToClient($client, "$sender $i");
    }
}

/**
 * Forks; the child runs the function and ends as it says.
 *
 * @param callable(): mixed $child
 */
function child(callable $child): int
{
    $pid = pcntl_fork();
    if ($pid !== 0) {
        return $pid;
    }
    $child();
    exit(0);
}

/**
 * Waits for the ends of children, which have to be good ones or the one that is expected.
 *
 * @param list<int> $pids
 */
function reap(array $pids, int $signal = 0): void
{
    foreach ($pids as $pid) {
        pcntl_waitpid($pid, $status);
        $good = $signal === 0
            ? pcntl_wifexited($status) && pcntl_wexitstatus($status) === 0
            : pcntl_wifsignaled($status) && pcntl_wtermsig($status) === $signal;
        if (!$good) {
            fwrite(STDERR, "a child ended with status $status\n");
        }
    }
}

/**
 * The descriptors of this process and what they are, without the one that looks.
 *
 * @return array<int, string>
 */
function descriptors(): array
{
    $descriptors = [];
    foreach (scandir('/proc/self/fd') as $number) {
        $target = @readlink("/proc/self/fd/$number");
        if ($target !== false && !preg_match('~^/proc/\d+/fd$~', $target)) {
            $descriptors[(int) $number] = $target;
        }
    }
    return $descriptors;
}

/**
 * The numbers of this process's threads.
 *
 * @return list<int>
 */
function threads(): array
{
    return array_map('intval', array_values(array_diff(scandir('/proc/' . posix_getpid() . '/task'), ['.', '..'])));
}
