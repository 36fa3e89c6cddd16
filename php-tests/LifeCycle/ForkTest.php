<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\LifeCycleTestCase;

/**
 * Parent and children each work on their own connections, whenever the fork happens; nothing is
 * lost, nothing sent twice.
 *
 * @group better-than-original
 */
final class ForkTest extends LifeCycleTestCase
{
    public function testForksInTheMiddleOfABurstLoseNothingAndRepeatNothing(): void
    {
        $this->startCluster();
        $this->forkInABurst(40, 100);
    }

    public function testHundredsOfForksInALoopWork(): void
    {
        $this->startCluster();
        $this->forkInABurst(300, 2);
    }

    public function testForksWorkWithASecretToo(): void
    {
        $this->startCluster(2, self::SECRET);
        $this->forkInABurst(20, 10, ['gatewayworker.secret_key' => self::SECRET]);
        self::assertSame([0, 0], array_column($this->cluster->stats()['gateways'], 'unauthorized'));
    }

    public function testNestedForksWork(): void
    {
        $this->startCluster();
        $client = $this->text(1);
        $done = $this->resultOf('fork-nested', ['client' => $client->clientId(), 'levels' => 6]);
        self::assertSame('done', $done);
        $senders = [];
        for ($level = 0; $level <= 6; $level++) {
            $senders["level$level"] = 100;
        }
        $this->assertDelivered($senders, $client);
    }

    public function testForkingBeforeTheFirstUseWorks(): void
    {
        $this->startCluster();
        $client = $this->text(1);
        $this->resultOf('fork-first', ['client' => $client->clientId()]);
        $senders = ['parent' => 20, 'child0' => 20, 'child1' => 20, 'child2' => 20, 'child3' => 20];
        $this->assertDelivered($senders, $client);
        self::assertSame(5, $this->cluster->stats()['register']['connections_total'], 'each process queries for itself');
    }

    public function testWhatIsQueuedIsSentByTheParentAloneAndOnce(): void
    {
        $this->startCluster(1);
        $client = $this->text(0);
        $messages = 300;
        $script = $this->script(
            'fork-queued',
            ['client' => $client->clientId(), 'messages' => $messages],
            ['gatewayworker.send_buffer' => '64M', 'gatewayworker.flush_timeout' => '20']
        );
        self::assertSame('ready', $script->readJson());
        $this->cluster->gateway('pause_gateway', 0, ['paused' => true]);
        $script->writeLine('go');
        $queued = $script->readJson();
        self::assertGreaterThan(0, $queued['before'], 'the queue is not empty when the fork happens');
        self::assertSame($queued['before'], $queued['after'], 'the children have left it alone');
        $this->cluster->gateway('pause_gateway', 0, ['paused' => false]);
        $script->writeLine('end');
        self::assertSame([0, ''], [$script->wait(), $script->errors()]);
        $this->awaitNoConnections();
        self::assertSame($messages + 5, $this->cluster->framesOf(5));
        $next = ['parent' => 0, 'child0' => 0, 'child1' => 0, 'child2' => 0, 'child3' => 0, 'child4' => 0];
        for ($i = 0; $i < $messages + 5; $i++) {
            [$sender, $number] = explode(' ', (string) $client->receive());
            self::assertSame($next[$sender]++, (int) $number, $sender);
        }
        self::assertSame([$messages, 1, 1, 1, 1, 1], array_values($next));
    }

    public function testNoDescriptorAndNoThreadIsInherited(): void
    {
        if (!is_dir('/proc/self/fd')) {
            self::markTestSkipped('there is no /proc/self/fd here');
        }
        $this->startCluster();
        $script = $this->script('fork-inherit', ['client' => $this->text(1)->clientId()]);
        $parent = $script->readJson();
        self::assertNotSame($parent['before'], $parent['after'], 'the first use opens descriptors');
        self::assertSame([1, 2], [$parent['threads before'], $parent['threads after']]);
        $child = $script->readJson();
        self::assertSame($parent['before'], $child['before'], 'the child has what was there before the first use');
        self::assertSame([1, 2], [$child['threads before'], $child['threads after']]);
        self::assertSame(
            [],
            array_intersect(self::sockets(array_diff_key($child['after'], $parent['before'])), $parent['after']),
            "none of the child's sockets is its parent's"
        );
        $grandchild = $script->readJson();
        self::assertSame($parent['before'], $grandchild['before']);
        self::assertSame(1, $grandchild['threads before']);
        self::assertSame(
            ['after' => $parent['after'], 'threads after' => 2],
            $script->readJson(),
            'the parent still has the very connections it had'
        );
        self::assertSame([0, ''], [$script->wait(), $script->errors()]);
    }

