<?php

/**
 * What `php -S` runs for each request: the page's files, and POST /api/… in JSON.
 *
 * A development tool: whoever reaches it can do everything that it offers. It is therefore bound to
 * the loopback interface, and serves no page but its own: see Request.
 */

declare(strict_types=1);

use GatewayWorker\Board\Api;
use GatewayWorker\Board\Gatewayd;
use GatewayWorker\Board\Refusal;
use GatewayWorker\Board\Request;

foreach (['Refusal', 'Request', 'PhpCode', 'Calls', 'Gatewayd', 'Api'] as $class) {
    require __DIR__ . "/$class.php";
}

const TYPES = ['html' => 'text/html', 'css' => 'text/css', 'js' => 'text/javascript', 'svg' => 'image/svg+xml'];

$board = json_decode((string) getenv('GATEWAYWORKER_BOARD'), true);
if (!is_array($board)) {
    http_response_code(500);
    header('Content-Type: text/plain; charset=utf-8');
    exit("The board is started with `make board`.\n");
}

$sockets = array_map(static fn (array $gateway): string => "ws://{$gateway['websocket']}", $board['gateways']);
header("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    . "form-action 'none'; frame-ancestors 'none'; connect-src 'self' " . implode(' ', $sockets));
header('X-Content-Type-Options: nosniff');
header('Referrer-Policy: no-referrer');
header('Cache-Control: no-store');

try {
    $request = Request::fromGlobals();
    if (strncmp($request->path, '/api/', 5) === 0) {
        $api = new Api($board['register'], new Gatewayd($board['control'], $board['gateways'], $board['notes']));
        $reply = $api->reply(substr($request->path, 5), $request->json());
    } else {
        $name = $request->path === '/' ? 'index.html' : substr($request->path, 1);
        $file = __DIR__ . "/public/$name";
        if (preg_match('~^[a-z]+\.(html|css|js|svg)$~D', $name, $match) !== 1 || !is_file($file)) {
            throw new Refusal(404, 'There is nothing here.');
        }
        header('Content-Type: ' . TYPES[$match[1]] . '; charset=utf-8');
        readfile($file);
        return;
    }
} catch (Refusal $refusal) {
    http_response_code($refusal->getCode());
    $reply = ['error' => ['class' => 'Refused', 'message' => $refusal->getMessage()]];
}
header('Content-Type: application/json; charset=utf-8');
echo json_encode($reply, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
