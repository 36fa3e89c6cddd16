<?php

declare(strict_types=1);

namespace GatewayWorker\Board;

use JsonException;

/**
 * An HTTP request that comes from the board's own page, or from a program on this machine.
 *
 * Pages of other sites can make a browser send requests to loopback addresses. Three things keep
 * them out: the name of the host has to be a loopback one (a site's own name may resolve to
 * 127.0.0.1), the origin has to be that host, and the body has to be declared as JSON, which
 * another site's page may not send without being allowed to.
 */
final class Request
{
    /** The longest body that is read, in bytes. */
    private const MAX_BODY = 1 << 20;

    private function __construct(public readonly string $path)
    {
    }

    /**
     * @throws Refusal where it comes from somewhere else
     */
    public static function fromGlobals(): self
    {
        $host = strtolower($_SERVER['HTTP_HOST'] ?? '');
        $port = $_SERVER['SERVER_PORT'];
        if ($host !== "127.0.0.1:$port" && $host !== "localhost:$port") {
            throw new Refusal(403, "The board is at http://127.0.0.1:$port/ and under no other name.");
        }
        $origin = $_SERVER['HTTP_ORIGIN'] ?? null;
        $site = $_SERVER['HTTP_SEC_FETCH_SITE'] ?? 'none';
        $navigation = ($_SERVER['HTTP_SEC_FETCH_MODE'] ?? '') === 'navigate';
        if (($origin !== null && $origin !== "http://$host") || (!in_array($site, ['same-origin', 'none'], true) && !$navigation)) {
            throw new Refusal(403, 'The board serves its own page only.');
        }
        return new self((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
    }

    /**
     * The body of a POST request.
     *
     * @return array<string, mixed>
     *
     * @throws Refusal where it is none, or no JSON object
     */
    public function json(): array
    {
        if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
            header('Allow: POST');
            throw new Refusal(405, 'Use POST.');
        }
        if (preg_match('~^application/json\s*(;|$)~i', $_SERVER['CONTENT_TYPE'] ?? '') !== 1) {
            throw new Refusal(415, 'The body has to be application/json.');
        }
        $body = (string) file_get_contents('php://input', false, null, 0, self::MAX_BODY + 1);
        if (strlen($body) > self::MAX_BODY) {
            throw new Refusal(413, 'The body is too long.');
        }
        try {
            $value = json_decode($body, false, 32, JSON_THROW_ON_ERROR);
        } catch (JsonException) {
            $value = null;
        }
        if (!is_object($value)) {
            throw new Refusal(400, 'The body has to be a JSON object.');
        }
        return json_decode($body, true, 32);
    }
}
