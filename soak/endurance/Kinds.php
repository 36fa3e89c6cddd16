<?php

declare(strict_types=1);

namespace GatewayWorker\Soak\Endurance;

use Exception;
use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Soak\BusinessWorker;
use LogicException;
use ReflectionClass;
use ReflectionMethod;
use RuntimeException;
use stdClass;

/**
 * Every kind of call: each method, and the ways through it that differ (lists, a BusinessWorker, a
 * failure).
 */
final class Kinds
{
    /** @var array<string, callable(): mixed> kind ⇒ one call of it; what stands before a comma is the method */
    private array $kinds;

    /**
     * @param array{register: string, gateways: list<string>, clients: list<string>, other: string} $cluster the clients have
     * uids, groups and sessions, see {@see prepare()}; `other` is the register of another cluster
     */
    public function __construct(private readonly array $cluster)
    {
        Gateway::$registerAddress = $cluster['register'];
        $this->kinds = $this->sends() + $this->queries() + $this->ways();
        $methods = array_unique(array_map(static fn (string $kind): string => explode(',', $kind)[0], array_keys($this->kinds)));
        $public = array_map(
            static fn (ReflectionMethod $method): string => $method->getName(),
            (new ReflectionClass(Gateway::class))->getMethods(ReflectionMethod::IS_PUBLIC)
        );
        if (array_diff($public, $methods) !== []) {
            throw new LogicException('no kind for the methods ' . implode(', ', array_diff($public, $methods)));
        }
    }

    /**
     * Gives uids, groups and sessions to the clients, so that every reply has content.
     *
     * @param list<string> $clients
     */
    public static function prepare(string $register, array $clients): void
    {
        Gateway::$registerAddress = $register;
        foreach ($clients as $number => $client) {
            Gateway::bindUid($client, "user-$number");
            Gateway::joinGroup($client, 'room');
            Gateway::joinGroup($client, 'room-' . $number % 3);
            Gateway::setSession($client, ['name' => "Name $number", 'roles' => ['user', 'admin'], 'score' => 0.25, 'n' => $number]);
        }
        if (Gateway::getAllUidCount() !== count($clients)) {
            throw new RuntimeException('the clients have not got their uids');
        }
    }

    /**
     * @return list<string>
     */
    public function names(): array
    {
        return array_keys($this->kinds);
    }

    /**
     * @return callable(): mixed
     */
    public function of(string $kind): callable
    {
        return $this->kinds[$kind] ?? throw new LogicException("there is no kind \"$kind\"");
    }

