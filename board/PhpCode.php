<?php

declare(strict_types=1);

namespace GatewayWorker\Board;

/**
 * Values and calls as PHP code, for people to read.
 */
final class PhpCode
{
    /** Longer strings and values are cut after so many characters. */
    private const STRING = 80;
    private const VALUE = 600;

    /**
     * @param list<mixed> $arguments
     */
    public static function call(string $method, array $arguments): string
    {
        return "Gateway::$method(" . implode(', ', array_map([self::class, 'value'], $arguments)) . ')';
    }

    public static function value(mixed $value): string
    {
        return self::cut(self::write($value), self::VALUE);
    }

    private static function write(mixed $value): string
    {
        if (is_string($value)) {
            return "'" . addcslashes(self::cut($value, self::STRING), "'\\") . "'";
        }
        if (!is_array($value)) {
            return $value === null ? 'null' : var_export($value, true);
        }
        $parts = [];
        foreach ($value as $key => $element) {
            $parts[] = (array_is_list($value) ? '' : self::write($key) . ' => ') . self::write($element);
        }
        return '[' . implode(', ', $parts) . ']';
    }

    private static function cut(string $text, int $length): string
    {
        // Not mb_substr(): the extension mbstring is not needed for anything else here.
        $whole = preg_match('~^.{0,' . $length . '}~us', $text, $match) === 1 ? $match[0] : substr($text, 0, $length);
        return strlen($whole) < strlen($text) ? $whole . '…' : $text;
    }
}
