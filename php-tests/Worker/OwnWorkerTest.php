<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Worker;

use GatewayWorker\Tests\Support\Client;
use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\Implementation;
use PHPUnit\Framework\TestCase;

/**
 * What RealWorkerTest tries with the real GatewayWorker, as far as it can be tried without: workers
 * of the tests' own, behind the development gateway.
 */
final class OwnWorkerTest extends TestCase
{
    /** @var OwnWorkers|null */
    private $site;

    protected function setUp(): void
    {
        if (!Implementation::isNative()) {
            self::markTestSkipped('The workers are started with the extension.');
        }
    }

    protected function tearDown(): void
    {
        if ($this->site !== null) {
            $this->site->stop();
            $this->site = null;
        }
    }

    /**
     * @return array<string, array{string}>
     */
    public static function secrets(): array
    {
        return ['no secret key' => [''], 'a secret key' => ["k-ey/\u{e9}"]];
    }

    /**
     * The transcript is the one of the real GatewayWorker with the original class.
     *
     * @dataProvider secrets
     */
    public function testClientsSeeWhatTheySeeWithTheOriginal(string $secret): void
    {
        $this->site = new OwnWorkers($secret);
        self::assertSame(
            file(__DIR__ . '/scenario.txt', FILE_IGNORE_NEW_LINES),
            explode("\n", implode("\n", Scenario::play($this->site)))
        );
    }

    /**
     * @dataProvider secrets
     */
    public function testACallbackSeesItsOwnCommandsAtOnce(string $secret): void
    {
        $player = $this->twoClients($secret);
        for ($i = 0; $i < 50; $i++) {
            foreach (['t0', 'w1'] as $name) {
                $results = $player->steps('t0', [
                    ['call', 'bindUid', ["@$name", "u$i"]],
                    ['call', 'getClientIdByUid', ["u$i"]],
                    ['call', 'updateSession', ["@$name", ['i' => $i]]],
                    ['call', 'getSession', ["@$name"]],
                    ['call', 'unbindUid', ["@$name", "u$i"]],
                    ['call', 'isUidOnline', ["u$i"]],
                ]);
                $session = ($name === 'w1' ? ['websocket' => 'GET'] : []) + ['i' => $i];
                self::assertSame(
                    [null, [$player->id($name)], null, $session, null, 0],
                    array_column($results, 'returned')
                );
            }
        }
    }

    public function testGatewaysThatGoAndComeAreFollowedAtTheNextCall(): void
    {
        $player = $this->twoClients();
        for ($i = 0; $i < 3; $i++) {
            $this->site->gatewayd->gateway('stop_gateway', 1);
            $player->client('w1')->receiveUntilClosed();
            $player->leave('w1');
            $this->untilKnown($player, 't0', 1);
            self::assertSame(1, $player->call('t0', 'getAllClientCount'));
            self::assertFalse($player->call('t0', 'sendToClient', '@w1', 'to one who is away'));
            self::assertSame(0, $player->call('t0', 'isOnline', '@w1'));

            $this->site->gatewayd->gateway('start_gateway', 1);
            $this->untilKnown($player, 't0', 2);
            $player->connect('w1', 1);
            $player->call('t0', 'sendToAll', "to all $i");
            self::assertSame(2, $player->call('w1', 'getAllClientCount'));
            self::assertSame(2, substr_count(implode("\n", $player->transcript()), "received 'to all $i'"));
        }
    }

    /**
     * The messages of onWorkerStop, a thousand for each observer, are out before a worker ends.
     */
    public function testAWorkerThatEndsSendsWhatItHasAccepted(): void
    {
        $player = $this->twoClients();
        $player->call('t0', 'bindUid', '@w1', 'observer');
        $player->tell('t0', [['flood', '@w1', 'f', 500, 500]], true);
        $observer = $player->client('w1');
        self::assertSame(0, $this->receiveFlood($observer, 1)['f']);
        $this->site->stopWorker(0);
        $this->site->stopWorker(1);
        $last = $this->receiveFlood($observer, 499 + 2000);
        self::assertSame(499, $last['f']);
        unset($last['f']);
        self::assertSame([999, 999], array_values($last), 'numbers of the last messages of the workers');
    }

    private function twoClients(string $secret = ''): Player
    {
        $this->site = new OwnWorkers($secret);
        $player = new Player($this->site);
        $player->connect('t0', 0);
        $player->connect('w1', 1);
        return $player;
    }

    /**
     * Waits until the worker of a client knows of so many gateways.
     */
    private function untilKnown(Player $player, string $by, int $gateways): void
    {
        Clock::waitUntil(static function () use ($player, $by, $gateways): bool {
            return $player->step($by, 'knows', $gateways);
        }, "for the worker of $by to know $gateways gateways");
    }

    /**
     * @return array<string, int> the number of the last message of each flood
     */
    private function receiveFlood(Client $observer, int $messages): array
    {
        $last = [];
        while ($messages-- > 0) {
            [, $name, $number] = explode(' ', (string) $observer->receive(), 4);
            $last[$name] = (int) $number;
        }
        return $last;
    }
}
