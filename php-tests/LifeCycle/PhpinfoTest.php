<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use DOMDocument;
use GatewayWorker\Tests\Support\BuiltInServer;
use GatewayWorker\Tests\Support\LifeCycleTestCase;
use GatewayWorker\Tests\Support\Php;

/**
 * The section of phpinfo(): complete and well formed, as text and as HTML, whatever it shows.
 *
 * @group better-than-original
 */
final class PhpinfoTest extends LifeCycleTestCase
{
    /** @var BuiltInServer|null */
    private $server;

    protected function tearDown(): void
    {
        if ($this->server !== null) {
            $this->server->dispose();
        }
        parent::tearDown();
    }

    public function testBeforeTheFirstUseItSaysThatNothingRuns(): void
    {
        $rows = self::textRows(Php::run('phpinfo(INFO_MODULES);')->stdout);
        self::assertSame('not started', $rows['background'][0]);
        self::assertSame([], preg_grep('~^(register|gateway) ~', array_keys($rows)));
    }

    public function testItSaysWhereTheClassesAreSwitchedOff(): void
    {
        foreach (['0' => 'switched off (gatewayworker.enable)', '1' => 'GatewayWorker\Lib\Gateway, native'] as $enable => $shown) {
            $php = Php::run('phpinfo(INFO_MODULES);', [], ['gatewayworker.enable' => (string) $enable]);
            self::assertSame([$shown], self::textRows($php->stdout)['gatewayworker']);
        }
    }

    public function testTheTextTellsTheStateOfRegisterAndGateways(): void
    {
        $this->startCluster();
        $script = $this->script('phpinfo');
        self::assertSame(0, $script->wait(), $script->errors());
        $rows = self::textRows($script->output());
        self::assertSame('running', $rows['background'][0]);
        $this->assertTellsTheState($rows);
    }

    public function testTheHtmlIsWellFormedAndEscaped(): void
    {
        if (!extension_loaded('dom')) {
            self::markTestSkipped('the extension dom is needed to read HTML');
        }
        $this->startCluster();
        $this->server = new BuiltInServer(
            dirname(self::scriptFile('phpinfo')),
            ['gatewayworker.register_address' => '<i>&"']
        );
        $html = $this->server->get('phpinfo.php', ['register' => $this->cluster->register()]);
        self::assertSame(
            1,
            preg_match('~<h2><a name="module_gatewayworker".*?(?=<h2>|</div>)~s', $html, $match),
            'there is a section'
        );
        // Strict: it must be XML, which phpinfo() produces.
        $document = new DOMDocument();
        $section = '<section>' . $match[0] . '</section>';
        self::assertTrue(@$document->loadXML($section), 'not well formed: ' . $section);
        $rows = [];
        foreach ($document->getElementsByTagName('tr') as $row) {
            $cells = [];
            foreach ($row->childNodes as $cell) {
                if ($cell->nodeName === 'td' || $cell->nodeName === 'th') {
                    $cells[] = trim($cell->textContent);
                }
            }
            $rows[array_shift($cells)] = $cells;
        }
        $this->assertTellsTheState($rows);
        self::assertSame(['<i>&"', '<i>&"'], $rows['gatewayworker.register_address']);
        self::assertCount(0, $document->getElementsByTagName('b'));
    }

    /**
     * @param array<string, list<string>> $rows
     */
    private function assertTellsTheState(array $rows): void
    {
        self::assertSame([$this->cluster->register()], $rows["register {$this->cluster->register()}"]);
        foreach ($this->cluster->internalAddresses() as $address) {
            self::assertMatchesRegularExpression('~\b1 accepted\b.*\b0 dropped\b~', $rows["gateway $address"][0]);
        }
        self::assertSame(['not connected'], $rows['register <b title="x">&amp;\' % %s, 127.0.0.1:1']);
        self::assertCount(4, preg_grep('~^register ~', array_keys($rows)), 'a line for each register');
        self::assertMatchesRegularExpression(
            '~^online, 1 lists, the last one \d+\.\d s ago$~',
            $rows["list of register {$this->cluster->register()}"][0]
        );
        self::assertCount(4, preg_grep('~^list of register .*(?<!, last error)$~', array_keys($rows)), 'and for its list');
        // It goes behind the command, on the link, or over a connection of its own where the link is not there yet.
        foreach ($this->cluster->internalAddresses() as $address) {
            self::assertMatchesRegularExpression(
                '~^1 queries, 0 failed, 0 timed out, (latency p50 \d+ us, p99 \d+ us, )?([01]) connections open, \2 idle$~',
                $rows["queries to $address"][0]
            );
        }
        self::assertMatchesRegularExpression('~^pid \d+, threads of this extension: 1$~', $rows['process'][0]);
        self::assertMatchesRegularExpression(
            '~^cannot connect to tcp://.* \(\d+\.\d s ago\)$~',
            $rows['list of register <b title="x">&amp;\' % %s, 127.0.0.1:1, last error'][0]
        );
        self::assertCount(12, preg_grep('~^gatewayworker\.~', array_keys($rows)), 'and for each setting');
    }

    /**
     * The rows of our section of phpinfo() as text: all that follows the name.
     *
     * @return array<string, list<string>>
     */
    private static function textRows(string $text): array
    {
        self::assertSame(1, preg_match('~^gatewayworker\n\n(.*?\n)\n(Directive .*?)\n\n~ms', $text, $match), 'a section');
        $rows = [];
        foreach (explode("\n", $match[1] . $match[2]) as $line) {
            $cells = explode(' => ', $line);
            $rows[array_shift($cells)] = $cells;
        }
        return $rows;
    }
}
