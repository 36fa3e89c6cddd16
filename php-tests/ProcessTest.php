<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Gatewayd;
use GatewayWorker\Tests\Support\Php;

/**
 * What the extension has and the original has not: waiting for the commands, and a view of the
 * state.
 */
final class ProcessTest extends ClusterTestCase
{
    private const SEND_TO_ONE = 5;

    /**
     * Prepended to the code of a separate process: flush() waits for all that a process has sent,
     * to whomever.
     */
    private const PREPARE = <<<'PHP'
        use GatewayWorker\Lib\Gateway;
        require $argv[1];
        [Gateway::$registerAddress, Gateway::$secretKey, $workerOf] = unserialize($argv[2]);
        if ($workerOf !== null) {
            Gateway::setBusinessWorker(new GatewayWorker\Tests\Support\WorkerStub($workerOf));
        }
        PHP;

    /**
     * @dataProvider modes
     * @group better-than-original
     */
    public function testFlushSaysThatTheCommandsAreOut(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $before = $this->cluster->framesOf(self::SEND_TO_ONE);
        $php = $this->inAProcess('
            $flushed = [Gateway::flush()];
            for ($i = 0; $i < 100; $i++) {
                Gateway::sendToClient($argv[3], "$i");
            }
            array_push($flushed, Gateway::flush(), Gateway::flush(1.0), Gateway::flush(timeout: 1));
            echo json_encode($flushed);
            posix_kill(getmypid(), 9); // nothing is left to be done at the end of the process
        ', strpos($mode, 'worker') === 0, [$client->clientId()]);
        self::assertSame('[true,true,true,true]', $php->stdout, $php->stderr);
        // They are with the gateway's kernel; that it has read them is seen here.
        Clock::waitUntil(function () use ($before): bool {
            return $this->cluster->framesOf(self::SEND_TO_ONE) >= $before + 100;
        }, 'for the gateway to read them');
        $this->assertReceived(array_map('strval', range(0, 99)), $client);
    }

    /**
     * @group better-than-original
     */
    public function testFlushIsFalseWhileACommandIsNotOut(): void
    {
        $cluster = Gatewayd::start();
        try {
            $this->pointAt($cluster);
            $cluster->gateway('stop_gateway', 1);
            $cluster->gateway('add_address', 1);
            $php = $this->inAProcess('
                Gateway::sendToAll("for the dead, too");
                echo json_encode([Gateway::flush(0.1), Gateway::flush(0)]);
                posix_kill(getmypid(), 9);
            ', false);
            self::assertSame('[false,false]', $php->stdout, $php->stderr);
        } finally {
            $cluster->stop();
        }
    }

    /**
     * @dataProvider modes
     * @group better-than-original
     */
    public function testConfirmSaysThatTheGatewaysHaveProcessedTheCommands(string $mode): void
    {
        $this->enter($mode);
        $client = $this->text(1);
        $before = $this->cluster->framesOf(self::SEND_TO_ONE);
        $php = $this->inAProcess('
            $confirmed = [Gateway::confirm()];
            for ($i = 0; $i < 100; $i++) {
                Gateway::sendToClient($argv[3], "$i");
            }
            array_push($confirmed, Gateway::confirm(20.0), Gateway::confirm(timeout: 1));
            echo json_encode($confirmed);
            posix_kill(getmypid(), 9); // nothing is left to be done at the end of the process
        ', strpos($mode, 'worker') === 0, [$client->clientId()]);
        self::assertSame('[true,true,true]', $php->stdout, $php->stderr);
        self::assertSame($before + 100, $this->cluster->framesOf(self::SEND_TO_ONE));
        $this->assertReceived(array_map('strval', range(0, 99)), $client);
    }

    /**
     * @group better-than-original
     */
    public function testConfirmIsFalseAndNamesTheGatewayThatCannotBeReached(): void
    {
        $cluster = Gatewayd::start();
        try {
            $this->pointAt($cluster);
            $dead = $cluster->internalAddresses()[1];
            $cluster->gateway('stop_gateway', 1);
            $cluster->gateway('add_address', 1);
            $php = $this->inAProcess('
                Gateway::sendToAll("for the dead, too");
                echo json_encode(Gateway::confirm(0.5));
                posix_kill(getmypid(), 9);
            ', false);
            self::assertSame('false', $php->stdout, $php->stderr);
            self::assertStringContainsString("gatewayworker: tcp://$dead not confirmed: ", $php->stderr);
        } finally {
            $cluster->stop();
        }
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

    /**
     * @param list<string> $arguments from $argv[3] on
     */
    private function inAProcess(string $code, bool $worker, array $arguments = []): Php
    {
        $configuration = [
            Gateway::$registerAddress,
            Gateway::$secretKey,
            $worker ? $this->cluster->internalAddresses() : null,
        ];
        return Php::run(
            self::PREPARE . $code,
            array_merge([__DIR__ . '/bootstrap.php', serialize($configuration)], $arguments)
        );
    }
}
