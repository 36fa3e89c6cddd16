<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\LifeCycleTestCase;
use GatewayWorker\Tests\Support\Php;
use GatewayWorker\Tests\Support\PhpProcess;

/**
 * The settings gatewayworker.* of php.ini: shown, checked, honoured.
 *
 * @group better-than-original
 */
final class SettingsTest extends LifeCycleTestCase
{
    private const DEFAULTS = [
        'address_map' => '',
        'enable' => '1',
        'flush_timeout' => '1.5',
        'gateway_client' => '0',
        'max_reply' => '256M',
        'partial_results' => '0',
        'query_timeout' => '5',
        'register_address' => '127.0.0.1:1236',
        'secret_key' => '',
        'send_buffer' => '10240000',
        'status_path' => '',
        'trust_client_ids' => '0',
    ];

    /** Must not show up anywhere. */
    private const KEY = 'Th1s-1s-a-s3cret';

    public function testTheDefaultsAreThoseOfTheDocumentation(): void
    {
        $report = $this->resultOf('settings');
        ksort($report['values']);
        self::assertSame(self::DEFAULTS, array_map('strval', $report['values']));
        self::assertSame([self::DEFAULTS['register_address'], ''], $report['statics']);
    }

    public function testScriptsMayChangeTheTimeOutsAndNothingElse(): void
    {
        $access = $this->resultOf('settings')['access'];
        $changeable = array_keys(array_filter($access, static function (int $access): bool {
            return ($access & INI_USER) !== 0;
        }));
        sort($changeable);
        self::assertSame(['flush_timeout', 'partial_results', 'query_timeout'], $changeable);
        $report = $this->resultOf('settings', ['set' => [
            ['flush_timeout', '0.5'],
            ['query_timeout', '0.25'],
            ['partial_results', 'on'],
            ['enable', '0'],
            ['gateway_client', '1'],
            ['send_buffer', '1M'],
            ['max_reply', '1M'],
            ['register_address', 'elsewhere:1'],
            ['secret_key', 'x'],
            ['address_map', '10.0.0.1=127.0.0.1'],
            ['status_path', '/tmp'],
        ]]);
        self::assertSame([
            ['1.5', '0.5'],
            ['5', '0.25'],
            ['0', 'on'],
            [false, '1'],
            [false, '0'],
            [false, '10240000'],
            [false, '256M'],
            [false, '127.0.0.1:1236'],
            [false, ''],
            [false, ''],
            [false, ''],
        ], $report['set']);
        self::assertSame(
            ['1.5', '5', '0', '1', '0', '10240000', '256M', '127.0.0.1:1236', '', '', ''],
            $report['restored'],
            'ini_restore'
        );
    }

    /**
     * @return array<string, array{string, string}>
     */
    public static function badValues(): array
    {
        $bad = [];
        foreach (
            [
                'enable' => ['maybe', '2'],
                'gateway_client' => ['perhaps'],
                'partial_results' => ['some', '2'],
                'trust_client_ids' => ['all', '2'],
                'flush_timeout' => ['-1', 'soon', '', 'nan', 'inf', '1e9'],
                'query_timeout' => ['0', '-1', 'soon', '', 'nan', 'inf', '1e9'],
                'send_buffer' => ['much', '0', '-1', '', '9999999999', '5G', '1.5M', 'M'],
                'max_reply' => ['much', '0', '-1', '', '9999999999', '5G', '1.5M', 'M'],
                'register_address' => [''],
                'status_path' => ['run/gatewayworker', '.'],
                'address_map' => ['10.0.0.1', '10.0.0.1=', '=10.0.0.1', 'name=10.0.0.1', '10.0.0.1=10.0.0.2=10.0.0.3',
                    '10.0.0.1:x=10.0.0.2', '10.0.0.1=10.0.0.2:99999'],
            ] as $name => $values
        ) {
            foreach ($values as $value) {
                $bad["$name = '$value'"] = [$name, (string) $value];
            }
        }
        return $bad;
    }

