<?php

declare(strict_types=1);

namespace GatewayWorker\Bench;

use GatewayWorker\Lib\Gateway;

/**
 * The application whose callbacks are measured. A message names what to do; the client gets one line back: the nanoseconds
 * that the calls took in the callback, or "ok" where only the round trip counts.
 */
final class Events
{
    public static function onConnect(string $id): void
    {
    }

    public static function onMessage(string $id, string $message): void
    {
        switch ($message) {
            case 'reply':
                Gateway::sendToCurrentClient('ok');
                return;
            case 'manage':
                Gateway::bindUid($id, 'user-1');
                Gateway::joinGroup($id, 'room-1');
                Gateway::setSession($id, ['uid' => 1, 'name' => 'Name 1']);
                Gateway::sendToCurrentClient('ok');
                return;
            case 'cpu':
                $usage = getrusage();
                $user = $usage['ru_utime.tv_sec'] * 1_000_000 + $usage['ru_utime.tv_usec'];
                $system = $usage['ru_stime.tv_sec'] * 1_000_000 + $usage['ru_stime.tv_usec'];
                Gateway::sendToCurrentClient((string) (($user + $system) * 1000));
                return;
            case 'pid':
                Gateway::sendToCurrentClient((string) getmypid());
                return;
            case 'id':
                Gateway::sendToCurrentClient($id);
                return;
            case 'class':
                $internal = (new \ReflectionClass(Gateway::class))->isInternal();
                Gateway::sendToCurrentClient($internal ? 'extension' : 'userland');
                return;
        }
        $start = hrtime(true);
        self::calls($message, $id);
        Gateway::sendToCurrentClient((string) (hrtime(true) - $start));
    }

    public static function onClose(string $id): void
    {
    }

    /**
     * The calls of a case, also made by client-mode scripts.
     */
    public static function calls(string $case, string $id): void
    {
        switch ($case) {
            case 'joinGroup, getClientCountByGroup':
                Gateway::joinGroup($id, 'room-1');
                Gateway::getClientCountByGroup('room-1');
                break;
            case 'updateSession, getSession':
                Gateway::updateSession($id, ['score' => 7]);
                Gateway::getSession($id);
                break;
            case 'sendToUid, isUidOnline':
                Gateway::sendToUid('nobody', 'message');
                Gateway::isUidOnline('nobody');
                break;
            case 'sendToAll, getAllClientCount':
                // Clients of the benchmark pass over this line.
                Gateway::sendToAll('message');
                Gateway::getAllClientCount();
                break;
            case 'bindUid, isOnline':
                Gateway::bindUid($id, 'user-1');
                Gateway::isOnline($id);
                break;
            case '20 × sendToUid, isUidOnline':
                for ($i = 0; $i < 20; $i++) {
                    Gateway::sendToUid('nobody', 'message');
                }
                Gateway::isUidOnline('nobody');
                break;
            case 'getSession':
                Gateway::getSession($id);
                break;
            case 'getAllClientCount':
                Gateway::getAllClientCount();
                break;
            case 'getClientCountByGroup':
                Gateway::getClientCountByGroup('room-1');
                break;
            default:
                throw new \InvalidArgumentException("unknown case $case");
        }
    }
}
