<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use ArgumentCountError;
use Error;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\ClusterTestCase;
use GatewayWorker\Tests\Support\Implementation;
use GatewayWorker\Tests\Support\Refusing;
use TypeError;

/**
 * Wrong arguments get a clear error, and nothing is lost by them.
 */
final class ArgumentTest extends ClusterTestCase
{
    /**
     * @return array<string, array{string, int}>
     */
    public static function required(): array
    {
        $methods = [];
        foreach (require __DIR__ . '/fixtures/surface.php' as $method => $parameters) {
            $required = count(array_filter($parameters, static function (array $parameter): bool {
                return !array_key_exists('default', $parameter);
            }));
            if ($required > 0) {
                $methods[$method] = [$method, $required];
            }
        }
        return $methods;
    }

    /**
     * @dataProvider required
     */
    public function testTooFewArgumentsAreAnError(string $method, int $required): void
    {
        if (!Implementation::isNative() && !method_exists(Gateway::class, $method)) {
            self::markTestSkipped("the original has no $method");
        }
        for ($given = 0; $given < $required; $given++) {
            $outcome = $this->observe(static function () use ($method, $given) {
                return Gateway::$method(...array_fill(0, $given, []));
            });
            self::assertInstanceOf(ArgumentCountError::class, $outcome->thrown, "$method with $given");
            self::assertStringContainsString("Gateway::$method()", $outcome->thrown->getMessage());
        }
    }

    public function testASessionMustBeAnArray(): void
    {
        foreach (['setSession', 'updateSession'] as $method) {
            foreach (['text', null, 7, new \ArrayObject([1])] as $session) {
                $outcome = $this->observe(static function () use ($method, $session) {
                    return Gateway::$method('7f0000010b5400000001', $session);
                });
                self::assertInstanceOf(TypeError::class, $outcome->thrown, $method);
                self::assertMatchesRegularExpression(
                    "/Gateway::$method\(\): Argument #2 \(\\\$session\) must be of type array, /",
                    $outcome->thrown->getMessage()
                );
            }
        }
    }

    /**
     * @group better-than-original
     */
    public function testTheGroupsToCountMustBeAnArray(): void
    {
        $this->expectException(TypeError::class);
        $this->expectExceptionMessageMatches('/Argument #1 \(\$groups\) must be of type array, string given/');
        Gateway::batchGetClientIdCountByGroup('room');
    }

    /**
     * @return array<string, array{mixed}>
     */
    public static function wrongIds(): array
    {
        return self::wrongScalars() + self::wrongTypes();
    }

    /**
     * @return array<string, array{mixed}>
     */
    public static function wrongScalars(): array
    {
        return [
            'null' => [null],
            'true' => [true],
            'an integer' => [12345],
            'a float' => [0.5],
            'an empty string' => [''],
            'a short string' => ['abc'],
            'a long string' => [str_repeat('a', 1 << 20)],
            'no hex digits' => ['zzzzzzzzzzzzzzzzzzzz'],
            'bytes' => [str_repeat("\0\xff", 10)],
        ];
    }

    /**
     * What the original refuses in the right way already.
     *
     * @return array<string, array{mixed}>
     */
    public static function wrongTypes(): array
    {
        return [
            'an array' => [['7f0000010b5400000001']],
            'an object' => [new \stdClass()],
            'a closure' => [static function (): void {
            }],
            'a resource' => [STDERR],
        ];
    }

    /**
     * @dataProvider wrongIds
     *
     * @param mixed $id
     */
    public function testAWrongIdIsRefusedAndNothingIsLost($id): void
    {
        $this->enter('client');
        $client = $this->text(1);
        Gateway::sendToClient($client->clientId(), 'before');
        foreach (['isOnline' => [], 'getSession' => [], 'closeClient' => [], 'bindUid' => ['ann']] as $method => $more) {
            if ($id === null && $method !== 'isOnline' && $method !== 'getSession') {
                continue; // the current client, of which there is none
            }
            $outcome = $this->observe(static function () use ($method, $id, $more) {
                return Gateway::$method($id, ...$more);
            });
            if ($outcome->thrown === null) {
                self::assertEmpty($outcome->returned, $method);
            } else {
                self::assertNotSame('', $outcome->thrown->getMessage());
            }
        }
        Gateway::sendToClient($client->clientId(), 'after');
        self::assertSame(1, Gateway::getAllClientCount());
        $this->assertReceived(['before', 'after'], $client);
    }

    /**
     * @dataProvider wrongScalars
     * @group better-than-original
     *
     * @param mixed $id
     */
    public function testAWrongIdRaisesNoWarningAndPrintsNothing($id): void
    {
        $this->checkThatAWrongIdIsReportedQuietly($id);
    }

    /**
     * @dataProvider wrongTypes
     *
     * @param mixed $id
     */
    public function testAnIdOfAWrongTypeRaisesNoWarningAndPrintsNothing($id): void
    {
        $this->checkThatAWrongIdIsReportedQuietly($id);
    }

    /**
     * @param mixed $id
     */
    private function checkThatAWrongIdIsReportedQuietly($id): void
    {
        $this->enter('client');
        $outcome = $this->observe(static function () use ($id) {
            return Gateway::isOnline($id);
        });
        self::assertSame(['', []], [$outcome->printed, $outcome->warnings]);
        self::assertTrue($outcome->thrown !== null || $outcome->logged !== '', 'nothing was reported');
    }

