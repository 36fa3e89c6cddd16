<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;

/**
 * Any bytes, in any amount.
 */
final class PayloadTest extends ClusterTestCase
{
    /**
     * @dataProvider modes
     */
    public function testAHugeBinaryMessageArrivesIntact(string $mode): void
    {
        $this->enter($mode);
        [$text, $websocket] = [$this->text(0), $this->websocket(1)];
        $huge = self::bytes(16 << 20);
        self::assertTrue(Gateway::sendToClient($text->clientId(), $huge));
        self::assertTrue(Gateway::sendToClient($websocket->clientId(), $huge));
        self::assertTrue(hash('sha256', $huge) === hash('sha256', (string) $text->receive()));
        self::assertTrue(hash('sha256', $huge) === hash('sha256', (string) $websocket->receive()));
        $this->assertReceived([], $text);
        $this->assertReceived([], $websocket);
    }

    public function testAHugeMessageToAllArrivesIntact(): void
    {
        $this->enter('client');
        $clients = $this->fourClients();
        $huge = self::bytes(4 << 20);
        Gateway::sendToAll($huge);
        Gateway::sendToAll('small');
        foreach ($clients as $client) {
            self::assertTrue(hash('sha256', $huge) === hash('sha256', (string) $client->receive()));
            $this->assertReceived(['small'], $client);
        }
    }

    public function testAHugeSessionIsReadBackIntact(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $session = ['bytes' => self::bytes(16 << 20), 'list' => range(1, 10000)];
        Gateway::setSession($client->clientId(), $session);
        self::assertTrue($session === Gateway::getSession($client->clientId()));
        self::assertTrue([$client->clientId() => $session] === Gateway::getAllClientSessions());
    }

    /**
     * @dataProvider modes
     */
    public function testEveryByteValueArrives(string $mode): void
    {
        $this->enter($mode);
        $bytes = implode('', array_map('chr', range(0, 255)));
        $client = $this->websocket(1);
        Gateway::sendToClient($client->clientId(), $bytes);
        $this->assertReceived([$bytes], $client);
    }

    /**
     * @dataProvider modes
     */
    public function testAUidMayBeInvalidUtf8(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $uid = "\xff\xfe\0user";
        Gateway::bindUid($client->clientId(), $uid);
        self::assertSame([$client->clientId()], Gateway::getClientIdByUid($uid));
        self::assertSame(1, Gateway::isUidOnline($uid));
        self::assertSame($uid, Gateway::getUidByClientId($client->clientId()));
        self::assertSame([$uid => $uid], Gateway::getAllUidList());
    }

    /**
     * JSON cannot represent such a uid: the message reaches nobody, and everything after it works.
     *
     * @dataProvider modes
     */
    public function testSendingToAUidInInvalidUtf8LosesNothingElse(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        Gateway::bindUid($client->clientId(), "\xff\xfe");
        self::assertNull(Gateway::sendToUid("\xff\xfe", 'to nobody'));
        Gateway::bindUid($client->clientId(), "\u{7528}\u{6237} \"quoted\"");
        self::assertNull(Gateway::sendToUid("\u{7528}\u{6237} \"quoted\"", 'to you'));
        $this->assertReceived(['to you'], $client);
    }

    /**
     * @dataProvider modes
     */
    public function testAGroupMayHaveAnyName(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        foreach (["\u{623f}\u{95f4}", 'a"b\\c/d', ' ', "\0", '00', "\xff"] as $group) {
            Gateway::joinGroup($client->clientId(), $group);
            self::assertSame(1, Gateway::getClientCountByGroup($group));
            self::assertArrayHasKey($group, Gateway::getAllGroupIdList());
        }
        Gateway::sendToGroup(["\u{623f}\u{95f4}", 'a"b\\c/d', "\0"], 'three times');
        $this->assertReceived(['three times', 'three times', 'three times'], $client);
    }

    public function testManyIdsFitIntoOneCall(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $ids = [];
        for ($i = 1; $i <= 20000; $i++) {
            $ids[] = substr($client->clientId(), 0, 12) . sprintf('%08x', 0x70000000 + $i);
        }
        $ids[] = $client->clientId();
        Gateway::sendToAll('listed', $ids);
        Gateway::sendToAll('excluded', null, $ids);
        $this->assertReceived(['listed'], $client);
    }

    public function testManySmallCommandsAllArrive(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->websocket(1)];
        $expected = [];
        for ($i = 0; $i < 20000; $i++) {
            Gateway::sendToClient($a->clientId(), "$i");
            Gateway::sendToClient($b->clientId(), "$i");
            $expected[] = "$i";
        }
        $this->assertReceived($expected, $a);
        $this->assertReceived($expected, $b);
    }

    /**
     * Bytes without the end of a line, no two parts of which are alike.
     */
    private static function bytes(int $length): string
    {
        $bytes = '';
        for ($i = 0; strlen($bytes) < $length; $i++) {
            $bytes .= hash('sha512', "$i", true);
        }
        return strtr(substr($bytes, 0, $length), "\n", "\v");
    }
}
