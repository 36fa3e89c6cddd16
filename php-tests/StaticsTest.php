<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Gatewayd;
use GatewayWorker\Tests\Support\OtherCluster;
use GatewayWorker\Tests\Support\Php;
use GatewayWorker\Tests\Support\PlainGateway;
use GatewayWorker\Tests\Support\TextClient;
use ReflectionClass;
use ReflectionProperty;

/**
 * The static properties: what they are, and that they are looked up as static:: says.
 */
final class StaticsTest extends ClusterTestCase
{
    private const PUBLIC_DEFAULTS = [
        'registerAddress' => '127.0.0.1:1236',
        'secretKey' => '',
        'connectTimeout' => 3,
        'persistentConnection' => true,
        'addressesCacheDisable' => false,
    ];

    private const PROTECTED_DEFAULTS = [
        'businessWorker' => null,
        'gatewayConnections' => [],
    ];

    /** @var Gatewayd|null a second cluster */
    private $other;

    protected function tearDown(): void
    {
        parent::tearDown();
        if ($this->other !== null) {
            $this->other->stop();
            $this->other = null;
        }
    }

    public function testTheDefaultsAreThoseOfTheOriginal(): void
    {
        $php = Php::run('
            class Sub extends GatewayWorker\Lib\Gateway {
                public static function all() { return get_class_vars(self::class); }
            }
            echo json_encode([get_class_vars("GatewayWorker\Lib\Gateway"), Sub::all()]);
        ');
        [$public, $all] = json_decode($php->stdout, true);
        self::assertEquals(self::PUBLIC_DEFAULTS, $public);
        self::assertSame(3, $public['connectTimeout']);
        self::assertEquals(self::PUBLIC_DEFAULTS + self::PROTECTED_DEFAULTS, $all);
    }

    public function testTheyAreStaticAndUntyped(): void
    {
        foreach (self::PUBLIC_DEFAULTS + self::PROTECTED_DEFAULTS as $name => $default) {
            $property = new ReflectionProperty(Gateway::class, $name);
            self::assertTrue($property->isStatic(), $name);
            self::assertNull($property->getType(), $name);
            self::assertSame(array_key_exists($name, self::PUBLIC_DEFAULTS), $property->isPublic(), $name);
            self::assertSame(array_key_exists($name, self::PROTECTED_DEFAULTS), $property->isProtected(), $name);
        }
        self::assertCount(
            count(self::PUBLIC_DEFAULTS + self::PROTECTED_DEFAULTS),
            (new ReflectionClass(Gateway::class))->getProperties()
        );
    }

    public function testTheyTakeAnyValueAndReferences(): void
    {
        Gateway::$registerAddress = ['127.0.0.1:1'];
        Gateway::$registerAddress[] = '127.0.0.1:2';
        self::assertSame(['127.0.0.1:1', '127.0.0.1:2'], Gateway::$registerAddress);
        $reference = &Gateway::$secretKey;
        $reference = 'by reference';
        self::assertSame('by reference', Gateway::$secretKey);
        $reference = '';
        unset($reference);
        Gateway::$connectTimeout = 0.2;
        self::assertSame(0.2, Gateway::$connectTimeout);
    }

    public function testASubclassSharesTheProperties(): void
    {
        PlainGateway::$secretKey = 'shared';
        self::assertSame('shared', Gateway::$secretKey);
        Gateway::$connectTimeout = 7;
        self::assertSame(7, PlainGateway::$connectTimeout);
    }

    public function testASubclassThatSharesThemTalksToTheSameCluster(): void
    {
        $this->enter('client with secret');
        $client = $this->text(1);
        PlainGateway::sendToAll('from the subclass');
        self::assertSame(1, PlainGateway::getAllClientCount());
        $this->assertReceived(['from the subclass'], $client);
    }

    public function testASubclassWithItsOwnRegisterTalksToItsOwnCluster(): void
    {
        $this->enter('client with secret');
        $client = $this->text(0);
        OtherCluster::$registerAddress = $this->other()->register();
        OtherCluster::$secretKey = '';
        OtherCluster::$addressesCacheDisable = Gateway::$addressesCacheDisable;
        $mine = new TextClient($this->other()->text(0));
        OtherCluster::sendToAll('to the other');
        Gateway::sendToAll('to the first');
        self::assertSame(1, OtherCluster::getAllClientCount());
        self::assertSame(1, Gateway::getAllClientCount());
        OtherCluster::sendToClient($mine->clientId(), 'fence');
        self::assertSame(['to the other'], $mine->receiveUntil('fence'));
        $this->assertReceived(['to the first'], $client);
        $mine->close();
    }

    public function testASubclassWithItsOwnWorkerLeavesTheOtherOutside(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        OtherCluster::$registerAddress = 'nowhere:1';
        OtherCluster::$secretKey = '';
        OtherCluster::setBusinessWorker($this->worker([$this->cluster->internal(1)]));
        try {
            OtherCluster::sendToAll('from the worker');
            self::assertSame(1, OtherCluster::getAllClientCount());
            self::assertSame(2, Gateway::getAllClientCount());
            $this->assertReceived([], $a);
            $this->assertReceived(['from the worker'], $b);
        } finally {
            OtherCluster::setBusinessWorker(null);
        }
    }

    /**
     * @group better-than-original
     */
    public function testSwitchingTheRegisterBetweenCallsSwitchesTheCluster(): void
    {
        Gateway::$addressesCacheDisable = false;
        $this->enter('client with secret');
        $first = $this->text(0);
        $second = new TextClient($this->other()->text(0));
        for ($i = 0; $i < 5; $i++) {
            $this->pointAt(Gatewayd::shared(self::SECRET), self::SECRET);
            Gateway::sendToAll("first $i");
            self::assertSame(array_values(self::ids($first)), array_values(Gateway::getAllClientIdList()));
            $this->pointAt($this->other());
            Gateway::sendToAll("second $i");
            self::assertSame(array_values(self::ids($second)), array_values(Gateway::getAllClientIdList()));
        }
        $this->assertReceived(['second 0', 'second 1', 'second 2', 'second 3', 'second 4'], $second);
        $second->close();
        $this->pointAt(Gatewayd::shared(self::SECRET), self::SECRET);
        $this->assertReceived(['first 0', 'first 1', 'first 2', 'first 3', 'first 4'], $first);
    }

    public function testOneOfSeveralRegistersIsEnough(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $listener = stream_socket_server('tcp://127.0.0.99:0');
        $dead = stream_socket_get_name($listener, false);
        fclose($listener);
        Gateway::$registerAddress = [$dead, $this->cluster->register()];
        $outcome = $this->observe(static function () {
            Gateway::sendToAll('found');
            return Gateway::getAllClientCount();
        });
        self::assertSame(1, $outcome->returned, (string) $outcome->thrown);
        $this->assertReceived(['found'], $client);
    }

    public function testAnArrayOfOneRegisterIsThatRegister(): void
    {
        $this->enter('client with secret');
        Gateway::$registerAddress = [$this->cluster->register()];
        $this->text();
        self::assertSame(1, Gateway::getAllClientCount());
    }

    /**
     * What stands in a list of registers may change without a change of the list.
     *
     * @group better-than-original
     */
    public function testARegisterThatIsChangedInsideOfTheListSwitchesTheCluster(): void
    {
        $this->enter('client');
        $this->text();
        $address = $this->cluster->register();
        $name = new class {
            /** @var string */
            public $address = '';

            public function __toString(): string
            {
                return $this->address;
            }
        };
        foreach (['a reference' => [&$address], 'an object' => [$name]] as $what => $list) {
            Gateway::$registerAddress = $list;
            foreach ([[$this->cluster, 1], [$this->other(), 0], [$this->cluster, 1]] as [$cluster, $count]) {
                $address = $name->address = $cluster->register();
                self::assertSame($count, Gateway::getAllClientCount(), $what);
            }
        }
    }

    public function testTheConnectTimeoutMayBeAFloat(): void
    {
        $this->enter('client');
        $this->text();
        // As whole numbers the first two would be no time at all.
        foreach ([0.9, '0.9', 1] as $timeout) {
            Gateway::$connectTimeout = $timeout;
            self::assertSame(1, Gateway::getAllClientCount());
        }
    }

    public function testPersistentConnectionMayBeSwitchedOff(): void
    {
        $this->enter('client');
        $client = $this->text();
        Gateway::$persistentConnection = false;
        for ($i = 0; $i < 3; $i++) {
            Gateway::sendToClient($client->clientId(), "$i");
            self::assertSame(1, Gateway::isOnline($client->clientId()));
        }
        $this->assertReceived(['0', '1', '2'], $client);
    }

    public function testWithTheCacheDisabledTheRegisterIsAskedAfresh(): void
    {
        $this->pointAt($this->other());
        Gateway::$addressesCacheDisable = true;
        Gateway::getAllClientCount();
        $before = $this->other()->stats()['register']['worker_connects'];
        Gateway::getAllClientCount();
        Gateway::getAllClientCount();
        self::assertSame($before + 2, $this->other()->stats()['register']['worker_connects']);
    }

    public function testTheyAreFreshInANewProcess(): void
    {
        $php = Php::run('
            use GatewayWorker\Lib\Gateway;
            Gateway::$registerAddress = "changed";
            Gateway::$secretKey .= "x";
            echo Gateway::$registerAddress, Gateway::$secretKey;
        ');
        self::assertSame('changedx', $php->stdout);
    }

    private function other(): Gatewayd
    {
        return $this->other = $this->other ?? Gatewayd::start(1);
    }
}
