<?php

declare(strict_types=1);

namespace GatewayWorker\Board;

use RuntimeException;

/**
 * `php -S` with the extension, which serves the page.
 *
 * One process, so that there is one extension whose state is shown: PHP_CLI_SERVER_WORKERS is not
 * passed on.
 */
final class Server
{
    /** Seconds that it has to end. */
    private const PATIENCE = 3;

    /** Lines of `php -S` about each request. */
    private const ACCESS = '~^\[[^]]+\] \S+ (Accepted|Closing|Closed without |\[\d{3}\]: )~';

    /** @var resource */
    private $process;

    /** @var resource where it writes its log */
    private $log;

    private string $buffer = '';

    private string $url = '';

    /** Which gateways are paused: gatewayd does not tell. */
    private string $notes;

    /**
     * @param int $port 0 is any free one
     */
    public function __construct(int $port, Cluster $cluster)
    {
        $this->notes = (string) tempnam(sys_get_temp_dir(), 'gatewayworker-board-');
        $environment = getenv();
        unset($environment['PHP_CLI_SERVER_WORKERS']);
        $environment['GATEWAYWORKER_BOARD'] = json_encode($cluster->info + ['notes' => $this->notes], JSON_THROW_ON_ERROR);
        $process = proc_open(
            [...self::php(), '-S', "127.0.0.1:$port", '-t', __DIR__ . '/public', __DIR__ . '/router.php'],
            [['file', '/dev/null', 'r'], STDERR, ['pipe', 'w']],
            $pipes,
            null,
            $environment
        );
        if ($process === false) {
            throw new RuntimeException('cannot start ' . PHP_BINARY);
        }
        $this->process = $process;
        $this->log = $pipes[2];
        stream_set_blocking($this->log, false);
        try {
            $deadline = hrtime(true) + 10e9;
            while ($this->url === '') {
                if (hrtime(true) > $deadline) {
                    throw new RuntimeException('php -S does not say where it listens');
                }
                $this->passOn();
            }
        } catch (RuntimeException $failure) {
            $this->stop();
            throw $failure;
        }
    }

    public function url(): string
    {
        return $this->url;
    }

    /**
     * Waits up to a second for what the server has to say, and passes on what is no line about a
     * request.
     *
     * @throws RuntimeException when the server has ended
     */
    public function passOn(): void
    {
        $read = [$this->log];
        $none = [];
        // A signal interrupts it, with a warning.
        if (!@stream_select($read, $none, $none, 1)) {
            return;
        }
        $this->buffer .= fread($this->log, 1 << 16);
        while (($end = strpos($this->buffer, "\n")) !== false) {
            $line = substr($this->buffer, 0, $end);
            $this->buffer = substr($this->buffer, $end + 1);
            if (preg_match('~Development Server \((http://[\d.:]+)\) started~', $line, $match) === 1) {
                $this->url = $match[1] . '/';
            } elseif (preg_match(self::ACCESS, $line) !== 1) {
                fwrite(STDERR, "$line\n");
            }
        }
        if (feof($this->log)) {
            throw new RuntimeException('php -S has ended');
        }
    }

    public function stop(): void
    {
        // What it knows as the order to end in good order.
        proc_terminate($this->process, 2);
        $deadline = hrtime(true) + self::PATIENCE * 1e9;
        try {
            while (hrtime(true) < $deadline) {
                $this->passOn();
            }
            proc_terminate($this->process, 9);
        } catch (RuntimeException) {
            // It has ended.
        }
        fclose($this->log);
        proc_close($this->process);
        unlink($this->notes);
    }

    /**
     * PHP with the extension.
     *
     * @return list<string>
     */
    private static function php(): array
    {
        $settings = [
            // Somebody is watching the page: a query to a paused gateway must fail soon.
            'gatewayworker.query_timeout' => '1',
            // Nobody needs what is still queued when the board ends.
            'gatewayworker.flush_timeout' => '0',
            'display_errors' => '0',
            'log_errors' => '1',
            'html_errors' => '0',
            'error_log' => '',
        ];
        $extension = getenv('GATEWAYWORKER_SO') ?: dirname(__DIR__) . '/target/release/libgatewayworker.so';
        // Loading it twice would be a warning with each start.
        $test = [PHP_BINARY, '-r', 'echo (int) extension_loaded("gatewayworker");'];
        $process = proc_open($test, [1 => ['pipe', 'w']], $pipes);
        $loaded = $process !== false && stream_get_contents($pipes[1]) === '1';
        if (!$loaded) {
            if (!is_file($extension)) {
                throw new RuntimeException('the extension is not built; `make board` builds it');
            }
            $settings = ['extension' => $extension] + $settings;
        }
        $command = [PHP_BINARY];
        foreach ($settings as $name => $value) {
            array_push($command, '-d', "$name=\"" . addcslashes($value, '"\\') . '"');
        }
        return $command;
    }
}
