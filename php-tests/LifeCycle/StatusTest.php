<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\Implementation;
use GatewayWorker\Tests\Support\LifeCycleTestCase;
use GatewayWorker\Tests\Support\PhpProcess;

/**
 * Gateway::status(): what it has, and that the figures are those of what was done; and its file for
 * others.
 *
 * @group better-than-original
 */
final class StatusTest extends LifeCycleTestCase
{
    public function testEveryKeyHasItsTypeAndItsFigure(): void
    {
        $this->startCluster();
        $script = $this->begin(['client' => $this->text(0)->clientId()]);
        foreach (['send', 'send', 'send'] as $order) {
            self::assertNull($this->order($script, $order));
        }
        for ($i = 0; $i < 20; $i++) {
            self::assertSame(1, $this->order($script, 'query one'));
        }
        self::assertSame(1, $this->order($script, 'query'));
        $status = $this->order($script, 'status');
        self::assertSame(
            ['version' => 'string', 'pid' => 'integer', 'threads' => 'integer', 'clusters' => 'array'],
            array_map('gettype', $status)
        );
        self::assertSame(
            [phpversion('gatewayworker'), $script->pid(), 1, 1],
            [$status['version'], $status['pid'], $status['threads'], count($status['clusters'])]
        );
        $cluster = $status['clusters'][0];
        $register = $cluster['register'];
        self::assertSame(
            [[$this->cluster->register()], 'online', $this->cluster->register(), 1, null, null],
            [$register['registers'], $register['state'], $register['connected'], $register['lists'],
                $register['last_error'], $register['last_error_age']]
        );
        self::assertIsFloat($register['list_age']);
        self::assertGreaterThanOrEqual(0.0, $register['list_age']);
        self::assertSame($this->cluster->internalAddresses(), array_column($cluster['gateways'], 'address'));
        // The first query to each gateway went behind the commands, on the link; later ones have a connection.
        foreach ([[21, 1], [1, 0]] as $number => [$queries, $connections]) {
            $gateway = $cluster['gateways'][$number];
            self::assertSame(['state' => 'online'], $gateway['link']);
            $exact = [
                'accepted' => 3, 'written' => 3, 'queued' => 0, 'queued_bytes' => 0, 'dropped' => 0, 'refused' => 0,
                'reconnects' => 0, 'last_error' => null, 'last_error_age' => null, 'queries' => $queries,
                'queries_failed' => 0, 'queries_timed_out' => 0, 'queries_open' => $connections, 'queries_idle' => $connections,
                'query_error' => null, 'query_error_age' => null,
            ];
            ksort($exact);
            $seen = array_intersect_key($gateway, $exact);
            ksort($seen);
            self::assertSame($exact, $seen);
        }
        $first = $cluster['gateways'][0];
        self::assertSame(21, $first['latency_count'], 'each reply was timed');
        self::assertIsInt($first['latency_p50']);
        self::assertGreaterThan(0, $first['latency_p50']);
        self::assertGreaterThanOrEqual($first['latency_p50'], $first['latency_p99']);
    }

    public function testWhatAGatewayThatHasLeftHasCostIsStillTold(): void
    {
        $this->startCluster();
        $script = $this->begin();
        $this->order($script, 'send');
        $this->cluster->gateway('remove_address', 1);
        Clock::waitUntil(function () use ($script, &$cluster): bool {
            $cluster = $this->order($script, 'status')['clusters'][0];
            return count($cluster['gateways']) === 1;
        }, 'for its link to end');
        self::assertSame(['links' => 1, 'accepted' => 1, 'written' => 1, 'dropped' => 0, 'reconnects' => 0, 'queries' => 0,
            'queries_failed' => 0, 'queries_timed_out' => 0, 'queries_retried' => 0], $cluster['ended']);
    }

    public function testTheStubTellsEveryKeyInItsPlace(): void
    {
        $this->startCluster(1);
        $script = $this->begin();
        $this->order($script, 'send');
        $status = $this->order($script, 'status');
        $file = (string) file_get_contents(Implementation::root() . '/stubs/gatewayworker.stub.php');
        $before = substr($file, 0, (int) strpos($file, 'public static function status()'));
        $shape = substr($before, (int) strrpos($before, '@return array{'));
        preg_match_all('~^\s+\*\s+(\w+)\??: ~m', $shape, $match);
        // Of the link, whose shape stands in one line, the error is there only where there is one.
        $keys = static function (array $of) use (&$keys): array {
            $all = [];
            foreach ($of as $key => $value) {
                $isList = is_array($value) && $key !== 'link' && $key !== 'registers';
                array_push($all, ...(is_int($key) ? [] : [$key]), ...($isList ? $keys($value) : []));
            }
            return $all;
        };
        self::assertSame($keys($status), $match[1]);
    }

    public function testALinkThatWasLostIsBackAndTheErrorIsStillTold(): void
    {
        $this->startCluster(1);
        $script = $this->begin();
        $this->order($script, 'send');
        $this->cluster->gateway('disconnect_internal', 0);
        Clock::waitUntil(function () use ($script, &$gateway): bool {
            $gateway = $this->order($script, 'status')['clusters'][0]['gateways'][0];
            return $gateway['reconnects'] === 1;
        }, 'for the link to be back');
        self::assertSame(['state' => 'online'], $gateway['link']);
        self::assertIsString($gateway['last_error']);
        self::assertIsFloat($gateway['last_error_age']);
    }