    /**
     * @dataProvider badValues
     */
    public function testABadValueIsRefusedWithALineInTheLogAndTheDefaultStays(string $name, string $value): void
    {
        $script = $this->script('settings', [], ["gatewayworker.$name" => $value]);
        self::assertSame(0, $script->wait(), $script->errors());
        $report = json_decode($script->output(), true);
        self::assertSame(self::DEFAULTS[$name], (string) $report['values'][$name], 'the default stays');
        $lines = preg_match_all("~gatewayworker\\.$name ignored: expected .+~", $script->errors());
        self::assertSame(1, $lines, $script->errors());
    }

    public function testABadValueIsRefusedWhileAScriptRunsToo(): void
    {
        $script = $this->script('settings', ['set' => [['query_timeout', 'soon'], ['flush_timeout', '-1']]]);
        self::assertSame(0, $script->wait());
        $report = json_decode($script->output(), true);
        self::assertSame([[false, '5'], [false, '1.5']], $report['set']);
        self::assertSame(2, substr_count($script->errors(), ' ignored: expected '), $script->errors());
    }

    /**
     * @return array<string, array{string, string}>
     */
    public static function goodValues(): array
    {
        $good = [];
        foreach (
            [
                'partial_results' => ['on', 'Off', '1'],
                'trust_client_ids' => ['on', 'Off', '1'],
                'gateway_client' => ['on', 'Off', 'yes', 'true', '1'],
                'flush_timeout' => ['0', '0.5', '86400', ' 3 '],
                'query_timeout' => ['0.001', '30'],
                'send_buffer' => ['1K', '64k', '1M', '3G', '1048576'],
                'max_reply' => ['1K', '3g'],
                'register_address' => ['register:1236', '[::1]:1236'],
                'secret_key' => ['"quoted"', 'a b;c'],
                'address_map' => ['10.0.0.1=127.0.0.1', '10.0.0.1:7000=127.0.0.1:8000, 10.0.0.2=10.0.0.3,'],
            ] as $name => $values
        ) {
            foreach ($values as $value) {
                $good["$name = '$value'"] = [$name, (string) $value];
            }
        }
        return $good;
    }

    /**
     * @dataProvider goodValues
     */
    public function testAGoodValueIsTakenInSilence(string $name, string $value): void
    {
        $report = $this->resultOf('settings', [], ["gatewayworker.$name" => $value]);
        self::assertIsString($report['values'][$name]);
    }

    public function testPhpinfoAndRiShowEverySetting(): void
    {
        $ini = ['gatewayworker.query_timeout' => '2.5'];
        foreach (['phpinfo(INFO_MODULES);', '(new ReflectionExtension("gatewayworker"))->info();'] as $code) {
            $shown = Php::run($code, [], $ini)->stdout;
            foreach (array_keys(self::DEFAULTS) as $name) {
                self::assertStringContainsString("gatewayworker.$name => ", $shown);
            }
            self::assertStringContainsString('gatewayworker.query_timeout => 2.5 => 2.5', $shown);
            self::assertMatchesRegularExpression('~^version => \d+\.\d+\.\d+~m', $shown);
        }
        $ri = $this->ri([]);
        foreach (self::DEFAULTS as $name => $default) {
            $default = $name === 'secret_key' ? 'not set' : ($default === '' ? 'no value' : $default);
            self::assertStringContainsString("gatewayworker.$name => $default => $default", $ri);
        }
    }

