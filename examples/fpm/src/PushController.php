<?php

declare(strict_types=1);

namespace FpmExample;

use GatewayWorker\Lib\Gateway;

/**
 * Pushes to users and rooms on behalf of web requests. Each action returns a status code and what
 * is to become JSON.
 *
 * Who may push to whom is not decided here: put your framework's authentication in front of it.
 */
final class PushController
{
    private const LIMIT = 64 * 1024;

    /**
     * POST /users/{uid}/messages
     *
     * @param array<string, mixed> $form
     *
     * @return array{int, array<string, mixed>}
     */
    public function toUser(string $uid, array $form): array
    {
        $text = $this->text($form);
        if ($text === null) {
            return [422, ['error' => 'text is missing, empty or too long']];
        }
        // Returns once the message is queued: the request does not wait for the gateways.
        Gateway::sendToUid($uid, $this->event('message', ['text' => $text]));
        return [202, ['queued' => true]];
    }

    /**
     * POST /rooms/{room}/messages
     *
     * @param array<string, mixed> $form
     *
     * @return array{int, array<string, mixed>}
     */
    public function toRoom(string $room, array $form): array
    {
        $text = $this->text($form);
        if ($text === null) {
            return [422, ['error' => 'text is missing, empty or too long']];
        }
        $sent = Gateway::sendToGroup($room, $this->event('message', ['room' => $room, 'text' => $text]));
        // False for a group that the protocol cannot carry, such as '0'.
        return $sent === false ? [422, ['error' => 'no such room']] : [202, ['queued' => true]];
    }

    /**
     * POST /users/{uid}/connections: a page tells which connection is its own, once the gateway has
     * told it.
     *
     * @param array<string, mixed> $form
     *
     * @return array{int, array<string, mixed>}
     */
    public function bind(string $uid, array $form): array
    {
        $client = $form['client_id'] ?? null;
        if (!is_string($client) || Gateway::isOnline($client) !== 1) {
            return [422, ['error' => 'client_id is not that of a connection']];
        }
        Gateway::bindUid($client, $uid);
        return [200, ['bound' => true]];
    }

    /**
     * GET /users/{uid}/presence
     *
     * @return array{int, array<string, mixed>}
     */
    public function presence(string $uid): array
    {
        // Throws where it cannot be known: "offline" always means offline.
        return [200, ['online' => Gateway::isUidOnline($uid) === 1]];
    }

    /**
     * @param array<string, mixed> $form
     */
    private function text(array $form): ?string
    {
        $text = $form['text'] ?? null;
        return is_string($text) && $text !== '' && strlen($text) <= self::LIMIT ? $text : null;
    }

    /**
     * @param array<string, mixed> $data
     */
    private function event(string $type, array $data): string
    {
        return json_encode(['type' => $type] + $data, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
    }
}
