<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\LifeCycleTestCase;

/**
 * GatewayClient\Gateway: a class of its own, where the setting gatewayworker.gateway_client enables
 * it.
 *
 * @group better-than-original
 */
final class GatewayClientTest extends LifeCycleTestCase
{
    private const ON = ['gatewayworker.gateway_client' => '1'];

    public function testItsMethodsAreThoseOfTheOriginalInItsOrder(): void
    {
        $expected = require __DIR__ . '/client-surface.php';
        self::assertCount(43, $expected);
        $surface = $this->resultOf('client-class', [], self::ON)['surface'];
        self::assertSame($expected, array_slice($surface, 0, 43), 'those of the original');
        self::assertSame(
            ['getClientIdByUids', 'destroyClient', 'flush', 'confirm', 'status', 'fake', 'sent'],
            array_keys(array_slice($surface, 43)),
            'and behind them ours'
        );
    }

    public function testItsStaticsHaveTheDefaultsOfTheOriginal(): void
    {
        $class = $this->resultOf('client-class', [], self::ON);
        self::assertSame([
            'businessWorker' => ['protected static', false, null],
            'registerAddress' => ['public static', false, '127.0.0.1:1236'],
            'secretKey' => ['public static', false, ''],
            'connectTimeout' => ['public static', false, 3],
            'persistentConnection' => ['public static', false, false],
            'addressesCacheDisable' => ['public static', false, false],
        ], $class['statics']);
    }

    public function testItIsAnOrdinaryClass(): void
    {
        $class = $this->resultOf('client-class', [], self::ON);
        self::assertSame(
            ['batchGetClientIdCountByGroup' => 'array', 'flush' => 'bool', 'confirm' => 'bool', 'status' => 'array', 'sent' => 'array'],
            $class['returns'],
            'return types that hinder no override'
        );
        self::assertSame(
            [false, false, true, [], [], false],
            [
                $class['parent'],
                $class['final'],
                $class['instantiable'],
                $class['interfaces'],
                $class['constants'],
                $class['context'],
            ]
        );
    }

    public function testTheSettingsAreItsDefaultsToo(): void
    {
        $class = $this->resultOf('client-class', [], self::ON + [
            'gatewayworker.register_address' => 'register.example:1',
            'gatewayworker.secret_key' => 'k;e"y',
        ]);
        self::assertSame('register.example:1', $class['statics']['registerAddress'][2]);
        self::assertSame('k;e"y', $class['statics']['secretKey'][2]);
    }

    /**
     * @return array<string, array{bool}>
     */
    public static function modes(): array
    {
        return ['outside of a worker' => [false], 'inside of a worker' => [true]];
    }

    /**
     * @dataProvider modes
     */
    public function testBothClassesInOneProcessShareNothing(bool $worker): void
    {
        $this->startCluster();
        [$a, $b] = [$this->text(0), $this->text(1)];
        [$idA, $idB] = [$a->clientId(), $b->clientId()];
        $script = $this->script('client-use', ['clients' => [$idA, $idB], 'worker' => $worker], self::ON);

        self::assertSame('lib', $script->readJson());
        $lib = $this->cluster->stats();
        self::assertSame($worker ? 0 : 1, $lib['register']['connections_total']);
        $script->writeLine('go on');
        self::assertSame('client', $script->readJson());
        $both = $this->cluster->stats();
        self::assertSame(
            $lib['register']['connections_total'] + 1,
            $both['register']['connections_total'],
            'a connection of its own to the register'
        );
        foreach ([0, 1] as $gateway) {
            self::assertGreaterThan(
                $lib['gateways'][$gateway]['internal_total'],
                $both['gateways'][$gateway]['internal_total'],
                "and to gateway $gateway"
            );
        }
        $script->writeLine('go on');
        self::assertSame(0, $script->wait(), $script->errors());
        self::assertStringNotContainsString('invalid', $script->errors(), 'a bad id is an exception, not a line');
        $report = json_decode($script->output(), true);

        self::assertSame(['127.0.0.1:1236', 3], [$report['its own register'], $report['its own time-out']]);
        self::assertSame([2, 2], [$report['lib'], $report['client']]);
        self::assertSame(!$worker, $report['lib cannot reach a'], 'the worker knows no such connection');
        self::assertSame(['GatewayClient\Gateway', 'GatewayWorker\Lib\Gateway'], $report['users']);
        foreach ($report['bad ids'] as $id => $outcomes) {
            self::assertSame(array_fill(0, 5, ['Exception', "client_id $id is invalid"]), $outcomes);
        }

        self::assertSame(['of' => 'a'], $report['session after setting that of the other context']);
        self::assertSame(['set' => 1], $report['session after setting the own']);
        self::assertSame(['set' => 1], $report['old session']);
        self::assertSame(['set' => 1, 'more' => 2], $report['session after updating the own']);
        self::assertSame([['set by' => 'client'], ['set' => 1, 'more' => 2]], $report['stored']);
        self::assertSame(['ann' => 1, '7' => 1, 'nobody' => 0], $report['isUidsOnline']);
        self::assertSame(['ann' => [$idA], 'nobody' => []], $report['batchGetClientIdByUid']);
        self::assertSame(['room' => 2, 'nowhere' => 0], $report['batchGetClientIdCountByGroup']);
        $sessions = $report['sessions'];
        ksort($sessions);
        self::assertSame([$idA => ['set by' => 'client'], $idB => ['set' => 1, 'more' => 2]], $sessions);
        self::assertSame(
            ['Exception', 'destoryCurrentClient can not be called in async context'],
            $report['destoryCurrentClient without a client']
        );
        self::assertSame([false, false], $report['no such methods']);

        $this->awaitNoConnections();
        self::assertSame('to a', $a->receive());
        if (!$worker) {
            self::assertSame('only outside of a worker', $a->receive());
        }
        self::assertSame('to ann', $a->receive());
        self::assertFalse($a->isClosed());
        // The two classes' messages come on different connections, in whatever order.
        $messages = $b->receiveUntilClosed();
        sort($messages);
        self::assertSame(
            ['from client', 'from lib', 'to the current client of its own context', 'to the room'],
            $messages
        );
    }

    public function testWithoutTheSettingTheFileOfTheProjectIsLoaded(): void
    {
        $report = $this->resultOf('userland', ['userland' => ['GatewayClient\Gateway']]);
        self::assertFalse($report['before']['GatewayClient\Gateway']);
        self::assertSame('userland client', $report['says']['GatewayClient\Gateway']);
        self::assertTrue($report['internal']['GatewayWorker\Lib\Gateway'], 'the other class is ours all the same');
    }
}
