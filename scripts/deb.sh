#!/bin/sh
# Makes a Debian package of what was built last, with dpkg's own tools: `deb.sh FILE FOLDER`.
#
# The package is for the PHP in PHP and PHP_CONFIG and fits Debian's layout, where each SAPI has its folder of links, which
# phpenmod sets. FOLDER gets php8.2-gatewayworker_VERSION_ARCHITECTURE.deb, or whichever PHP that is.

set -eu

PHP=${PHP:-php}
[ $# -eq 2 ] || { echo "usage: $0 FILE FOLDER" >&2; exit 2; }

fail() {
    printf 'deb: %s\n' "$@" >&2
    exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
library=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
for program in dpkg-deb dpkg-shlibdeps dpkg-gencontrol; do
    command -v "$program" >/dev/null || fail "$program was not found: install the Debian package dpkg-dev."
done
[ -f "$library" ] || fail "$1 is not there: build it first, with 'make build'."
"$PHP" -n -d extension="$library" -r 'exit((int) !extension_loaded("gatewayworker"));' \
    || fail "$PHP does not load $library."

php=$("$PHP" -n -r 'echo PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;')
extensions=$("$PHP" -n -r 'echo PHP_EXTENSION_DIR;')
api=phpapi-$(basename "$extensions")
case $extensions in
    /usr/lib/php/[0-9]*) ;;
    *) fail "$PHP is not packaged as Debian does: its extensions are in $extensions." ;;
esac
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
name=php$php-gatewayworker
# Files have the time of the commit, so that the same sources make the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
tree=$work/tree
mkdir -p "$work/debian" "$tree/DEBIAN" "$tree$extensions" "$tree/etc/php/$php/mods-available" \
    "$tree/usr/share/$name" "$tree/usr/share/doc/$name"

# fill FILE PLACE MODE
fill() {
    sed "s/@PHP@/$php/g; s/@API@/$api/g; s/@PRIORITY@/$(echo "$php" | tr -d .)/g" "$root/packaging/debian/$1" >"$2"
    chmod "$3" "$2"
}

install -m 644 "$library" "$tree$extensions/gatewayworker.so"
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$tree$extensions/gatewayworker.so"
install -m 755 "$root/bin/gatewayworker-top" "$tree/usr/share/$name/gatewayworker-top"
printf '; Settings (gatewayworker.*) may stand here.\n; priority=20\nextension=gatewayworker.so\n' \
    >"$tree/etc/php/$php/mods-available/gatewayworker.ini"
echo "/etc/php/$php/mods-available/gatewayworker.ini" >"$tree/DEBIAN/conffiles"

{
    echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
    echo 'Upstream-Name: gatewayworker'
    echo
    echo 'Files: *'
    echo "Copyright: $(sed -n 's/^Copyright (c) //p' "$root/LICENSE")"
    echo 'License: Expat'
    sed '1,/^Copyright/d' "$root/LICENSE" | sed '1{/^$/d}; s/^$/./; s/^/ /'
} >"$tree/usr/share/doc/$name/copyright"
{
    printf '%s (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n' "$name" "$version"
    printf ' -- gatewayworker maintainers <maintainers@example.org>  %s\n' "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} >"$work/debian/changelog"
gzip -9n <"$work/debian/changelog" >"$tree/usr/share/doc/$name/changelog.gz"
gzip -9n <"$root/CHANGELOG.md" >"$tree/usr/share/doc/$name/CHANGELOG.md.gz"

fill control "$work/debian/control" 644
for script in postinst prerm postrm; do
    fill "$script" "$tree/DEBIAN/$script" 755
done
fill triggers "$tree/DEBIAN/triggers" 644
(
    cd "$work"
    dpkg-shlibdeps -Tdebian/substvars "tree$extensions/gatewayworker.so"
    dpkg-gencontrol -p"$name" -P"$tree" -Tdebian/substvars -O"$tree/DEBIAN/control"
    cd "$tree"
    find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums
)
chmod 644 "$tree/DEBIAN/control" "$tree/DEBIAN/md5sums"
dpkg-deb --root-owner-group --build "$tree" "$out" >/dev/null
echo "$out/${name}_${version}_$(dpkg --print-architecture).deb"
