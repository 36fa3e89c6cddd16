<?php

declare(strict_types=1);

namespace GatewayWorker\Board;

use GatewayWorker\Lib\Gateway;

/**
 * The methods of the class that the page may call, with what each argument has to be.
 */
final class Calls
{
    private const METHODS = [
        'sendToAll' => ['message' => 'message'],
        'sendToClient' => ['client_id' => 'client', 'message' => 'message'],
        'sendToUid' => ['uid' => 'name', 'message' => 'message'],
        'sendToGroup' => ['group' => 'name', 'message' => 'message'],
        'closeClient' => ['client_id' => 'client', 'message' => 'message'],
        'destroyClient' => ['client_id' => 'client'],
        'bindUid' => ['client_id' => 'client', 'uid' => 'name'],
        'unbindUid' => ['client_id' => 'client', 'uid' => 'name'],
        'joinGroup' => ['client_id' => 'client', 'group' => 'name'],
        'leaveGroup' => ['client_id' => 'client', 'group' => 'name'],
        'ungroup' => ['group' => 'name'],
        'setSession' => ['client_id' => 'client', 'session' => 'session'],
        'updateSession' => ['client_id' => 'client', 'session' => 'session'],
        'getSession' => ['client_id' => 'client'],
        'isOnline' => ['client_id' => 'client'],
        'isUidOnline' => ['uid' => 'name'],
        'getUidByClientId' => ['client_id' => 'client'],
        'getClientIdByUid' => ['uid' => 'name'],
        'getClientIdListByGroup' => ['group' => 'name'],
        'getUidListByGroup' => ['group' => 'name'],
        'getClientCountByGroup' => ['group' => 'name'],
        'getAllClientCount' => [],
        'getAllClientIdList' => [],
        'getAllUidList' => [],
        'getAllGroupIdList' => [],
        'getAllClientSessions' => [],
        'getAllGroupClientIdCount' => [],
    ];

    /**
     * The longest message that the page may give, the longest that a send may be filled up to, in
     * bytes.
     */
    private const MAX_MESSAGE = 16 << 10;
    private const MAX_SIZE = 64 << 10;

    /** How often a send may be repeated, and how many bytes all repetitions may have together. */
    private const MAX_TIMES = 1000;
    private const MAX_TOTAL = 16 << 20;

    /**
     * @param list<mixed> $arguments
     */
    private function __construct(
        private readonly string $method,
        private readonly array $arguments,
        private readonly int $times
    ) {
    }

    /**
     * A call as the page requests it: `method`, `arguments` by name; for methods that send, `times`
     * that it is repeated and `size` in bytes that the message is filled up to.
     *
     * @param array<string, mixed> $request
     *
     * @throws Refusal where it makes no sense
     */
    public static function from(array $request): self
    {
        $method = $request['method'] ?? null;
        if (!is_string($method) || !isset(self::METHODS[$method])) {
            throw new Refusal(400, 'The board knows no such method.');
        }
        $given = $request['arguments'] ?? [];
        $wanted = self::METHODS[$method];
        if (!is_array($given) || array_diff_key($given, $wanted) !== []) {
            throw new Refusal(400, "These are not the arguments of $method.");
        }
        $arguments = [];
        foreach ($wanted as $name => $kind) {
            $arguments[$name] = self::argument($kind, $name, $given[$name] ?? null);
        }
        $times = self::number($request, 'times', 1, self::MAX_TIMES);
        $size = self::number($request, 'size', 0, self::MAX_SIZE);
        if (strncmp($method, 'send', 4) !== 0) {
            $times = 1;
        } elseif ($size > strlen($arguments['message'])) {
            $arguments['message'] = str_pad($arguments['message'] . ' ', $size, '.');
        }
        if ($times * strlen($arguments['message'] ?? '') > self::MAX_TOTAL) {
            throw new Refusal(400, 'That is more than 16 MiB at once: fewer or shorter messages, please.');
        }
        return new self($method, array_values($arguments), $times);
    }

    /**
     * Makes the call, as often as requested.
     */
    public function make(): mixed
    {
        for ($i = 1; $i < $this->times; $i++) {
            Gateway::{$this->method}(...$this->arguments);
        }
        return Gateway::{$this->method}(...$this->arguments);
    }

    public function code(): string
    {
        $code = PhpCode::call($this->method, $this->arguments);
        return $this->times === 1 ? $code : "{$this->times} × $code";
    }

    private static function argument(string $kind, string $name, mixed $value): mixed
    {
        switch ($kind) {
            case 'client':
                if (!is_string($value) || preg_match('~^[0-9a-f]{20}$~D', $value) !== 1) {
                    throw new Refusal(400, "$name has to be the id of a client: 20 hex digits.");
                }
                return $value;
            case 'name':
                if (!is_string($value) || $value === '' || strlen($value) > 64) {
                    throw new Refusal(400, "$name has to be a text of 1 to 64 bytes.");
                }
                return $value;
            case 'message':
                if (!is_string($value) || $value === '' || strlen($value) > self::MAX_MESSAGE) {
                    throw new Refusal(400, "$name has to be a text of 1 byte to 16 KiB.");
                }
                return $value;
            default:
                if (!is_array($value)) {
                    throw new Refusal(400, "$name has to be an object or a list.");
                }
                return $value;
        }
    }

    /**
     * @param array<string, mixed> $request
     */
    private static function number(array $request, string $name, int $least, int $most): int
    {
        $value = $request[$name] ?? $least;
        if (!is_int($value) || $value < $least || $value > $most) {
            throw new Refusal(400, "$name has to be a number from $least to $most.");
        }
        return $value;
    }
}
