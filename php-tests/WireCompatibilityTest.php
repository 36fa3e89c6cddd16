<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use GatewayWorker\Lib\Context;
use GatewayWorker\Lib\Gateway;
use GatewayWorker\Tests\Support\GatewayTestCase;
use GatewayWorker\Tests\Support\RecordingCluster;
use GatewayWorker\Tests\Support\WorkerStub;

/**
 * Replays the recorded calls of the original: the same frames, byte for byte, and the same results.
 */
final class WireCompatibilityTest extends GatewayTestCase
{
    /** @var RecordingCluster */
    private static $cluster;

    public static function setUpBeforeClass(): void
    {
        self::$cluster = new RecordingCluster();
    }

    public static function tearDownAfterClass(): void
    {
        self::$cluster->stop();
    }

    /**
     * @return iterable<string, array{array<string, mixed>}>
     */
    public static function calls(): iterable
    {
        foreach (file(__DIR__ . '/fixtures/calls.jsonl') as $line) {
            $vector = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
            yield "{$vector['id']} ({$vector['mode']})" => [$vector];
        }
    }

    public function testTheFileHoldsAllVectorsOfAllModes(): void
    {
        $modes = [];
        foreach (self::calls() as [$vector]) {
            $modes[] = $vector['mode'];
        }
        self::assertSame(['client' => 309, 'worker' => 166, 'secret' => 156], array_count_values($modes));
    }

    /**
     * @dataProvider calls
     *
     * @param array<string, mixed> $vector
     */
    public function testACallSendsAndReturnsWhatTheOriginalDoes(array $vector): void
    {
        $replies = [];
        foreach ($vector['wire'] as $index => $frame) {
            if (isset($frame['reply'])) {
                $replies[$frame['gateway']][] = $frame['reply'];
            }
            unset($vector['wire'][$index]['reply']);
        }
        self::$cluster->prepare($vector['mode'] === 'secret', $replies);
        $this->enterModeOf($vector);
        $this->enterContextOf($vector);

        $outcome = $this->observe(static function () use ($vector) {
            return Gateway::{$vector['method']}(...self::value($vector['args']));
        });
        $session = $GLOBALS['_SESSION'];
        $oldSession = Context::$old_session;
        Context::clear();

        $recorded = self::$cluster->take();
        self::assertSame([], $recorded['problems'], $vector['show']);
        self::assertSame($vector['wire'], $recorded['frames'], "the frames of {$vector['show']}");
        if (isset($vector['throws'])) {
            self::assertInstanceOf($vector['throws'], $outcome->thrown);
            self::assertSame($vector['message'], $outcome->thrown->getMessage());
        } else {
            self::assertNull($outcome->thrown, "{$vector['show']} threw {$outcome->thrown}");
            self::assertSameValue($vector['return'], $outcome->returned, "what {$vector['show']} returned");
        }
        self::assertSameValue($vector['session_after'], $session, '$_SESSION afterwards');
        self::assertSameValue($vector['old_session_after'], $oldSession, 'Context::$old_session afterwards');
        $this->assertComplaint($vector['complains'], $outcome);
    }

    /**
     * @param array<string, mixed> $vector
     */
    private function enterModeOf(array $vector): void
    {
        Gateway::$registerAddress = self::$cluster->register();
        if ($vector['mode'] === 'secret') {
            Gateway::$secretKey = RecordingCluster::SECRET;
        }
        if ($vector['mode'] === 'worker') {
            Gateway::setBusinessWorker(new WorkerStub(array_slice(RecordingCluster::GATEWAYS, 0, 2)));
        }
    }

    /**
     * @param array<string, mixed> $vector
     */
    private function enterContextOf(array $vector): void
    {
        $GLOBALS['_SESSION'] = self::value($vector['session']);
        foreach ($vector['context'] ?? [] as $name => $value) {
            Context::$$name = $value;
        }
        if ($vector['context'] !== null) {
            Context::$old_session = $GLOBALS['_SESSION'];
        }
    }

    /**
     * @return mixed
     */
    private static function value(string $hex)
    {
        return unserialize((string) hex2bin($hex));
    }

    /**
     * Compares types, order and the contents of objects.
     *
     * @param mixed $actual
     */
    private static function assertSameValue(string $hex, $actual, string $what): void
    {
        $expected = self::value($hex);
        self::assertEquals($expected, $actual, $what);
        self::assertSame(serialize($expected), serialize($actual), $what);
    }
}
