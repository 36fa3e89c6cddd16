<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * Bad ids and empty groups: the return value of the original, and a line in the error log instead
 * of output.
 */
final class ErrorLogTest extends ClusterTestCase
{
    /**
     * @return array<string, array{string, array<mixed>, mixed}>
     */
    public static function calls(): array
    {
        return [
            'sendToClient' => ['sendToClient', ['bad', 'x'], false],
            'closeClient' => ['closeClient', ['bad'], false],
            'destoryClient' => ['destoryClient', ['bad'], false],
            'isOnline' => ['isOnline', ['bad'], 0],
            'getSession' => ['getSession', ['bad'], false],
            'bindUid' => ['bindUid', ['bad', 'ann'], null],
            'unbindUid' => ['unbindUid', ['bad', 'ann'], null],
            'joinGroup' => ['joinGroup', ['bad', 'room'], null],
            'leaveGroup' => ['leaveGroup', ['bad', 'room'], null],
            'setSession' => ['setSession', ['bad', []], null],
            'updateSession' => ['updateSession', ['bad', []], null],
            'setSocketSession' => ['setSocketSession', ['bad', ''], false],
            'getUidByClientId' => ['getUidByClientId', ['bad'], null],
            'sendToAll with a bad list' => ['sendToAll', ['x', 'no list'], null],
            'sendToAll with a bad id' => ['sendToAll', ['x', ['bad']], null],
            'sendToAll without a bad id' => ['sendToAll', ['x', null, ['bad']], null],
            'sendToGroup without a bad id' => ['sendToGroup', ['room', 'x', ['bad']], null],
            'sendToGroup' => ['sendToGroup', ['', 'x'], false],
            'sendToGroup of none' => ['sendToGroup', [[], 'x'], false],
            'ungroup' => ['ungroup', ['0'], false],
            'getClientSessionsByGroup' => ['getClientSessionsByGroup', [''], []],
            'getClientIdListByGroup' => ['getClientIdListByGroup', [0], []],
            'getUidListByGroup' => ['getUidListByGroup', [null], []],
            'getUidCountByGroup' => ['getUidCountByGroup', [''], 0],
        ];
    }

    /**
     * @dataProvider calls
     * @group better-than-original
     *
     * @param array<mixed> $arguments
     * @param mixed        $returned
     */
    public function testAComplaintGoesToTheErrorLogOnly(string $method, array $arguments, $returned): void
    {
        $this->enter('client');
        $outcome = $this->observe(static function () use ($method, $arguments) {
            return Gateway::$method(...$arguments);
        });
        self::assertNull($outcome->thrown, (string) $outcome->thrown);
        self::assertSame($returned, $outcome->returned);
        self::assertSame('', $outcome->printed);
        self::assertSame([], $outcome->warnings);
        self::assertSame(1, substr_count(rtrim($outcome->logged), "\n") + (int) ($outcome->logged !== ''));
    }

    /**
     * @group better-than-original
     */
    public function testAComplaintSaysWhatIsWrong(): void
    {
        $this->enter('client');
        $outcome = $this->observe(static function (): void {
            Gateway::sendToClient('no-such-id', 'x');
        });
        self::assertStringContainsString('no-such-id', $outcome->logged);
        self::assertStringContainsString('client_id', $outcome->logged);
        $outcome = $this->observe(static function (): void {
            Gateway::sendToGroup('', 'x');
        });
        self::assertStringContainsString('group', $outcome->logged);
    }

    /**
     * @group better-than-original
     */
    public function testABadIdCannotForgeALineOfTheErrorLog(): void
    {
        $this->enter('client');
        $outcome = $this->observe(static function (): void {
            Gateway::sendToClient("x\n[24-Nov-2026 00:00:00 UTC] PHP Fatal error: forged\0", 'x');
        });
        self::assertSame(1, substr_count($outcome->logged, "\n"), $outcome->logged);
    }

    public function testTheReturnValuesStayThoseOfTheOriginal(): void
    {
        $this->enter('client');
        foreach (self::calls() as $name => [$method, $arguments, $returned]) {
            $outcome = $this->observe(static function () use ($method, $arguments) {
                return Gateway::$method(...$arguments);
            });
            self::assertNull($outcome->thrown, "$name: {$outcome->thrown}");
            self::assertSame($returned, $outcome->returned, $name);
        }
        // What was sent to all has been to all: the clients of the next test get none of it.
        self::assertSame(0, Gateway::getAllClientCount());
    }

    public function testABadIdAmongGoodOnesKeepsNothingFromTheGood(): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        Gateway::joinGroup($a->clientId(), 'room');
        Gateway::joinGroup($b->clientId(), 'room');
        $this->observe(static function () use ($a, $b): void {
            Gateway::sendToAll('to both', [$a->clientId(), 'bad', $b->clientId()]);
            Gateway::sendToAll('to b', null, ['bad', $a->clientId()]);
            Gateway::sendToGroup('room', 'to a', ['bad', $b->clientId()]);
        });
        $this->assertReceived(['to both', 'to a'], $a);
        $this->assertReceived(['to both', 'to b'], $b);
    }

    public function testGoodCallsComplainAboutNothing(): void
    {
        $this->enter('client');
        $client = $this->text();
        $outcome = $this->observe(static function () use ($client): void {
            $id = $client->clientId();
            Gateway::sendToAll('x');
            Gateway::sendToAll('x', [$id], [$id]);
            Gateway::joinGroup($id, 'room');
            Gateway::sendToGroup('room', 'x', [$id]);
            Gateway::setSession($id, ['a' => 1]);
            Gateway::getSession($id);
            Gateway::getAllClientSessions();
            Gateway::getUidByClientId($id);
            Gateway::closeClient($id);
        });
        self::assertNull($outcome->thrown);
        self::assertSame(['', '', []], [$outcome->printed, $outcome->logged, $outcome->warnings]);
    }

    /**
     * @group better-than-original
     */
    public function testWithoutAFileTheErrorLogIsStandardErrorAndOutputStaysClean(): void
    {
        $this->enter('client');
        $php = Php::run(
            'var_dump(GatewayWorker\Lib\Gateway::isOnline("bad"));',
            [],
            ['log_errors' => '1', 'error_log' => '', 'display_errors' => '1']
        );
        self::assertSame("int(0)\n", $php->stdout);
        self::assertStringContainsString('bad', $php->stderr);
        self::assertSame(0, $php->exitCode);
    }
}
