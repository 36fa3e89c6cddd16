#!/bin/sh
# Packs what a release consists of: `dist.sh FILE FOLDER`. FOLDER gets the archive that PIE looks for, with the name for the
# PHP at hand; the sources of the commit; a list of what is linked in (CycloneDX); and SHA256SUMS of all of it.

set -eu

PHP=${PHP:-php}
CARGO=${CARGO:-cargo}
[ $# -eq 2 ] || { echo "usage: $0 FILE FOLDER" >&2; exit 2; }

fail() {
    printf 'dist: %s\n' "$@" >&2
    exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
library=$(realpath "$1")
[ -f "$library" ] || fail "$1 is not there: build it first, with 'make build'."
command -v zip >/dev/null || fail "zip was not found: install the package of that name."
git -C "$root" rev-parse HEAD >/dev/null 2>&1 || fail "the sources are packed from git: $root is no clone."
"$PHP" -n -d extension="$library" -r 'exit((int) !extension_loaded("gatewayworker"));' || fail "$PHP does not load $library."
rm -rf "$2"
mkdir -p "$2"
out=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
case $(uname -m) in aarch64 | arm64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
target=$(cd "$root" && "${RUSTC:-rustc}" -vV | sed -n 's/^host: //p')
case $target in
    *-darwin) os=darwin libc=bsdlibc ;;
    *-musl*) os=linux libc=musl ;;
    *) os=linux libc=glibc ;;
esac
php=$("$PHP" -n -r 'echo PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;')
mode=$("$PHP" -n -r 'echo PHP_ZTS ? "zts" : "nts";')
asset=$("$root/.github/scripts/asset-name.sh" "${TAG:-v$version}" "$php" "$arch" "$os" "$libc" "$mode")

cp "$library" "$work/gatewayworker.so"
cp "$root/LICENSE" "$work/"
(cd "$work" && zip -9 -q -X "$out/$asset" gatewayworker.so LICENSE)
git -C "$root" archive --format=tar --prefix="gatewayworker-$version/" HEAD | gzip -9n >"$out/gatewayworker-$version.tar.gz"
(cd "$root" && "$CARGO" metadata --locked --format-version 1 --filter-platform "$target") >"$work/metadata.json"
"$PHP" "$root/scripts/sbom.php" <"$work/metadata.json" >"$out/gatewayworker-$version.cdx.json"
cd "$out"
sha256sum -- *.zip *.tar.gz *.cdx.json >SHA256SUMS
ls -1 "$out"