    public function testAQueryWithoutAReplyIsCountedAndItsErrorIsShown(): void
    {
        $this->startCluster(1);
        // The first query has to get its reply within it, on a busy machine too.
        $script = $this->begin([], ['gatewayworker.query_timeout' => '1']);
        self::assertSame(0, $this->order($script, 'query'));
        $this->cluster->gateway('mute_gateway', 0, ['muted' => true]);
        $message = $this->order($script, 'query');
        self::assertStringContainsString('did not reply', $message);
        $gateway = $this->order($script, 'status')['clusters'][0]['gateways'][0];
        self::assertSame([2, 1, 1], [$gateway['queries'], $gateway['queries_failed'], $gateway['queries_timed_out']]);
        self::assertSame($message, $gateway['query_error']);
        self::assertIsFloat($gateway['query_error_age']);
        self::assertSame([0, 0], [$gateway['queries_open'], $gateway['queries_idle']], 'it is never used again');
    }

    public function testTheFileComesWithTheFirstUseFollowsAndGoesWithTheProcess(): void
    {
        $this->startCluster();
        $script = $this->begin([], ['gatewayworker.status_path' => $this->directory()]);
        self::assertSame(0, $this->order($script, 'status')['threads'], 'it has not been used');
        self::assertSame([], $this->files(), 'no file before the first use');
        $this->order($script, 'send');
        $file = $this->directory() . "/{$script->pid()}.json";
        $first = $this->published($script->pid(), 1);
        self::assertSame(0600, fileperms($file) & 0777);
        self::assertSame($script->pid(), $first['pid']);
        $this->order($script, 'send');
        $second = $this->published($script->pid(), 2);
        self::assertGreaterThan($first['time'], $second['time']);
        $status = $this->order($script, 'status');
        self::assertSame(array_keys($status + ['time' => 0]), array_keys($second), 'the status, and when that was');
        self::assertSame(
            array_map('array_keys', $status['clusters'][0]['gateways']),
            array_map('array_keys', $second['clusters'][0]['gateways'])
        );
        $script->writeLine('');
        self::assertSame([0, ''], [$script->wait(), $script->errors()]);
        self::assertSame([], $this->files(), 'nothing is left behind');
    }

    public function testAForkedChildHasItsOwnFileWhereItUsesTheClass(): void
    {
        $this->startCluster();
        $script = $this->begin([], ['gatewayworker.status_path' => $this->directory()]);
        $this->order($script, 'send');
        $this->published($script->pid(), 1);
        $idle = $this->order($script, 'fork unused');
        $child = $this->order($script, 'fork');
        self::assertSame($child, $this->published($child, 1)['pid']);
        self::assertEqualsCanonicalizing(["$child.json", "{$script->pid()}.json"], $this->files());
        foreach ([$idle, $child] as $pid) {
            posix_kill($pid, SIGUSR1);
            self::assertSame(0, $this->order($script, 'reap'));
        }
        self::assertSame(["{$script->pid()}.json"], $this->files(), "a child takes its own file away, and no other's");
        $this->order($script, 'send');
        self::assertSame($script->pid(), $this->published($script->pid(), 2)['pid'], 'the parent goes on');
        $script->writeLine('');
        self::assertSame([0, ''], [$script->wait(), $script->errors()]);
    }

    public function testTheSecretIsNotInTheFile(): void
    {
        $this->startCluster(1, self::SECRET);
        $script = $this->begin([], [
            'gatewayworker.status_path' => $this->directory(),
            'gatewayworker.secret_key' => self::SECRET,
        ]);
        $this->order($script, 'send');
        self::assertTrue($this->published($script->pid(), 1)['clusters'][0]['secret']);
        $text = (string) file_get_contents($this->directory() . "/{$script->pid()}.json");
        self::assertStringNotContainsString(self::SECRET, $text);
    }

    public function testAMissingDirectoryIsOneLineInTheLog(): void
    {
        $this->startCluster();
        $directory = $this->directory() . '/missing';
        $script = $this->begin([], ['gatewayworker.status_path' => $directory]);
        $this->order($script, 'send');
        Clock::waitUntil(function () use ($script): bool {
            $this->order($script, 'status');
            return $script->errors() !== '';
        }, 'for the line');
        $line = "gatewayworker: gatewayworker.status_path is not written: $directory/{$script->pid()}.json: "
            . "No such file or directory\n";
        self::assertSame($line, $script->errors());
        self::assertSame(0, $this->order($script, 'query'));
        $script->writeLine('');
        self::assertSame([0, $line], [$script->wait(), $script->errors()], 'said once');
    }

    /**
     * @param array<string, mixed>  $config
     * @param array<string, string> $ini
     */
    private function begin(array $config = [], array $ini = []): PhpProcess
    {
        return $this->script('status', $config, $ini);
    }

    /**
     * @return mixed
     */
    private function order(PhpProcess $script, string $order)
    {
        $script->writeLine($order);
        return $script->readJson();
    }

    /**
     * What a process publishes, once each of its gateways has accepted so many frames.
     *
     * @return array<string, mixed>
     */
    private function published(int $pid, int $accepted): array
    {
        Clock::waitUntil(function () use ($pid, $accepted, &$status): bool {
            $text = @file_get_contents($this->directory() . "/$pid.json");
            $status = $text === false ? [] : json_decode($text, true, 16, JSON_THROW_ON_ERROR);
            $gateways = array_column($status['clusters'][0]['gateways'] ?? [], 'accepted');
            return $gateways !== [] && array_unique($gateways) === [$accepted];
        }, "for process $pid to publish that $accepted frames were accepted");
        return $status;
    }

    /**
     * @return list<string>
     */
    private function files(): array
    {
        return array_values(array_diff((array) scandir($this->directory()), ['.', '..']));
    }
}