    public function testTheSecretIsNeverShown(): void
    {
        $this->startCluster(2, 'another');
        $client = $this->text(1);
        $ini = ['gatewayworker.secret_key' => self::KEY, 'gatewayworker.flush_timeout' => '0.1'];
        $script = $this->script('secret', ['client' => $client->clientId()], $ini);
        self::assertSame(0, $script->wait(), $script->errors());
        self::assertStringContainsString('gatewayworker.secret_key => set, not shown => set', $script->output());
        self::assertStringContainsString('Exception', $script->output(), 'there were errors to be looked at');
        self::assertStringNotContainsString(self::KEY, $script->output());
        self::assertStringNotContainsString(self::KEY, $script->errors());
        self::assertStringNotContainsString(self::KEY, $this->ri($ini));
        // A key in the wrong line is not shown in the complaint.
        $script = $this->script('settings', [], ['gatewayworker.address_map' => self::KEY]);
        $script->wait();
        self::assertStringContainsString('gatewayworker.address_map ignored: expected ', $script->errors());
        self::assertStringNotContainsString(self::KEY, $script->errors());
    }

    public function testRegisterAddressAndSecretKeyAreTheDefaultsOfTheStatics(): void
    {
        $this->startCluster(2, self::SECRET);
        $this->text(1);
        $report = $this->resultOf('settings', ['register' => null, 'query' => true], [
            'gatewayworker.register_address' => $this->cluster->register(),
            'gatewayworker.secret_key' => self::SECRET,
        ]);
        self::assertSame([$this->cluster->register(), self::SECRET], $report['statics']);
        self::assertSame(1, $report['count']);
    }

    public function testQueryTimeoutIsHonouredAndMayBeChanged(): void
    {
        // No other gateway, which would have to reply within these times.
        $this->startCluster(1);
        $this->cluster->gateway('mute_gateway', 0, ['muted' => true]);
        $script = $this->script('time-out', [], ['gatewayworker.query_timeout' => '0.2']);
        self::assertSame(0, $script->wait());
        $messages = json_decode($script->output(), true);
        foreach (['0.2 s', '0.25 s', '0.25 s', '0.2 s'] as $i => $time) {
            self::assertStringContainsString("within $time (", $messages[$i]);
            self::assertStringContainsString('gatewayworker.query_timeout', $messages[$i]);
            self::assertStringContainsString($this->cluster->internal(0), $messages[$i]);
        }
        self::assertStringContainsString('gatewayworker.query_timeout ignored: expected ', $script->errors());
    }

    public function testAReplyBeyondMaxReplyIsAnExceptionThatNamesTheSetting(): void
    {
        $this->startCluster();
        // The length alone: the rest is not waited for.
        $this->cluster->reply(1, 24, pack('N', 2000));
        $script = $this->script('time-out', [], ['gatewayworker.max_reply' => '1K']);
        self::assertSame(0, $script->wait());
        $messages = json_decode($script->output(), true);
        self::assertStringContainsString('2000 bytes', $messages[0]);
        self::assertStringContainsString('gatewayworker.max_reply', $messages[0]);
        self::assertStringContainsString($this->cluster->internal(1), $messages[0]);
        self::assertSame('replied', $messages[1], 'the next query has a connection of its own');
    }

    public function testInAWorkerAFullSendBufferIsFalseAndOneLineInTheLog(): void
    {
        $this->startCluster();
        $client = $this->text(1);
        $script = $this->script(
            'full',
            ['client' => $client->clientId(), 'limit' => 1 << 20],
            ['gatewayworker.send_buffer' => '1M']
        );
        self::assertSame('ready', $script->readJson());
        $this->cluster->gateway('pause_gateway', 1, ['paused' => true]);
        $script->writeLine('go');
        self::assertSame('full', $script->readJson());
        $lines = preg_grep('~send_buffer~', explode("\n", $script->errors()));
        self::assertNotSame([], $lines, 'a line when it is full');
        self::assertStringContainsString($this->cluster->internal(1), (string) current($lines));
        $script->writeLine('go on');
        $report = $script->readJson();
        self::assertLessThan(10000, $report['accepted'], 'there is an end to it');
        self::assertSame(50, $report['refused in the end']);
        self::assertSame([$report['refused'], true], $report['status']);
        self::assertSame(
            $lines,
            preg_grep('~send_buffer~', explode("\n", $script->errors())),
            'no further line while it stays full'
        );
        $this->cluster->gateway('pause_gateway', 1, ['paused' => false]);
        $script->writeLine('go on');
        self::assertTrue($script->readJson(), 'flush');
        self::assertTrue($script->readJson(), 'there is room again');
        self::assertSame(0, $script->wait());
        for ($i = 0; $i <= $report['accepted']; $i++) {
            self::assertSame($i, (int) $client->receive(), 'all that was accepted, and nothing else');
        }
        $this->awaitNoConnections();
        self::assertSame($report['accepted'] + 1, $this->cluster->framesOf(5));
    }