    /**
     * @dataProvider wrongScalars
     * @group better-than-original
     *
     * @param mixed $id
     */
    public function testAWrongIdInAListKeepsNothingFromTheOthers($id): void
    {
        $this->checkThatAListIsServedWholeOrNotAtAll($id);
    }

    /**
     * @dataProvider wrongTypes
     *
     * @param mixed $id
     */
    public function testAnIdOfAWrongTypeInAListIsRefusedBeforeAnythingIsSent($id): void
    {
        $this->checkThatAListIsServedWholeOrNotAtAll($id);
    }

    /**
     * @param mixed $id
     */
    private function checkThatAListIsServedWholeOrNotAtAll($id): void
    {
        $this->enter('client');
        [$a, $b] = [$this->text(0), $this->text(1)];
        $outcome = $this->observe(static function () use ($a, $b, $id): void {
            Gateway::sendToAll('listed', [$a->clientId(), $id, $b->clientId()]);
            Gateway::sendToAll('not excluded', null, [$id, $a->clientId()]);
        });
        self::assertSame(['', []], [$outcome->printed, $outcome->warnings]);
        if ($outcome->thrown === null) {
            $this->assertReceived(['listed'], $a);
            $this->assertReceived(['listed', 'not excluded'], $b);
        } else {
            self::assertInstanceOf(Error::class, $outcome->thrown);
            $this->assertReceived([], $a, 'all or nothing');
            $this->assertReceived([], $b, 'all or nothing');
        }
    }

    /**
     * @return array<string, array{callable(): mixed}>
     */
    public static function oddValues(): array
    {
        $id = '7f0000010b5400000001';
        $loop = [];
        $loop[] = &$loop;
        $closure = static function (): void {
        };
        $values = [
            'a closure' => $closure,
            'a resource' => STDERR,
            'an array in itself' => $loop,
            'an object that refuses' => new Refusing(),
        ];
        $calls = [];
        foreach ($values as $name => $value) {
            $calls["$name as message"] = [static function () use ($value) {
                return Gateway::sendToAll($value);
            }];
            $calls["$name as uid"] = [static function () use ($value) {
                return Gateway::sendToUid($value, 'x');
            }];
            $calls["$name as group"] = [static function () use ($value) {
                return Gateway::getClientCountByGroup($value);
            }];
            $calls["$name to bind"] = [static function () use ($value, $id) {
                return Gateway::bindUid($id, $value);
            }];
            $calls["$name in a session"] = [static function () use ($value, $id) {
                Gateway::setSession($id, ['x' => $value]);
            }];
            $calls["$name as worker"] = [static function () use ($value) {
                Gateway::setBusinessWorker($value);
                try {
                    return Gateway::sendToAll('x');
                } finally {
                    Gateway::setBusinessWorker(null);
                }
            }];
            $calls["$name as register"] = [static function () use ($value) {
                $before = Gateway::$registerAddress;
                Gateway::$registerAddress = $value;
                try {
                    return Gateway::getAllClientCount();
                } finally {
                    Gateway::$registerAddress = $before;
                }
            }];
            $calls["$name as secret"] = [static function () use ($value) {
                $before = Gateway::$secretKey;
                Gateway::$secretKey = $value;
                try {
                    return Gateway::getAllClientCount();
                } finally {
                    Gateway::$secretKey = $before;
                }
            }];
            $calls["$name as time-out"] = [static function () use ($value) {
                Gateway::$connectTimeout = $value;
                return Gateway::getAllClientCount();
            }];
        }
        return $calls;
    }

    /**
     * Whatever comes of such a call: the process lives, and what follows works.
     *
     * @dataProvider oddValues
     * @group better-than-original
     *
     * @param callable(): mixed $call
     */
    public function testAnOddValueBreaksNothing(callable $call): void
    {
        $this->requireNative('ends the process at some of these');
        $this->enter('client');
        $client = $this->text(1);
        $outcome = $this->observe($call);
        self::assertSame('', $outcome->printed);
        $message = 'the next call works';
        Gateway::$connectTimeout = 3;
        self::assertSame(1, Gateway::getAllClientCount(), $message);
        $fence = self::unusedName('fence');
        self::assertTrue(Gateway::sendToClient($client->clientId(), $fence), $message);
        self::assertLessThanOrEqual(1, count($client->receiveUntil($fence)));
    }

    public function testAnErrorThrownWhileAValueIsTakenReachesTheCaller(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $refusing = new Refusing();
        foreach (
            [
                static function () use ($client, $refusing): void {
                    Gateway::setSession($client->clientId(), ['x' => $refusing]);
                },
                static function () use ($client, $refusing): void {
                    Gateway::sendToClient($client->clientId(), $refusing);
                },
            ] as $call
        ) {
            $outcome = $this->observe($call);
            self::assertInstanceOf(\DomainException::class, $outcome->thrown);
            self::assertSame('no bytes of me', $outcome->thrown->getMessage());
        }
        self::assertSame([], Gateway::getSession($client->clientId()));
        $this->assertReceived([], $client);
    }

    public function testAnObjectWithAStringIsTakenForIt(): void
    {
        $this->enter('client');
        $client = $this->text(1);
        $uid = new class {
            public function __toString(): string
            {
                return 'ann';
            }
        };
        Gateway::bindUid($client->clientId(), $uid);
        self::assertSame([$client->clientId()], Gateway::getClientIdByUid('ann'));
        self::assertSame([$client->clientId()], Gateway::getClientIdByUid($uid));
    }
}
