<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use Exception;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use TypeError;

/**
 * Settings and values at their limits.
 */
final class LimitsTest extends ClusterTestCase
{
    /**
     * @return array<string, array{mixed}>
     */
    public static function noAddresses(): array
    {
        return ['null' => [null], 'an empty string' => [''], 'an empty list' => [[]]];
    }

    /**
     * @dataProvider noAddresses
     *
     * @param mixed $address
     */
    public function testWithoutARegisterAddressNothingIsSentToNobody($address): void
    {
        $this->enter('client');
        Gateway::$registerAddress = $address;
        foreach (['sendToAll' => ['x'], 'getAllClientCount' => []] as $method => $arguments) {
            $thrown = $this->observe(static function () use ($method, $arguments) {
                return Gateway::$method(...$arguments);
            })->thrown;
            self::assertInstanceOf(Exception::class, $thrown, $method);
            self::assertMatchesRegularExpression('~an ?not connect to~', $thrown->getMessage());
        }
    }

    /**
     * @return array<string, array{mixed}>
     */
    public static function longTimes(): array
    {
        return ['the largest int' => [PHP_INT_MAX], 'a float' => [1e300], 'a string' => ['30']];
    }

    /**
     * @dataProvider longTimes
     *
     * @param mixed $timeout
     */
    public function testALongConnectTimeoutIsALongTime($timeout): void
    {
        $this->assertIsALongTime($timeout);
    }

    /**
     * The original has it waited for no time at all.
     *
     * @group better-than-original
     */
    public function testAnInfiniteConnectTimeoutIsALongTime(): void
    {
        $this->assertIsALongTime(INF);
    }

    public function testASessionNestedDeeperThanAnyListIsReadBackWhole(): void
    {
        $this->enter('client');
        $client = $this->text();
        $session = ['end'];
        for ($depth = 0; $depth < 1000; $depth++) {
            $session = ['x' => $session];
        }
        Gateway::setSession($client->clientId(), $session);
        self::assertSame($session, Gateway::getSession($client->clientId()));
        self::assertSame([$client->clientId() => $session], Gateway::getAllClientSessions());
        $session = ['object' => new \ArrayObject([1]), 'deep' => $session];
        Gateway::setSession($client->clientId(), $session);
        self::assertEquals($session, Gateway::getSession($client->clientId()));
    }

    /**
     * @group better-than-original
     */
    public function testFlushTakesWhatPhpTakesForAFloat(): void
    {
        foreach ([1, 0.5, '1', '0.25', true] as $timeout) {
            self::assertIsBool(Gateway::flush($timeout));
        }
        foreach (['soon', [], new \stdClass()] as $timeout) {
            $thrown = $this->observe(static function () use ($timeout) {
                return Gateway::flush($timeout);
            })->thrown;
            self::assertInstanceOf(TypeError::class, $thrown);
        }
    }

    public function testSmallNumericUidsOfOneGatewayStayNextToTheManyOfAnother(): void
    {
        $this->enter('client');
        $expected = [];
        foreach ([0 => range(1, 3), 1 => range(10, 39)] as $gateway => $uids) {
            foreach ($uids as $uid) {
                Gateway::bindUid($this->text($gateway)->clientId(), $uid);
                $expected[$uid] = (string) $uid;
            }
        }
        self::assertSame($expected, Gateway::getAllUidList());
        self::assertSame(count($expected), Gateway::getAllUidCount());
    }

    public function testListingClientsWithoutAUidKeepsNoMemory(): void
    {
        $this->enter('client');
        foreach ([0, 1] as $gateway) {
            for ($i = 0; $i < 20; $i++) {
                $this->text($gateway);
            }
        }
        self::assertSame([], Gateway::getAllUidList());
        $before = memory_get_usage();
        for ($i = 0; $i < 100; $i++) {
            Gateway::getAllUidList();
        }
        self::assertSame($before, memory_get_usage());
    }

    public function testARegisterAddressThatSetsItselfWhileItIsReadIsReadWhole(): void
    {
        $this->enter('client');
        $address = new class ($this->cluster->register()) {
            private string $text;

            public function __construct(string $text)
            {
                $this->text = $text;
            }

            public function __toString(): string
            {
                Gateway::$registerAddress = ['127.0.0.1:1'];
                return $this->text;
            }
        };
        Gateway::$registerAddress = [$address, $this->cluster->register()];
        unset($address);
        self::assertSame(0, Gateway::getAllClientCount());
    }

    /**
     * @param mixed $timeout
     */
    private function assertIsALongTime($timeout): void
    {
        $this->enter('client');
        $client = $this->text();
        Gateway::$connectTimeout = $timeout;
        Gateway::$addressesCacheDisable = true;
        self::assertSame(1, Gateway::getAllClientCount());
        self::assertTrue(Gateway::sendToClient($client->clientId(), 'hello'));
        $this->assertReceived(['hello'], $client);
    }
}