    /**
     * @return array<string, array{bool, bool}>
     */
    public static function maps(): array
    {
        return [
            'addresses' => [false, false],
            'addresses and ports' => [true, false],
            'addresses, inside of a worker' => [false, true],
            'addresses and ports, inside of a worker' => [true, true],
        ];
    }

    /**
     * @dataProvider maps
     */
    public function testAddressMapReachesGatewaysWhoseAdvertisedAddressesDoNot(bool $ports, bool $worker): void
    {
        $this->startCluster();
        $clients = [$this->text(0), $this->text(1)];
        $map = $advertised = $ids = $reach = [];
        foreach ($clients as $i => $client) {
            $internal = $this->cluster->internal($i);
            [$ip, $port] = explode(':', $internal);
            // Addresses of a documentation network: unreachable.
            $other = "192.0.2.$i" . ($ports ? ':7000' : ":$port");
            $map[] = $ports ? "$other=$internal" : "192.0.2.$i=$ip";
            $advertised[] = $other;
            $reach[$other] = $internal;
            $connection = unpack('N', (string) hex2bin($client->clientId()), 6)[1];
            $ids[] = bin2hex(pack('NnN', ip2long("192.0.2.$i"), $ports ? 7000 : (int) $port, $connection));
            $this->cluster->control(['cmd' => 'remove_address', 'gateway' => $i]);
            $this->cluster->control(['cmd' => 'add_address', 'address' => $other]);
        }
        $report = $this->resultOf(
            'mapped',
            ['clients' => $ids, 'advertised' => $advertised, 'worker' => $worker],
            ['gatewayworker.address_map' => implode(', ', $map)]
        );
        self::assertSame(array_combine($ids, $ids), $report['list'], 'ids keep the advertised numbers');
        self::assertSame([[1, 1], [true, true]], [$report['online'], $report['sent']]);
        self::assertSame([$ids[0]], $report['of ann']);
        self::assertSame([$ids[1] => $ids[1]], $report['room']);
        self::assertSame([$ids[1] => ['x' => 1]], $report['sessions']);
        self::assertSame(['x' => 1], $report['session']);
        self::assertSame($reach, $report['reach']);
        self::assertSame('to a', $clients[0]->receive());
        self::assertSame('to others', $clients[0]->receive());
        self::assertSame('to b', $clients[1]->receive());
        self::assertSame('to some', $clients[1]->receive());
        $this->awaitNoConnections();
    }

    public function testFlushTimeoutMayBeChangedByTheScriptThatEnds(): void
    {
        $this->startCluster();
        $this->cluster->gateway('stop_gateway', 1);
        $this->cluster->gateway('add_address', 1);
        $script = $this->script(
            'away',
            ['client' => $this->text(0)->clientId(), 'flush_timeout' => '0.1'],
            ['gatewayworker.flush_timeout' => '2']
        );
        self::assertSame(0, $script->wait());
        self::assertStringContainsString('after 0.1 s (gatewayworker.flush_timeout)', $script->errors());
    }

    /**
     * What `php --ri gatewayworker` prints.
     *
     * @param array<string, string> $ini
     */
    private function ri(array $ini): string
    {
        $command = array_merge(PhpProcess::php($ini), ['--ri', 'gatewayworker']);
        return (string) shell_exec(implode(' ', array_map('escapeshellarg', $command)));
    }
}
