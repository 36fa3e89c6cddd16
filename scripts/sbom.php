<?php

/**
 * Prints the software bill of materials of the extension: CycloneDX 1.5, from `cargo metadata` on standard input and
 * Cargo.lock. It lists what is linked into the file, without tools of the build and the tests.
 *
 *   cargo metadata --locked --format-version 1 --filter-platform TARGET | php scripts/sbom.php
 */

declare(strict_types=1);

$metadata = json_decode((string) stream_get_contents(STDIN), true, 64, JSON_THROW_ON_ERROR);
$packages = array_column($metadata['packages'], null, 'id');
$nodes = array_column($metadata['resolve']['nodes'], null, 'id');
preg_match_all(
    '~^name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([^"]+)"~m',
    (string) file_get_contents(__DIR__ . '/../Cargo.lock'),
    $locked,
    PREG_SET_ORDER
);
$checksums = [];
foreach ($locked as [, $name, $version, $checksum]) {
    $checksums["$name@$version"] = $checksum;
}
$linked = static fn (array $node): array => array_column(array_filter(
    $node['deps'],
    // Of a null kind are those that are linked; "build" and "dev" are tools.
    static fn (array $dep): bool => in_array(null, array_column($dep['dep_kinds'], 'kind'), true)
), 'pkg');
$isMacro = static fn (array $package): bool => in_array('proc-macro', array_merge(...array_column($package['targets'], 'kind')), true);
$root = null;
foreach ($packages as $id => $package) {
    $root = $package['name'] === 'gatewayworker' ? $id : $root;
}
if ($root === null) {
    fwrite(STDERR, "sbom: the metadata has no package gatewayworker\n");
    exit(1);
}
[$seen, $open] = [[], [$root]];
while ($open !== []) {
    $id = array_pop($open);
    if (!isset($seen[$id])) {
        $seen[$id] = array_values(array_filter($linked($nodes[$id]), static fn (string $of): bool => !$isMacro($packages[$of])));
        array_push($open, ...$seen[$id]);
    }
}
$reference = static fn (string $id): string => "pkg:cargo/{$packages[$id]['name']}@{$packages[$id]['version']}";
$component = static function (string $id) use ($packages, $reference, $checksums, $root): array {
    $package = $packages[$id];
    $checksum = $checksums["{$package['name']}@{$package['version']}"] ?? null;
    return array_filter([
        'type' => 'library',
        'bom-ref' => $reference($id),
        'name' => $package['name'],
        'version' => $package['version'],
        'description' => $package['description'],
        'licenses' => $package['license'] === null ? null : [['expression' => str_replace('/', ' OR ', $package['license'])]],
        'hashes' => $checksum === null ? null : [['alg' => 'SHA-256', 'content' => $checksum]],
        'purl' => $package['source'] === null && $id !== $root ? null : $reference($id),
    ], static fn (mixed $value): bool => $value !== null);
};
$ids = array_keys($seen);
usort($ids, static fn (string $one, string $other): int => $reference($one) <=> $reference($other));
echo json_encode([
    'bomFormat' => 'CycloneDX',
    'specVersion' => '1.5',
    'version' => 1,
    'metadata' => ['component' => $component($root)],
    'components' => array_map($component, array_values(array_diff($ids, [$root]))),
    'dependencies' => array_map(static function (string $id) use ($seen, $reference): array {
        $on = array_values(array_unique(array_map($reference, $seen[$id])));
        sort($on);
        return ['ref' => $reference($id), 'dependsOn' => $on];
    }, $ids),
], JSON_THROW_ON_ERROR | JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