    /**
     * @return array<string, callable(): mixed>
     */
    private function sends(): array
    {
        // Clients that are not there: no client has to read a million messages.
        $gateway = substr($this->cluster['clients'][0], 0, 12);
        $ids = array_map(static fn (int $number): string => $gateway . bin2hex(pack('N', 0x7000_0000 + $number)), range(0, 4));
        $id = $ids[0];
        $uids = ['nobody-1', 'nobody-2', 3];
        $session = ['uid' => 1, 'name' => 'Name', 'roles' => ['user', 'admin'], 'score' => 0.5];
        $long = str_repeat('m', 20_000);
        $current = static function () use ($id): void {
            Context::$client_id = $id;
            Context::$local_ip = hexdec(substr($id, 0, 8));
            Context::$local_port = hexdec(substr($id, 8, 4));
            Context::$connection_id = hexdec(substr($id, 12));
        };
        $current();
        $subclass = get_class(new class () extends Gateway {
            protected static function sendToGateway($address, $gateway_data)
            {
                return parent::sendToGateway($address, $gateway_data);
            }
        });
        return [
            'sendToAll, to some clients' => static fn () => Gateway::sendToAll('message', $ids),
            'sendToAll, of a bad list' => static fn () => Gateway::sendToAll('message', 'no id'),
            'sendToClient' => static fn () => Gateway::sendToClient($id, 'message'),
            'sendToClient, a long message' => static fn () => Gateway::sendToClient($id, $long),
            'sendToClient, an array as message' => static fn () => Gateway::sendToClient($id, ['a' => [1, 2.5, 'text']]),
            'sendToClient, a bad id' => static fn () => Gateway::sendToClient('no id', 'message'),
            'sendToCurrentClient' => static fn () => Gateway::sendToCurrentClient('message'),
            'sendToUid' => static fn () => Gateway::sendToUid('nobody', 'message'),
            'sendToUid, a list' => static fn () => Gateway::sendToUid($uids, 'message'),
            'sendToUid, by the engine\'s JSON' => static fn () => Gateway::sendToUid([1 => 'a', 3 => 2.5], 'message'),
            'sendToGroup' => static fn () => Gateway::sendToGroup('nobody', 'message'),
            'sendToGroup, a list, with exclusions' => static fn () => Gateway::sendToGroup(['none', 'nobody'], 'message', $ids),
            'closeClient' => static fn () => Gateway::closeClient($id),
            'closeClient, with a message' => static fn () => Gateway::closeClient($id, 'goodbye'),
            'closeCurrentClient' => static fn () => Gateway::closeCurrentClient('goodbye'),
            'destoryClient' => static fn () => Gateway::destoryClient($id),
            'destoryCurrentClient' => static fn () => Gateway::destoryCurrentClient(),
            'destroyClient' => static fn () => Gateway::destroyClient($id),
            'destroyCurrentClient' => static fn () => Gateway::destroyCurrentClient(),
            'bindUid' => static fn () => Gateway::bindUid($id, 'nobody'),
            'unbindUid' => static fn () => Gateway::unbindUid($id, 'nobody'),
            'joinGroup' => static fn () => Gateway::joinGroup($id, 'nobody'),
            'leaveGroup' => static fn () => Gateway::leaveGroup($id, 'nobody'),
            'ungroup' => static fn () => Gateway::ungroup('nobody'),
            'setSocketSession' => static fn () => Gateway::setSocketSession($id, 'a:0:{}'),
            'setSession' => static fn () => Gateway::setSession($id, $session),
            'setSession, of the current client' => static function () use ($current, $id, $session): void {
                $current();
                Gateway::setSession($id, $session);
            },
            'updateSession' => static fn () => Gateway::updateSession($id, $session),
            'flush' => static fn () => Gateway::flush(1.0),
            'confirm, of a send' => static function () use ($id): void {
                Gateway::sendToClient($id, 'message');
                if (!Gateway::confirm(20.0)) {
                    throw new LogicException('not confirmed');
                }
            },
            'fake, a send and its end' => static function (): void {
                Gateway::fake(['getSession' => ['name' => 'Name']]);
                Gateway::sendToUid('nobody', ['a' => [1, 2.5, 'text']]);
                Gateway::getSession('nobody');
                Gateway::fake(null);
            },
            'sent' => static function (): void {
                Gateway::fake();
                Gateway::sendToUid('nobody', 'message');
                if (Gateway::sent() !== Gateway::sent('sendToUid')) {
                    throw new LogicException('something else was recorded');
                }
                Gateway::fake(null);
            },
            'sendToClient, by an override' => static fn () => $subclass::sendToClient($id, 'message'),
            'sendToUid, by an override' => static fn () => $subclass::sendToUid($uids, ['a' => [1, 2.5, 'text']]),
        ];
    }

