<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * What the extension has and the original has not: waiting for the commands, and a view of the state.
 */
final class OwnMethodsTest extends ClusterTestCase
{
    /**
     * @dataProvider modes
     * @group better-than-original
     */
    public function testFlushSaysThatTheCommandsAreOut(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        for ($i = 0; $i < 100; $i++) {
            Gateway::sendToClient($client->clientId(), "$i");
        }
        self::assertTrue(Gateway::flush());
        self::assertTrue(Gateway::flush(1.0), 'there is nothing left');
        self::assertTrue(Gateway::flush(timeout: 1));
        $this->assertReceived(array_map('strval', range(0, 99)), $client);
    }

    /**
     * @group better-than-original
     */
    public function testFlushIsTrueBeforeTheFirstCommand(): void
    {
        self::assertTrue(Gateway::flush());
    }

    /**
     * @group better-than-original
     */
    public function testStatusNamesTheGatewaysInUse(): void
    {
        $this->enter('client');
        Gateway::sendToAll('x');
        Gateway::getAllClientCount();
        $status = Gateway::status();
        self::assertNotSame([], $status);
        $text = json_encode($status, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
        foreach ($this->cluster->internalAddresses() as $address) {
            self::assertStringContainsString($address, $text);
        }
        self::assertStringContainsString($this->cluster->register(), $text);
    }

    /**
     * @group better-than-original
     */
    public function testStatusTellsNoSecret(): void
    {
        $this->enter('client with secret');
        Gateway::sendToAll('x');
        Gateway::getAllClientCount();
        $text = print_r(Gateway::status(), true) . serialize(Gateway::status());
        self::assertStringNotContainsString(self::SECRET, $text);
    }

    /**
     * The process that ends right after a command still gets it out.
     */
    public function testACommandIsNotLostAtTheEndOfTheProcess(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $php = Php::run('
            GatewayWorker\Lib\Gateway::$registerAddress = $argv[1];
            for ($i = 0; $i < 1000; $i++) {
                GatewayWorker\Lib\Gateway::sendToClient($argv[2], "$i");
            }
        ', [$this->cluster->register(), $client->clientId()]);
        self::assertSame([0, '', ''], [$php->exitCode, $php->stdout, $php->stderr]);
        for ($i = 0; $i < 1000; $i++) {
            self::assertSame("$i", $client->receive());
        }
        $this->assertReceived([], $client);
    }
}
