<?php

declare(strict_types=1);

namespace ChatExample;

use GatewayWorker\Lib\Gateway;

/**
 * A chat with rooms. Clients and the chat talk in JSON, one object a message, with a "type";
 * README.md lists them.
 *
 * A name is a uid and a room is a group, so that other PHP code can push to both:
 * Gateway::sendToUid('ann', …). Who a connection belongs to is in its session.
 */
class Events
{
    /** What a name or a room may be: groups such as '' and '0' do not exist in GatewayWorker. */
    private const NAME = '/^\p{L}[\p{L}\p{N}_-]{0,31}$/Du';

    private const LONGEST_TEXT = 4000;

    /**
     * A client has connected: it is told which connection it is, so that it may tell a web
     * application.
     */
    public static function onConnect(string $client_id): void
    {
        self::answer('init', ['client_id' => $client_id]);
    }

    /**
     * A client has said something.
     */
    public static function onMessage(string $client_id, string $message): void
    {
        $said = json_decode($message, true);
        $type = is_array($said) ? $said['type'] ?? null : null;
        if ($type === 'ping') {
            return;
        }
        if ($type === 'enter') {
            self::enter($client_id, $said);
            return;
        }
        if (!isset($_SESSION['name'])) {
            self::answer('error', ['reason' => 'enter a room first']);
            return;
        }
        switch ($type) {
            case 'say':
                self::say($said);
                break;
            case 'whisper':
                self::whisper($said);
                break;
            case 'who':
                self::answer('present', ['room' => $_SESSION['room'], 'names' => self::names($_SESSION['room'])]);
                break;
            default:
                self::answer('error', ['reason' => 'unknown type']);
        }
    }

    /**
     * A connection has ended. The gateway has unbound it and taken it out of its groups already;
     * the session is still there to be looked at.
     */
    public static function onClose(string $client_id): void
    {
        // Another window of the same person may still be open.
        if (isset($_SESSION['name']) && !in_array($_SESSION['name'], self::names($_SESSION['room']), true)) {
            self::toRoom($_SESSION['room'], 'left', ['name' => $_SESSION['name']]);
        }
    }

    /**
     * @param array<string, mixed> $said
     */
    private static function enter(string $client_id, array $said): void
    {
        [$name, $room] = [$said['name'] ?? null, $said['room'] ?? null];
        if (!self::isName($name) || !self::isName($room)) {
            self::answer('error', ['reason' => 'a name and a room are one word of letters, digits, _ and -']);
            return;
        }
        if (isset($_SESSION['name'])) {
            Gateway::unbindUid($client_id, $_SESSION['name']);
            Gateway::leaveGroup($client_id, $_SESSION['room']);
            self::toRoom($_SESSION['room'], 'left', ['name' => $_SESSION['name']]);
        }
        Gateway::bindUid($client_id, $name);
        Gateway::joinGroup($client_id, $room);
        // At once, and not by $_SESSION at the end of the callback: the list of names below is to
        // have this one in it.
        Gateway::setSession($client_id, ['name' => $name, 'room' => $room]);
        self::toRoom($room, 'entered', ['name' => $name], [$client_id]);
        self::answer('present', ['room' => $room, 'names' => self::names($room)]);
    }

    /**
     * @param array<string, mixed> $said
     */
    private static function say(array $said): void
    {
        $text = self::text($said);
        if ($text !== null) {
            self::toRoom($_SESSION['room'], 'said', ['name' => $_SESSION['name'], 'text' => $text]);
        }
    }

    /**
     * @param array<string, mixed> $said
     */
    private static function whisper(array $said): void
    {
        $text = self::text($said);
        $to = $said['to'] ?? null;
        if ($text === null) {
            return;
        }
        if (!self::isName($to) || Gateway::isUidOnline($to) !== 1) {
            self::answer('error', ['reason' => 'nobody of that name is here']);
            return;
        }
        Gateway::sendToUid($to, self::event('whispered', ['name' => $_SESSION['name'], 'text' => $text]));
    }

    /**
     * The names of those in a room, each once.
     *
     * @return list<string>
     */
    private static function names(string $room): array
    {
        $names = array_column(Gateway::getClientSessionsByGroup($room), 'name');
        sort($names);
        return array_values(array_unique($names));
    }

    /**
     * @param array<string, mixed> $said
     */
    private static function text(array $said): ?string
    {
        $text = $said['text'] ?? null;
        if (!is_string($text) || $text === '' || strlen($text) > self::LONGEST_TEXT) {
            self::answer('error', ['reason' => 'text is missing or too long']);
            return null;
        }
        return $text;
    }

    /**
     * @param mixed $name
     */
    private static function isName($name): bool
    {
        return is_string($name) && preg_match(self::NAME, $name) === 1;
    }

    /**
     * @param array<string, mixed> $data
     * @param list<string>         $except client ids
     */
    private static function toRoom(string $room, string $type, array $data, array $except = []): void
    {
        Gateway::sendToGroup($room, self::event($type, $data), $except);
    }

    /**
     * @param array<string, mixed> $data
     */
    private static function answer(string $type, array $data): void
    {
        Gateway::sendToCurrentClient(self::event($type, $data));
    }

    /**
     * @param array<string, mixed> $data
     */
    private static function event(string $type, array $data): string
    {
        return json_encode(['type' => $type] + $data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
    }
}
