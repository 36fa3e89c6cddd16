<?php

/**
 * Pushes a message from the command line.
 *
 *     php push.php --register=127.0.0.1:1236 uid alice 'Your parcel is on its way'
 *
 * `php push.php --help` lists everything. Exit codes: 0 sent, 1 not sent, 2 wrong usage.
 */

declare(strict_types=1);

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Lib\GatewayException;

const SENT = 0;
const NOT_SENT = 1;
const WRONG_USAGE = 2;

const USAGE = <<<'TEXT'
    Usage: php push.php [options] <to whom> <message>

    To whom:
      client <client_id>    one connection
      uid <uid>             all connections of a user
      group <group>         all members of a group
      all                   everybody who is connected

    The message goes out as it is; - stands for what comes on standard input.

    Options:
      --register=<host:port>   the register; may be repeated (default: gatewayworker.register_address)
      --timeout=<seconds>      how long to wait for connections, and for the message to be out (default: 3)
      -h, --help               show this

    The environment variable GATEWAY_SECRET_KEY holds the secret key: arguments can be seen by everybody on
    the machine.

    Exit codes: 0 sent, 1 not sent (the reason is on standard error), 2 wrong usage.

    TEXT;

exit(main(array_slice($argv, 1)));

/**
 * @param list<string> $arguments
 */
function main(array $arguments): int
{
    if (!extension_loaded('gatewayworker')) {
        return complain('the extension gatewayworker is not loaded (see `php --ini` for the files to name it in)');
    }
    $registers = $words = [];
    while ($arguments !== []) {
        $argument = array_shift($arguments);
        if ($argument === '--') {
            // What follows is no option, even where it begins like one.
            array_push($words, ...$arguments);
            break;
        }
        if ($argument === '-h' || $argument === '--help') {
            fwrite(STDOUT, USAGE);
            return SENT;
        }
        if (preg_match('/^--register=(.+)$/s', $argument, $match) === 1) {
            $registers[] = $match[1];
        } elseif (preg_match('/^--timeout=(\d+(?:\.\d+)?)$/D', $argument, $match) === 1) {
            Gateway::$connectTimeout = (float) $match[1];
        } elseif ($argument !== '-' && strncmp($argument, '-', 1) === 0) {
            return wrongUsage("unknown option $argument");
        } else {
            $words[] = $argument;
        }
    }
    $kind = array_shift($words);
    $names = ['client' => 'client_id', 'uid' => 'uid', 'group' => 'group', 'all' => null];
    if ($kind === null || !array_key_exists($kind, $names)) {
        return wrongUsage($kind === null ? 'who is to get it?' : "'$kind' is none of client, uid, group and all");
    }
    $name = null;
    if ($names[$kind] !== null && ($name = (string) array_shift($words)) === '') {
        return wrongUsage("the $names[$kind] is missing");
    }
    if (count($words) !== 1) {
        return wrongUsage($words === [] ? 'the message is missing' : 'more than one message: put it in quotes');
    }
    $message = $words[0] === '-' ? (string) stream_get_contents(STDIN) : $words[0];

    if ($registers !== []) {
        Gateway::$registerAddress = $registers;
    }
    Gateway::$secretKey = (string) (getenv('GATEWAY_SECRET_KEY') ?: Gateway::$secretKey);
    try {
        return push($kind, $name, $message);
    } catch (GatewayException $e) {
        return complain($e->getMessage());
    }
}

/**
 * Sends the message, and waits until it is out: a script that only ends might not tell that a
 * gateway is away.
 */
function push(string $kind, ?string $name, string $message): int
{
    $accepted = true;
    switch ($kind) {
        case 'client':
            $accepted = Gateway::sendToClient($name, $message);
            break;
        case 'uid':
            Gateway::sendToUid($name, $message);
            break;
        case 'group':
            // False for an empty group, such as '0'; else null.
            $accepted = Gateway::sendToGroup($name, $message) !== false;
            break;
        default:
            Gateway::sendToAll($message);
    }
    if (!$accepted) {
        return complain("'$name' is no $kind");
    }
    if (!Gateway::flush((float) Gateway::$connectTimeout)) {
        return complain('not every gateway has taken the message');
    }
    return SENT;
}

function complain(string $reason): int
{
    fwrite(STDERR, "push.php: $reason\n");
    return NOT_SENT;
}

function wrongUsage(string $reason): int
{
    fwrite(STDERR, "push.php: $reason\n\n" . USAGE);
    return WRONG_USAGE;
}
