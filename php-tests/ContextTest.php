<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * The class GatewayWorker\Lib\Context stays userland, is not needed, and is never loaded by the extension.
 */
final class ContextTest extends ClusterTestCase
{
    /**
     * @group better-than-original
     */
    public function testWithoutAContextThereIsNoCurrentClient(): void
    {
        $this->requireNative('cannot do without its Context');
        $this->enter('client');
        $client = $this->text(1);
        $php = Php::run('
            use GatewayWorker\Lib\Gateway;
            spl_autoload_register(function ($class) { echo "autoload of $class\n"; });
            Gateway::$registerAddress = $argv[1];
            $id = $argv[2];
            echo json_encode([
                Gateway::sendToClient($id, "hello"),
                Gateway::setSession($id, ["a" => 1]),
                Gateway::updateSession($id, ["b" => 2]),
                Gateway::getSession($id),
                Gateway::getAllClientSessions(),
                isset($_SESSION),
            ]), "\n";
            foreach (["closeCurrentClient", "destoryCurrentClient", "destroyCurrentClient"] as $method) {
                try {
                    Gateway::$method();
                } catch (Exception $exception) {
                    echo $exception->getMessage(), "\n";
                }
            }
            echo json_encode([Gateway::closeClient($id, "bye"), class_exists("GatewayWorker\Lib\Context", false)]);
        ', [$this->cluster->register(), $client->clientId()]);
        $session = '{"a":1,"b":2}';
        self::assertSame(
            '[true,null,null,' . $session . ',{"' . $client->clientId() . '":' . $session . '},false]' . "\n"
            . "closeCurrentClient can not be called in async context\n"
            . "destoryCurrentClient can not be called in async context\n"
            . "destroyCurrentClient can not be called in async context\n"
            . '[true,false]',
            $php->stdout
        );
        self::assertSame('', $php->stderr);
        self::assertSame(0, $php->exitCode);
        self::assertSame(['hello', 'bye'], $client->receiveUntilClosed());
    }

    /**
     * @group better-than-original
     */
    public function testSendingToTheCurrentClientWithoutAContextLosesNothingElse(): void
    {
        $this->requireNative('cannot do without its Context');
        $this->enter('client');
        $client = $this->text(1);
        $php = Php::run('
            use GatewayWorker\Lib\Gateway;
            Gateway::$registerAddress = $argv[1];
            try {
                $sent = Gateway::sendToCurrentClient("to whom?");
            } catch (Exception $exception) {
                $sent = false;
            }
            var_dump($sent, Gateway::sendToClient($argv[2], "to you"));
        ', [$this->cluster->register(), $client->clientId()]);
        self::assertSame("bool(false)\nbool(true)\n", $php->stdout, $php->stderr);
        self::assertSame('to you', $client->receive());
    }

    public function testAContextThatIsClearedMeansNoCurrentClient(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $this->handleEventOf($client->clientId(), ['mine' => 1]);
        Context::clear();
        Gateway::setSession($client->clientId(), ['stored' => 1]);
        self::assertSame(['mine' => 1], $_SESSION);
        self::assertNull(Context::$old_session);
        self::assertSame([$client->clientId() => ['stored' => 1]], Gateway::getAllClientSessions());
    }

    public function testTheContextIsReadAnewAtEachCall(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        foreach ([$a, $b, $a] as $client) {
            $this->handleEventOf($client->clientId());
            Gateway::sendToCurrentClient('to you');
        }
        $this->assertReceived(['to you', 'to you'], $a);
        $this->assertReceived(['to you'], $b);
    }

    public function testTheSessionVariableMayBeAReference(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $this->handleEventOf($client->clientId(), ['old' => 1]);
        $reference = &$_SESSION;
        Gateway::updateSession($client->clientId(), ['new' => 2]);
        self::assertSame(['old' => 1, 'new' => 2], $reference);
        unset($reference);
        self::assertSame(['old' => 1, 'new' => 2], $_SESSION);
    }
}
