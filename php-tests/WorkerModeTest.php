<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use Exception;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Lib\UnreachableException;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Implementation;

/**
 * Inside a BusinessWorker the gateways are those of its instance, and its connections are left
 * alone.
 */
final class WorkerModeTest extends ClusterTestCase
{
    private const WORKER_CONNECT = 200;

    /** Nothing listens there: the register must not be contacted. */
    private const NO_REGISTER = '127.0.0.99:1';

    public function testTheRegisterIsNotAsked(): void
    {
        $this->enter('worker');
        Gateway::$registerAddress = self::NO_REGISTER;
        $client = $this->text(1);
        Gateway::sendToAll('to all');
        self::assertSame(1, Gateway::getAllClientCount());
        $this->assertReceived(['to all'], $client);
    }

    public function testCommandsGoToTheGatewaysThatTheWorkerIsConnectedTo(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        foreach ([$a, $b] as $client) {
            Gateway::joinGroup($client->clientId(), 'room');
            Gateway::bindUid($client->clientId(), 'ann');
        }
        self::assertSame(2, Gateway::getClientCountByGroup('room'));
        Gateway::setBusinessWorker(
            $this->worker([$this->cluster->internal(0)], $this->cluster->internalAddresses())
        );
        Gateway::sendToAll('to all');
        Gateway::sendToAll('to all but one', null, [$b->clientId()]);
        Gateway::sendToUid('ann', 'for ann');
        Gateway::sendToGroup('room', 'for the room');
        Gateway::sendToGroup('room', 'for most of the room', [$b->clientId()]);
        $this->assertReceived(['to all', 'to all but one', 'for ann', 'for the room', 'for most of the room'], $a);
        Gateway::setBusinessWorker(null);
        $this->assertReceived([], $b);
    }

    public function testAClientOfAnotherGatewayIsNotThere(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::setSession($b->clientId(), ['b' => 1]);
        Gateway::bindUid($b->clientId(), 'ann');
        self::assertSame(['b' => 1], Gateway::getSession($b->clientId()));
        Gateway::setBusinessWorker($this->worker([$this->cluster->internal(0)]));
        self::assertFalse(Gateway::sendToClient($b->clientId(), 'x'));
        self::assertFalse(Gateway::closeClient($b->clientId()));
        self::assertFalse(Gateway::destoryClient($b->clientId()));
        self::assertFalse(Gateway::setSocketSession($b->clientId(), ''));
        self::assertNull(Gateway::sendToAll('x', [$b->clientId()]));
        self::assertSame(0, Gateway::isOnline($b->clientId()));
        self::assertNull(Gateway::getSession($b->clientId()));
        self::assertSame('ann', Gateway::getUidByClientId($b->clientId()), 'this one is queried all the same');
        self::assertSame(1, Gateway::isOnline($a->clientId()));
        Gateway::setBusinessWorker(null);
        self::assertSame(['b' => 1], Gateway::getSession($b->clientId()));
        $this->assertReceived([], $b);
    }

    public function testQueriesGoToAllGatewaysThatTheWorkerKnowsOf(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::setBusinessWorker(
            $this->worker([$this->cluster->internal(0)], $this->cluster->internalAddresses())
        );
        self::assertSame(2, Gateway::getAllClientCount());
        self::assertSameMap(self::ids($a, $b), Gateway::getAllClientIdList());
    }

    public function testAWorkerThatKnowsNoGatewayIsAnErrorForAQuery(): void
    {
        $this->enter('client');
        Gateway::setBusinessWorker($this->worker([]));
        $outcome = $this->observe(static function () {
            return Gateway::getAllClientCount();
        });
        self::assertInstanceOf(Exception::class, $outcome->thrown);
        self::assertSame('businessWorker::getAllGatewayAddresses return empty', $outcome->thrown->getMessage());
        if (Implementation::isNative()) {
            self::assertInstanceOf(UnreachableException::class, $outcome->thrown);
        }
        self::assertNull(Gateway::sendToAll('to nobody'));
    }

    public function testTheGatewaysAreReadAnewAtEachCall(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $worker = $this->worker([$this->cluster->internal(0)]);
        Gateway::setBusinessWorker($worker);
        Gateway::sendToAll('one');
        $worker->gatewayConnections += $this->worker([$this->cluster->internal(1)])->gatewayConnections;
        Gateway::sendToAll('two');
        unset($worker->gatewayConnections[$this->cluster->internal(0)]);
        Gateway::sendToAll('three');
        $this->assertReceived(['two', 'three'], $b);
        self::assertSame(['one', 'two'], [$a->receive(), $a->receive()]);
        // The fence takes another path than those two, so it would not prove that they have all
        // arrived.
        Gateway::setBusinessWorker(null);
        $this->assertReceived([], $a);
    }

    public function testGettingOutOfTheWorkerGoesBackToTheRegister(): void
    {
        $this->enter('worker');
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::setBusinessWorker($this->worker([$this->cluster->internal(0)]));
        self::assertSame(1, Gateway::getAllClientCount());
        Gateway::setBusinessWorker(null);
        self::assertSame(2, Gateway::getAllClientCount());
    }

    /**
     * @group better-than-original
     */
    public function testTheConnectionsOfTheWorkerAreNeverUsed(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $worker = $this->worker([]);
        $writes = 0;
        foreach ($this->cluster->internalAddresses() as $address) {
            $worker->gatewayConnections[$address] = new class ($writes) {
                /** @var int */
                private $writes;

                public function __construct(int &$writes)
                {
                    $this->writes = &$writes;
                }

                /**
                 * @param mixed $data
                 * @param mixed $raw
                 */
                public function send($data, $raw = false): bool
                {
                    $this->writes++;
                    return true;
                }
            };
        }
        Gateway::setBusinessWorker($worker);
        Gateway::sendToClient($client->clientId(), 'one');
        Gateway::sendToAll('two');
        $this->assertReceived(['one', 'two'], $client);
        self::assertSame(0, $writes);
    }

    /**
     * Otherwise the gateway would route clients to this process, which has no ear for them.
     *
     * @dataProvider modes
     */
    public function testNoClientIsRoutedToUs(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        Gateway::sendToAll('to all');
        self::assertSame(1, Gateway::getAllClientCount());
        self::assertSame(0, $this->cluster->framesOf(self::WORKER_CONNECT));
        $client->send('hello?');
        $this->assertReceived(['to all'], $client);
    }
}
