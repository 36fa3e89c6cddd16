<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\LifeCycle;

use GatewayWorker\Tests\Support\Clock;
use GatewayWorker\Tests\Support\LifeCycleTestCase;
use GatewayWorker\Tests\Support\PhpProcess;

/**
 * All lines of the error log have one format.
 *
 * @group better-than-original
 */
final class LogFormatTest extends LifeCycleTestCase
{
    /** The subject, as one word; what has happened; why. */
    private const LINE = '~^gatewayworker: (tcp://\S+|gatewayworker\.\w+|[\w\\\\]+::\w+\(\)) ([a-z][a-z ]*[a-z]): (\S.*)$~D';

    public function testEveryLineNamesASubjectAnEventAndAReason(): void
    {
        $this->startCluster();
        $script = $this->script('status', [], [
            'gatewayworker.status_path' => $this->directory() . '/missing',
            'gatewayworker.flush_timeout' => '0.1',
            'gatewayworker.send_buffer' => 'much',
        ]);
        $this->order($script, 'send');
        $this->order($script, 'complain');
        $this->cluster->gateway('disconnect_internal', 0);
        $this->awaitLine($script, ' is back: ');
        $this->awaitLine($script, 'status_path is not written: ');
        // On the list, and not there: what is sent to it is left over in the end.
        $this->cluster->gateway('stop_gateway', 1);
        $this->cluster->gateway('add_address', 1);
        Clock::waitUntil(function () use ($script): bool {
            return $this->order($script, 'status')['clusters'][0]['register']['lists'] >= 3;
        }, 'for it to be gone and back');
        $this->order($script, 'send');
        $this->awaitLine($script, "tcp://{$this->cluster->internal(1)} lost: Connection refused");
        $this->order($script, 'dead register');
        $script->writeLine('');
        self::assertSame(0, $script->wait());
        $events = [];
        foreach (explode("\n", trim($script->errors())) as $line) {
            self::assertSame(1, preg_match(self::LINE, $line, $match), $line);
            $events[] = $match[2];
        }
        $events = array_values(array_unique($events));
        sort($events);
        self::assertSame(
            ['ignored', 'is back', 'is deprecated', 'is not written', 'lost', 'refused', 'register lost', 'undelivered'],
            $events,
            $script->errors()
        );
    }

    /**
     * The tests find the extension's lines by their prefix, wherever the project lies.
     */
    public function testAFolderNamedGatewayworkerIsNotTakenForALogLine(): void
    {
        $folder = $this->directory() . '/gatewayworker';
        mkdir($folder);
        file_put_contents("$folder/fails.php", '<?php throw new Error("fails");');
        try {
            $script = new PhpProcess("$folder/fails.php");
            self::assertSame(255, $script->wait());
            $errors = $script->errors();
            $script->dispose();
        } finally {
            unlink("$folder/fails.php");
            rmdir($folder);
        }
        self::assertStringContainsString('gatewayworker/fails.php', $errors);
        self::assertNothingLogged($errors);
    }

    public function testAQueueThatIsFullIsTold(): void
    {
        $this->startCluster();
        $script = $this->script(
            'full',
            ['client' => $this->text(1)->clientId(), 'limit' => 1 << 20],
            ['gatewayworker.send_buffer' => '1M']
        );
        self::assertSame('ready', $script->readJson());
        $this->cluster->gateway('pause_gateway', 1, ['paused' => true]);
        $script->writeLine('go');
        self::assertSame('full', $script->readJson());
        $events = [];
        foreach (explode("\n", trim($script->errors())) as $line) {
            self::assertSame(1, preg_match(self::LINE, $line, $match), $line);
            self::assertSame("tcp://{$this->cluster->internal(1)}", $match[1]);
            $events[] = $match[2];
        }
        // The script waits for the queue to be empty, and gives up.
        self::assertEqualsCanonicalizing(['refuses frames', 'undelivered'], array_unique($events));
    }

    public function testNamesFromOutsideMakeNoLinesOfTheirOwn(): void
    {
        $this->startCluster();
        $this->cluster->control([
            'cmd' => 'add_address',
            'address' => "forged\n[24-Nov-2026] PHP Fatal error:  forged\e[2J:1",
        ]);
        $script = $this->script('status');
        $this->order($script, 'send');
        $script->writeLine('');
        self::assertSame(0, $script->wait());
        $lines = explode("\n", trim($script->errors()));
        self::assertNotSame([''], $lines, 'a gateway without an address is logged');
        foreach ($lines as $line) {
            self::assertMatchesRegularExpression(self::LINE, $line);
            self::assertDoesNotMatchRegularExpression('~[\x00-\x1f]~', $line);
        }
    }

    /**
     * Waits until the script has written a line with this text, which it does with its calls.
     */
    private function awaitLine(PhpProcess $script, string $text): void
    {
        Clock::waitUntil(function () use ($script, $text): bool {
            $this->order($script, 'status');
            return strpos($script->errors(), $text) !== false;
        }, "for a line with '$text'");
    }

    /**
     * @return mixed
     */
    private function order(PhpProcess $script, string $order)
    {
        $script->writeLine($order);
        return $script->readJson();
    }
}
