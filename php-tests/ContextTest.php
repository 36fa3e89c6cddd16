<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * The class GatewayWorker\Lib\Context stays userland, is not needed, and is never loaded by the
 * extension.
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

    public function testTheOtherGlobalsStayWhenTheSessionIsSet(): void
    {
        // Some at the same place of the table of globals, whose size is less than 2048, before the
        // session and behind it.
        $this->enter('client');
        $client = $this->text(1);
        $php = Php::run('
            namespace GatewayWorker\Lib {
                class Context
                {
                    public static $local_ip, $local_port, $client_id, $connection_id, $old_session;
                }
            }
            namespace {
                use GatewayWorker\Lib\Context;
                use GatewayWorker\Lib\Gateway;
                Gateway::$registerAddress = $argv[1];
                Context::$client_id = $argv[2];
                $parts = array_values(unpack("Nip/nport/Nconnection", hex2bin($argv[2])));
                [Context::$local_ip, Context::$local_port, Context::$connection_id] = $parts;
                (function () {
                    $place = fn ($name) => array_reduce(str_split($name), fn ($sum, $c) => ($sum * 33 + ord($c)) % 4096, 5381);
                    $names = [];
                    for ($i = 0; count($names) < 20; $i++) {
                        if ($place("global$i") === $place("_SESSION")) {
                            $names[] = "global$i";
                        }
                    }
                    foreach ($names as $i => $name) {
                        $GLOBALS[$name] = $i;
                        if ($i === 10) {
                            $GLOBALS["_SESSION"] = ["old" => 1];
                        }
                    }
                    foreach (["setSession", "updateSession"] as $method) {
                        Gateway::$method(Context::$client_id, [$method => 1]);
                        echo json_encode($GLOBALS["_SESSION"]), "\n";
                    }
                    foreach ($names as $name) {
                        if (!isset($GLOBALS[$name])) {
                            echo "$name is gone\n";
                        }
                    }
                })();
            }
        ', [$this->cluster->register(), $client->clientId()]);
        self::assertSame("{\"setSession\":1}\n{\"setSession\":1,\"updateSession\":1}\n", $php->stdout, $php->stderr);
        self::assertSame(0, $php->exitCode);
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
