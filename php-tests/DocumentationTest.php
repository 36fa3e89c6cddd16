<?php

declare(strict_types=1);

namespace GatewayWorker\Tests;

use FilesystemIterator;
use GatewayWorker\Tests\Support\Implementation;
use GatewayWorker\Tests\Support\Markdown;
use PHPUnit\Framework\TestCase;
use RecursiveCallbackFilterIterator;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;
use SplFileInfo;

/**
 * Files, headings and make targets that the documents name exist, and both languages say the same.
 */
final class DocumentationTest extends TestCase
{
    /** Folders that hold nothing of ours. */
    private const FOREIGN = ['.git', 'node_modules', 'target', 'vendor'];

    /** Pages that exist in English and in Chinese. */
    private const TRANSLATIONS = [
        'README.md' => 'README.zh-CN.md',
        'docs/deployment.md' => 'docs/zh-CN/deployment.md',
        'docs/faq.md' => 'docs/zh-CN/faq.md',
        'docs/install.md' => 'docs/zh-CN/install.md',
        'docs/editors.md' => 'docs/zh-CN/editors.md',
        'docs/methods.md' => 'docs/zh-CN/methods.md',
        'docs/settings.md' => 'docs/zh-CN/settings.md',
        'docs/monitoring.md' => 'docs/zh-CN/monitoring.md',
        'UPGRADING.md' => 'docs/zh-CN/upgrading.md',
    ];

    /** What is done with the project by those who work on it is described in one place. */
    private const TARGETS = 'CONTRIBUTING.md';

    /**
     * @return list<string> their paths, from the root of the project
     */
    private static function documents(): array
    {
        $root = Implementation::root();
        $files = new RecursiveIteratorIterator(new RecursiveCallbackFilterIterator(
            new RecursiveDirectoryIterator($root, FilesystemIterator::SKIP_DOTS),
            static fn (SplFileInfo $file): bool => !in_array($file->getFilename(), self::FOREIGN, true)
        ));
        $documents = [];
        foreach ($files as $file) {
            if ($file->getExtension() === 'md') {
                $documents[] = substr($file->getPathname(), strlen($root) + 1);
            }
        }
        sort($documents);
        return $documents;
    }

    private static function document(string $path): Markdown
    {
        return new Markdown((string) file_get_contents(Implementation::root() . "/$path"));
    }

    public function testEveryRelativeLinkLeadsToAFileAndAHeadingThatAreThere(): void
    {
        $broken = [];
        $checked = 0;
        foreach (self::documents() as $document) {
            foreach (self::document($document)->links() as $link) {
                if (preg_match('~^[a-z][a-z0-9+.-]*:~i', $link) === 1) {
                    continue;
                }
                $checked++;
                if (!self::leadsSomewhere($document, $link)) {
                    $broken[] = "$document: $link";
                }
            }
        }
        self::assertSame([], $broken);
        self::assertGreaterThan(0, $checked);
    }

    private static function leadsSomewhere(string $document, string $link): bool
    {
        [$path, $anchor] = explode('#', $link, 2) + [1 => null];
        $folder = dirname(Implementation::root() . "/$document");
        $target = $path === '' ? Implementation::root() . "/$document" : $folder . '/' . rawurldecode($path);
        if (!file_exists($target)) {
            return false;
        }
        return $anchor === null || is_file($target)
            && in_array(rawurldecode($anchor), (new Markdown((string) file_get_contents($target)))->anchors(), true);
    }

    /** A link that is not found to be broken would make the test above worthless. */
    public function testABrokenLinkIsFound(): void
    {
        self::assertTrue(self::leadsSomewhere('README.md', 'docs/faq.md#php-fpm'));
        self::assertTrue(self::leadsSomewhere('docs/zh-CN/faq.md', 'methods.md#方法'));
        self::assertFalse(self::leadsSomewhere('README.md', 'docs/none.md'));
        self::assertFalse(self::leadsSomewhere('README.md', 'docs/faq.md#none'));
        self::assertFalse(self::leadsSomewhere('docs/faq.md', 'README.md'), 'it is in the folder above');
        self::assertFalse(self::leadsSomewhere('README.md', 'docs#anchor'), 'a folder has no headings');
    }

    /**
     * The headings, as levels; the commands and code, without comments; what is named first in each
     * row of a table.
     */
    public function testBothLanguagesHaveTheSameSectionsCodeAndTables(): void
    {
        foreach (self::TRANSLATIONS as $english => $chinese) {
            [$one, $other] = [self::document($english), self::document($chinese)];
            self::assertSame($one->levels(), $other->levels(), "the headings of $english and $chinese");
            self::assertSame($one->code(), $other->code(), "the code of $english and $chinese");
            self::assertSame($one->rows(), $other->rows(), "the tables of $english and $chinese");
        }
    }

    public function testEveryTargetOfMakeIsTold(): void
    {
        $text = (string) file_get_contents(Implementation::root() . '/' . self::TARGETS);
        $targets = self::targets();
        self::assertNotSame([], $targets);
        foreach ($targets as $target) {
            self::assertMatchesRegularExpression("/\\bmake $target(?![a-z0-9-])/", $text, self::TARGETS . " names make $target");
        }
    }

    public function testEveryTargetThatIsNamedIsThere(): void
    {
        preg_match_all('/^([a-z0-9-]+):(?!=)/m', (string) file_get_contents(Implementation::root() . '/Makefile'), $found);
        foreach (self::documents() as $document) {
            foreach (self::document($document)->makeTargets() as $target) {
                self::assertContains($target, $found[1], "make $target, in $document");
            }
        }
    }

    /**
     * @return list<string> those that `make help` lists
     */
    private static function targets(): array
    {
        preg_match_all('/^([a-z0-9-]+):.*## /m', (string) file_get_contents(Implementation::root() . '/Makefile'), $found);
        return $found[1];
    }
}