    /**
     * @return array<string, array{int, bool}>
     */
    public static function endsOfParents(): array
    {
        return [
            'killed' => [SIGKILL, false],
            'killed, the child uses the class' => [SIGKILL, true],
            'by exit' => [SIGUSR1, false],
            'by exit, the child uses the class' => [SIGUSR1, true],
        ];
    }

    /**
     * @dataProvider endsOfParents
     */
    public function testAParentThatEndsIsSeenAsClosedWhileItsChildLivesOn(int $signal, bool $used): void
    {
        $this->startCluster();
        $client = $this->text(1);
        $script = $this->script('fork-outlive', ['client' => $client->clientId(), 'child uses it' => $used]);
        [$word, $child] = explode(' ', $script->readJson());
        self::assertSame('child', $word);
        $both = $this->openConnections();
        $script->signal($signal);
        Clock::waitUntil(function () use ($used, $both): bool {
            $open = $this->openConnections();
            return $used ? $open === intdiv($both, 2) : $open === 0;
        }, "for the parent's connections to end");
        self::assertTrue(posix_kill((int) $child, 0), 'the child is still there');
        $script->writeLine('end');
        $script->wait();
        self::assertSame('', $script->errors());
        $this->assertDelivered(['parent' => 10] + ($used ? ['child' => 20] : []), $client);
    }

    public function testTheEndOfAChildLeavesTheConnectionsOfItsParentAlone(): void
    {
        $this->startCluster(1);
        $client = $this->text(0);
        $script = $this->script('fork-ends', ['client' => $client->clientId()]);
        $sent = $script->readJson();
        $stats = $this->cluster->stats();
        $script->writeLine('end');
        self::assertSame([0, ''], [$script->wait(), $script->errors()]);
        $children = intdiv($sent, 40);
        self::assertSame(1 + $children, $stats['register']['connections_total'], 'one for each process that used it');
        self::assertSame(
            $stats['gateways'][0]['internal_open'] + $children,
            $stats['gateways'][0]['internal_total'],
            'one for each child, which made queries only; the parent never had to connect again'
        );
        $this->assertDelivered(['parent' => $sent], $client);
    }

    /**
     * @param array<string, string> $ini
     */
    private function forkInABurst(int $forks, int $messages, array $ini = []): void
    {
        $client = $this->text(1);
        $groups = ['a' => 1, 'b' => 2, 'c' => 3];
        $this->fillGroups($groups, $ini);
        $done = $this->resultOf('fork-burst', [
            'client' => $client->clientId(),
            'forks' => $forks,
            'messages' => $messages,
            'groups' => $groups,
        ], $ini);
        self::assertSame('done', $done);
        $senders = ['parent' => $forks * $messages];
        for ($i = 0; $i < $forks; $i++) {
            $senders["child$i"] = $messages;
        }
        $this->assertDelivered($senders, $client);
    }

    /**
     * Puts the given number of clients into each group, so that every reply differs from the
     * others.
     *
     * @param array<string, int>    $groups
     * @param array<string, string> $ini
     */
    private function fillGroups(array $groups, array $ini): void
    {
        $joins = [];
        foreach ($groups as $group => $count) {
            for ($i = 0; $i < $count; $i++) {
                $joins[] = [$this->text($i % 2)->clientId(), $group];
            }
        }
        $this->resultOf('join', ['joins' => $joins], $ini);
    }

    /**
     * @param array<int, string> $descriptors
     *
     * @return array<int, string>
     */
    private static function sockets(array $descriptors): array
    {
        return preg_grep('/^socket:/', $descriptors);
    }
}
