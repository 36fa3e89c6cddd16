<?php

/**
 * Prints the names of the tests that have failed, from a report of PHPUnit (--log-junit), with what
 * each of them said first.
 */

declare(strict_types=1);

$report = $argv[1] ?? '';
$document = new DOMDocument();
if (!is_file($report) || filesize($report) === 0 || !$document->load($report)) {
    echo "\nPHPUnit has left no report, so it ended before its time: the test that ran last is at fault.\n";
    exit;
}
$failed = [];
foreach ((new DOMXPath($document))->query('//testcase[failure or error or warning]') as $test) {
    $name = $test->getAttribute('class') . '::' . $test->getAttribute('name');
    foreach ($test->childNodes as $child) {
        if (in_array($child->nodeName, ['failure', 'error', 'warning'], true)) {
            // The first line is the name again.
            $failed[$name] = explode("\n", trim($child->textContent))[1] ?? '';
        }
    }
}
if ($failed === []) {
    echo "\nNo test has failed by itself. Above stands what PHPUnit objects to.\n";
    exit;
}
echo "\nFailed tests:\n";
foreach ($failed as $name => $said) {
    echo "  $name\n      " . (strlen($said) > 300 ? substr($said, 0, 300) . ' ...' : $said) . "\n";
}
