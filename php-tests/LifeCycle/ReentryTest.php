<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\LifeCycleTestCase;

/**
 * PHP code runs inside many calls (an object is converted, a BusinessWorker for its gateways): it
 * may do there what it may do anywhere else.
 *
 * @group better-than-original
 */
final class ReentryTest extends LifeCycleTestCase
{
    /** What the calls return, whatever happens inside them. */
    private const RESULTS = [
        'message' => true,
        'group' => null,
        'uid' => null,
        'session' => null,
        'updated session' => null,
        'session that goes' => null,
        'addresses of a worker' => 1,
        'connections of a worker' => null,
        'a worker that goes' => null,
    ];

    /** Where PHP code runs, in this order. */
    private const INSIDE = [
        'serialize', 'json', 'string', 'serialize', 'serialize', 'destructor', 'addresses', 'property', 'destructor',
    ];

    public function testACallInsideOfACallWorks(): void
    {
        $report = $this->runInside('calls', $this->inner([0, 1, 2, 3, 4, 5, 6, 8]));
        self::assertSame([self::RESULTS, self::INSIDE], [$report['results'], $report['seen']]);
        self::assertSame(9, $report['inner']);
    }

    public function testChangingTheStaticsInsideOfACallWorks(): void
    {
        $report = $this->runInside('other cluster', []);
        self::assertSame([self::RESULTS, self::INSIDE], [$report['results'], $report['seen']]);
    }

    public function testAForkInsideOfACallWorks(): void
    {
        $report = $this->runInside('fork', $this->inner([0, 1, 2, 3, 4, 5, 6, 8]));
        self::assertSame([self::RESULTS, self::INSIDE], [$report['results'], $report['seen']]);
        self::assertSame(9, $report['inner']);
    }

    public function testAnExceptionInsideOfACallIsThatOfTheCall(): void
    {
        $report = $this->runInside('throw', [], false);
        self::assertSame(self::INSIDE, $report['seen']);
        self::assertSame(array_map(static function (string $where): string {
            return "LogicException: thrown in $where";
        }, array_combine(array_keys(self::RESULTS), self::INSIDE)), $report['results']);
    }

    public function testTheEndOfTheProcessInsideOfACallDeliversWhatWasAccepted(): void
    {
        $this->runInside('exit', ['before addresses', 'before group', 'before message', 'before session'], false);
    }

    public function testAFiberMayBeSuspendedInsideOfACall(): void
    {
        if (PHP_VERSION_ID < 80100) {
            self::markTestSkipped('there are no fibers before PHP 8.1');
        }
        $report = $this->runInside('fiber', null);
        self::assertSame(self::RESULTS, $report['results']);
        self::assertSame(array_values(array_diff(self::INSIDE, ['destructor'])), $report['seen']);
    }

    /**
     * Runs the script, and requires that these messages arrive (those of the script itself not
     * counted).
     *
     * @param list<string>|null $expected null: some that are not looked at
     *
     * @return array<string, mixed>
     */
    private function runInside(string $what, ?array $expected, bool $toAll = true): array
    {
        $this->startCluster();
        $client = $this->text(1);
        $report = $this->resultOf('reentry', ['what' => $what, 'client' => $client->clientId()]);
        self::assertSame(1, $report['count'], 'the last query is answered');
        $this->awaitNoConnections();
        if ($expected !== null) {
            $expected = array_merge($expected, ['end'], $toAll ? ['to all'] : []);
            $received = [];
            while (count($received) < count($expected)) {
                $received[] = $client->receive();
            }
            sort($expected);
            sort($received);
            self::assertSame($expected, $received);
        }
        return $report;
    }

    /**
     * The messages that are sent from inside. The one from within __get() is not accepted: PHP does
     * not call that function again inside of itself, so that the worker has no connections there.
     *
     * @param list<int> $numbers
     *
     * @return list<string>
     */
    private function inner(array $numbers): array
    {
        return array_map(static function (int $number): string {
            return "inner $number";
        }, $numbers);
    }
}
