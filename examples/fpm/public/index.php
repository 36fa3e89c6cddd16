<?php

/**
 * The front controller: finds the action for a request, and makes JSON of its answer.
 *
 * README.md in the folder above says how to try it, and what to write into nginx's configuration.
 */

declare(strict_types=1);

use FpmExample\PushController;
use GatewayWorker\Lib\GatewayException;

require dirname(__DIR__) . '/bootstrap.php';

$controller = new PushController();
$routes = [
    'POST ~^/users/([^/]+)/messages$~D' => static fn (string $uid): array => $controller->toUser($uid, $_POST),
    'POST ~^/users/([^/]+)/connections$~D' => static fn (string $uid): array => $controller->bind($uid, $_POST),
    'POST ~^/rooms/([^/]+)/messages$~D' => static fn (string $room): array => $controller->toRoom($room, $_POST),
    'GET ~^/users/([^/]+)/presence$~D' => static fn (string $uid): array => $controller->presence($uid),
];

$path = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
[$status, $answer] = [404, ['error' => 'no such page']];
foreach ($routes as $route => $action) {
    [$method, $pattern] = explode(' ', $route, 2);
    if ($method === $_SERVER['REQUEST_METHOD'] && preg_match($pattern, $path, $match) === 1) {
        try {
            [$status, $answer] = $action(rawurldecode($match[1]));
        } catch (GatewayException $e) {
            // The message names addresses: it is for the log, not for the visitor.
            error_log($e->getMessage());
            [$status, $answer] = [503, ['error' => 'the push service is not available']];
        }
        break;
    }
}

http_response_code($status);
header('Content-Type: application/json');
echo json_encode($answer, JSON_THROW_ON_ERROR);
