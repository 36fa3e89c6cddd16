<?php

declare(strict_types=1);

namespace GatewayWorker\Tests\Support;

/**
 * A Markdown document: its links, headings, code and tables, as far as the documents of this
 * project use them.
 */
final class Markdown
{
    /** @var list<string> the lines outside of fenced code */
    private $prose = [];

    /** @var list<string> the lines of fenced code */
    private $code = [];

    public function __construct(string $text)
    {
        $fence = null;
        foreach (explode("\n", $text) as $line) {
            if (preg_match('/^\s*(`{3,}|~{3,})/', $line, $match) === 1 && ($fence === null || $fence === $match[1])) {
                $fence = $fence === null ? $match[1] : null;
            } elseif ($fence !== null) {
                $this->code[] = $line;
            } else {
                $this->prose[] = $line;
            }
        }
    }

    /**
     * Where links and images lead. What is in code is no link.
     *
     * @return list<string>
     */
    public function links(): array
    {
        $text = (string) preg_replace('/(`+)(?!`).*?(?<!`)\1(?!`)/s', '', implode("\n", $this->prose));
        // [text](target "title"), and [name]: target
        preg_match_all('/\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)/', $text, $inline);
        preg_match_all('/^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)/m', $text, $references);
        return array_merge($inline[1], $references[1]);
    }

    /**
     * The names that GitHub gives to the headings: in lower case, without punctuation, with - for
     * each space, and numbered where one occurs again.
     *
     * @return list<string>
     */
    public function anchors(): array
    {
        $anchors = $seen = [];
        foreach ($this->headings() as [, $heading]) {
            // Of a link, the text is shown.
            $heading = (string) preg_replace('/\[([^\]]*)\]\([^)]*\)/', '$1', $heading);
            $anchor = (string) preg_replace('/[^\p{L}\p{M}\p{N}_ -]/u', '', mb_strtolower($heading, 'UTF-8'));
            $anchor = str_replace(' ', '-', $anchor);
            $times = $seen[$anchor] = ($seen[$anchor] ?? -1) + 1;
            $anchors[] = $times === 0 ? $anchor : "$anchor-$times";
        }
        return $anchors;
    }

    /**
     * @return list<int> the levels of the headings, in their order
     */
    public function levels(): array
    {
        return array_column($this->headings(), 0);
    }

    /**
     * @return list<string> the lines of code that are not empty, without comments
     */
    public function code(): array
    {
        $lines = array_map(
            static fn (string $line): string => rtrim((string) preg_replace('~(^|\s+)(#|//|;)\s.*$~', '', $line)),
            $this->code
        );
        return array_values(array_filter($lines, static fn (string $line): bool => $line !== ''));
    }

    /**
     * What is written as code, or as the text of a link, in the first cell of each row of a table.
     *
     * @return list<list<string>>
     */
    public function rows(): array
    {
        $rows = [];
        foreach ($this->prose as $line) {
            if (preg_match('/^\s*\|((?:[^|\\\\]|\\\\.)*)\|/', $line, $cell) === 1) {
                preg_match_all('/`[^`]+`|(?<=\()[^)\s]+(?=\))/', $cell[1], $found);
                // Links lead to the page in the reader's language.
                $rows[] = array_map(static fn (string $name): string => str_replace('zh-CN/', '', $name), $found[0]);
            }
        }
        return $rows;
    }

    /**
     * @return list<string> what `make` is called with, in code
     */
    public function makeTargets(): array
    {
        preg_match_all('/`([^`]+)`/', implode("\n", $this->prose), $spans);
        $targets = [];
        foreach (array_merge($spans[1], $this->code) as $code) {
            if (preg_match('/^\s*(?:sudo )?make\s+((?:[A-Z_0-9]+=\S+\s+)*)([a-z0-9-]+)/', $code, $match) === 1) {
                $targets[] = $match[2];
            }
        }
        return $targets;
    }

    /**
     * @return list<array{int, string}> level and text
     */
    private function headings(): array
    {
        $headings = [];
        foreach ($this->prose as $line) {
            if (preg_match('/^(#{1,6})\s+(.*?)\s*#*\s*$/', $line, $match) === 1) {
                $headings[] = [strlen($match[1]), $match[2]];
            }
        }
        return $headings;
    }
}
