<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * The recorder for tests of applications: fake() and sent().
 *
 * @group better-than-original
 */
final class FakeTest extends ClusterTestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        $this->requireNative('has no recorder');
        // Nobody is there: a call that were made would throw.
        Gateway::$registerAddress = '127.0.0.99:1';
    }

    protected function tearDown(): void
    {
        if (method_exists(Gateway::class, 'fake')) {
            Gateway::fake(null);
        }
        parent::tearDown();
    }

    public function testSendsAreRecordedInOrderWithTheirArgumentsByName(): void
    {
        Gateway::fake();
        self::assertTrue(Gateway::sendToClient('7f0000010b5400000001', 'hello'));
        Gateway::sendToUid(message: ['an' => 'array'], uid: 7);
        self::assertNull(Gateway::sendToAll('all', exclude_client_id: ['x']));
        Gateway::joinGroup('no id', 'room');
        self::assertTrue(Gateway::closeClient('no id'));
        $class = Gateway::class;
        self::assertSame([
            [
                'class' => $class,
                'method' => 'sendToClient',
                'arguments' => ['client_id' => '7f0000010b5400000001', 'message' => 'hello'],
            ],
            ['class' => $class, 'method' => 'sendToUid', 'arguments' => ['uid' => 7, 'message' => ['an' => 'array']]],
            [
                'class' => $class,
                'method' => 'sendToAll',
                'arguments' => ['message' => 'all', 'client_id_array' => null, 'exclude_client_id' => ['x']],
            ],
            ['class' => $class, 'method' => 'joinGroup', 'arguments' => ['client_id' => 'no id', 'group' => 'room']],
            ['class' => $class, 'method' => 'closeClient', 'arguments' => ['client_id' => 'no id']],
        ], Gateway::sent());
        self::assertSame([Gateway::sent()[1]], Gateway::sent('sendToUid'));
        self::assertSame([Gateway::sent()[1]], Gateway::sent('SENDTOUID'), 'methods have no case');
        self::assertSame([], Gateway::sent('sendToGroup'));
    }

    public function testQueriesReturnWhatTheyWouldForNobody(): void
    {
        Gateway::fake();
        $returned = [
            'isOnline' => 0, 'isUidOnline' => 0, 'getSession' => null, 'getUidByClientId' => null,
            'getClientIdByUid' => [], 'getAllClientSessions' => [], 'getClientIdListByGroup' => [],
            'getAllClientIdList' => [], 'getUidListByGroup' => [], 'getAllUidList' => [], 'getAllGroupIdList' => [],
            'getAllClientIdCount' => 0, 'getClientIdCountByGroup' => 0, 'getUidCountByGroup' => 0, 'getAllUidCount' => 0,
            'getAllGroupUidCount' => [], 'getAllGroupClientIdCount' => [], 'getAllGroupUidList' => [],
            'isUidsOnline' => [], 'batchGetClientIdByUid' => [],
        ];
        foreach ($returned as $method => $expected) {
            self::assertSame($expected, Gateway::$method(['x']), $method);
        }
        self::assertSame([], Gateway::sent(), 'they are no sends');
        self::assertCount(1, Gateway::sent('isOnline'));
        self::assertTrue(Gateway::flush());
    }

    public function testATestSaysWhatMethodsReturn(): void
    {
        Gateway::fake([
            'isUidOnline' => 1,
            'getSession' => static function (string $id): array {
                return ['name' => $id];
            },
            'sendToClient' => false,
            'sendToAll' => new \GatewayWorker\Lib\UnreachableException('nobody there'),
        ]);
        self::assertSame(1, Gateway::isUidOnline('ann'));
        self::assertSame(['name' => 'ann'], Gateway::getSession('ann'));
        self::assertFalse(Gateway::sendToClient('x', 'm'));
        foreach ([1, 2] as $time) {
            try {
                Gateway::sendToAll('m');
                self::fail('it throws');
            } catch (\GatewayWorker\Lib\UnreachableException $exception) {
                self::assertSame('nobody there', $exception->getMessage());
            }
        }
        self::assertSame(['sendToClient', 'sendToAll', 'sendToAll'], array_column(Gateway::sent(), 'method'));
    }

    public function testAMethodThatDoesNotExistIsAnError(): void
    {
        $this->expectExceptionMessage('has no method sendToEverybody()');
        Gateway::fake(['sendToEverybody' => true]);
    }

    public function testMissingArgumentsAreStillAnError(): void
    {
        Gateway::fake();
        $this->expectException(\ArgumentCountError::class);
        Gateway::sendToClient('x');
    }

    public function testASecondFakeStartsAnew(): void
    {
        Gateway::fake(['isOnline' => 1]);
        Gateway::sendToAll('before');
        Gateway::fake();
        self::assertSame([], Gateway::sent());
        self::assertSame(0, Gateway::isOnline('x'));
    }

    public function testSubclassesAreRecordedByTheirName(): void
    {
        Gateway::fake();
        $class = get_class(new class () extends Gateway {
            public static function push(string $message): void
            {
                static::sendToUid('ann', $message);
            }
        });
        $class::push('hi');
        self::assertSame(
            [['class' => $class, 'method' => 'sendToUid', 'arguments' => ['uid' => 'ann', 'message' => 'hi']]],
            Gateway::sent()
        );
    }

    public function testAfterItCallsAreMadeAgain(): void
    {
        Gateway::fake();
        Gateway::fake(null);
        self::assertSame([], Gateway::sent());
        $this->enter('client');
        $client = $this->text();
        self::assertTrue(Gateway::sendToClient($client->clientId(), 'made'));
        $this->assertReceived(['made'], $client);
    }

    public function testItNeedsNoThreadAndNoConnection(): void
    {
        $php = Php::run('
            use GatewayWorker\Lib\Gateway;
            Gateway::fake();
            Gateway::sendToAll("x");
            echo Gateway::status()["threads"], count(Gateway::sent());
        ');
        self::assertSame('01', $php->stdout, $php->stderr);
    }

    public function testWhatIsRecordedMayBeObjectsThatRecordMoreWhenTheyGo(): void
    {
        $php = Php::run('
            use GatewayWorker\Lib\Gateway;
            class Last { function __destruct() { Gateway::sendToAll("gone"); echo "gone "; } }
            Gateway::fake();
            Gateway::sendToAll(new Last());
            Gateway::fake();
            echo count(Gateway::sent()), " ";
            Gateway::sendToAll(new Last());
        ');
        self::assertSame(0, $php->exitCode, $php->stdout . $php->stderr);
        self::assertSame('gone 1 gone ', $php->stdout);
    }
}
