<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

use RuntimeException;

/**
 * A browser session over the W3C WebDriver protocol, as far as the tests need it.
 */
final class WebDriver
{
    /** The key under which the protocol puts the reference to an element. */
    private const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

    /** Seconds that a request may take. */
    private const PATIENCE = 60.0;

    /** @var string */
    private $session;

    /**
     * Begins a session.
     *
     * @param string               $driver       the address of the driver, such as 127.0.0.1:9515
     * @param array<string, mixed> $capabilities what the browser must support
     */
    public function __construct(string $driver, array $capabilities)
    {
        $this->session = "http://$driver/session";
        $session = $this->request('POST', '', ['capabilities' => ['alwaysMatch' => $capabilities]]);
        $this->session .= '/' . $session['sessionId'];
    }

    /**
     * Ends the session, and the browser with it.
     */
    public function quit(): void
    {
        $this->request('DELETE', '');
    }

    /**
     * Loads a page.
     */
    public function open(string $url): void
    {
        $this->request('POST', '/url', ['url' => $url]);
    }

    /**
     * Clicks the element, which must be visible and not covered.
     */
    public function click(string $selector): void
    {
        $this->request('POST', "/element/{$this->element($selector)}/click", []);
    }

    /**
     * Types into the element, replacing its text.
     */
    public function type(string $selector, string $text): void
    {
        $element = $this->element($selector);
        $this->request('POST', "/element/$element/clear", []);
        $this->request('POST', "/element/$element/value", ['text' => $text]);
    }

    /**
     * Chooses the option with this value of a select element, as a user with a keyboard would find
     * it chosen.
     */
    public function choose(string $selector, string $value): void
    {
        $this->request('POST', "/element/{$this->element("$selector option[value=\"$value\"]")}/click", []);
    }

    /**
     * What is to be read of the element.
     */
    public function text(string $selector): string
    {
        return $this->request('GET', "/element/{$this->element($selector)}/text");
    }

    /**
     * Whether the element exists and is visible.
     */
    public function sees(string $selector): bool
    {
        // At once: the page may replace the element between two requests of the protocol.
        $script = 'return [...document.querySelectorAll(arguments[0])].some((e) => e.checkVisibility())';
        return $this->run($script, [$selector]);
    }

    /**
     * What a function body in JavaScript returns, which finds the arguments in `arguments`.
     *
     * @param list<mixed> $arguments
     *
     * @return mixed
     */
    public function run(string $script, array $arguments = [])
    {
        return $this->request('POST', '/execute/sync', ['script' => $script, 'args' => $arguments]);
    }

    /**
     * Makes the window this large.
     */
    public function resize(int $width, int $height): void
    {
        $this->request('POST', '/window/rect', ['width' => $width, 'height' => $height]);
    }

    /**
     * A command of Chromium's own protocol.
     *
     * @param array<string, mixed> $parameters
     */
    public function chromium(string $command, array $parameters): void
    {
        $this->request('POST', '/goog/cdp/execute', ['cmd' => $command, 'params' => (object) $parameters]);
    }

    /**
     * What is to be seen in the window, as a PNG file.
     */
    public function screenshot(): string
    {
        return (string) base64_decode($this->request('GET', '/screenshot'), true);
    }

    /**
     * What the page has written to the console of the browser, as errors.
     *
     * @return list<string>
     */
    public function errors(): array
    {
        $severe = static function (array $entry): bool {
            return $entry['level'] === 'SEVERE';
        };
        return array_column(array_filter($this->request('POST', '/se/log', ['type' => 'browser']), $severe), 'message');
    }

    private function element(string $selector): string
    {
        $element = $this->request('POST', '/element', ['using' => 'css selector', 'value' => $selector]);
        return $element[self::ELEMENT];
    }

    /**
     * @param array<string, mixed>|null $body
     *
     * @return mixed
     */
    private function request(string $method, string $path, ?array $body = null)
    {
        $options = ['method' => $method, 'ignore_errors' => true, 'timeout' => self::PATIENCE];
        if ($body !== null) {
            $options['header'] = 'Content-Type: application/json; charset=utf-8';
            $options['content'] = json_encode((object) $body, JSON_THROW_ON_ERROR);
        }
        $stream = @fopen($this->session . $path, 'r', false, stream_context_create(['http' => $options]));
        $reply = $stream === false ? '' : self::body($stream);
        $value = json_decode($reply, true)['value'] ?? null;
        if ($reply === '' || isset($value['error'])) {
            $why = $value['message'] ?? error_get_last()['message'] ?? 'nothing';
            throw new RuntimeException("the browser replies to $method $path " . json_encode($body) . ": $why");
        }
        return $value;
    }

    /**
     * The body of a response: the driver keeps the connection open behind it.
     *
     * @param resource $stream
     */
    private static function body($stream): string
    {
        $headers = implode("\n", stream_get_meta_data($stream)['wrapper_data']);
        $length = preg_match('~^content-length:\s*(\d+)~mi', $headers, $match) === 1 ? (int) $match[1] : -1;
        $body = (string) stream_get_contents($stream, $length);
        fclose($stream);
        return $body;
    }
}