    /**
     * @return array<string, callable(): mixed>
     */
    private function queries(): array
    {
        $clients = $this->cluster['clients'];
        $uids = ['user-0', 'user-1', 'nobody'];
        return [
            'isUidOnline' => static fn () => Gateway::isUidOnline('user-1'),
            'isUidsOnline' => static fn () => Gateway::isUidsOnline($uids),
            'isOnline' => static fn () => Gateway::isOnline($clients[0]),
            'getAllClientInfo' => static fn () => Gateway::getAllClientInfo(),
            'getAllClientSessions' => static fn () => Gateway::getAllClientSessions(),
            'getClientInfoByGroup' => static fn () => Gateway::getClientInfoByGroup('room-1'),
            'getClientSessionsByGroup' => static fn () => Gateway::getClientSessionsByGroup('room-1'),
            'getAllClientIdCount' => static fn () => Gateway::getAllClientIdCount(),
            'getAllClientCount' => static fn () => Gateway::getAllClientCount(),
            'getClientIdCountByGroup' => static fn () => Gateway::getClientIdCountByGroup('room'),
            'getClientCountByGroup' => static fn () => Gateway::getClientCountByGroup('room'),
            'batchGetClientIdCountByGroup' => static fn () => Gateway::batchGetClientIdCountByGroup(['room', 'room-1', 'none']),
            'getClientIdListByGroup' => static fn () => Gateway::getClientIdListByGroup('room'),
            'getAllClientIdList' => static fn () => Gateway::getAllClientIdList(),
            'getClientIdByUid' => static fn () => Gateway::getClientIdByUid('user-1'),
            'getClientIdByUids' => static fn () => Gateway::getClientIdByUids($uids),
            'batchGetClientIdByUid' => static fn () => Gateway::batchGetClientIdByUid($uids),
            'getUidListByGroup' => static fn () => Gateway::getUidListByGroup('room'),
            'getUidCountByGroup' => static fn () => Gateway::getUidCountByGroup('room'),
            'getAllUidList' => static fn () => Gateway::getAllUidList(),
            'getAllUidCount' => static fn () => Gateway::getAllUidCount(),
            'getUidByClientId' => static fn () => Gateway::getUidByClientId($clients[1]),
            'getAllGroupIdList' => static fn () => Gateway::getAllGroupIdList(),
            'getAllGroupUidCount' => static fn () => Gateway::getAllGroupUidCount(),
            'getAllGroupUidList' => static fn () => Gateway::getAllGroupUidList(),
            'getAllGroupClientIdList' => static fn () => Gateway::getAllGroupClientIdList(),
            'getAllGroupClientIdCount' => static fn () => Gateway::getAllGroupClientIdCount(),
            'getSession' => static fn () => Gateway::getSession($clients[0]),
            'status' => static fn () => Gateway::status(),
        ];
    }

    /**
     * Ways through several methods, and those that end in an exception.
     *
     * @return array<string, callable(): mixed>
     */
    private function ways(): array
    {
        ['clients' => $clients, 'gateways' => $gateways, 'register' => $register, 'other' => $other] = $this->cluster;
        $worker = new BusinessWorker($gateways);
        $worker->connect($gateways);
        $nobody = substr($clients[0], 0, 12) . '7fffffff';
        // A gateway that is no member: nothing listens on port 1.
        $away = substr($clients[0], 0, 8) . '0001' . '00000001';
        $object = new stdClass();
        $object->list = [1, 'two'];
        $thrown = static function (callable $call): void {
            try {
                $call();
            } catch (Exception | \Error) {
                return;
            }
            throw new LogicException('it was to throw');
        };
        return [
            'sendToAll' => static function () use ($other): void {
                // To a cluster without clients.
                Gateway::$registerAddress = $other;
                Gateway::sendToAll('message');
            },
            'setBusinessWorker' => static fn () => Gateway::setBusinessWorker(null),
            'setBusinessWorker, a send in worker mode' => static function () use ($worker, $nobody): void {
                Gateway::setBusinessWorker($worker);
                Gateway::sendToClient($nobody, 'message');
                Gateway::sendToUid('nobody', 'message');
            },
            'setBusinessWorker, a query in worker mode' => static function () use ($worker): void {
                Gateway::setBusinessWorker($worker);
                Gateway::getAllClientIdCount();
            },
            'getSession, behind setSession' => static function () use ($clients): void {
                Gateway::setSession($clients[0], ['name' => 'Name', 'n' => 1]);
                Gateway::getSession($clients[0]);
            },
            'getSession, with an object' => static function () use ($clients, $object): void {
                static $set = false;
                if (!$set) {
                    Gateway::setSession($clients[2], ['object' => $object]);
                    $set = true;
                }
                Gateway::getSession($clients[2]);
            },
            'sendToUid, two clusters in turn' => static function () use ($register, $other): void {
                Gateway::$registerAddress = $other;
                Gateway::sendToUid('nobody', 'message');
                Gateway::$registerAddress = $register;
                Gateway::sendToUid('nobody', 'message');
            },
            'bindUid, a wrong argument' => static fn () => $thrown(static fn () => Gateway::bindUid($nobody, $object)),
            'sendToClient, too few arguments' => static fn () => $thrown([Gateway::class, 'sendToClient']),
            'sendToClient, a message that throws' => static fn () => $thrown(
                static fn () => Gateway::sendToClient($nobody, static fn () => null)
            ),
            'isOnline, a gateway that is away' => static fn () => $thrown(static fn () => Gateway::isOnline($away)),
        ];
    }
}
