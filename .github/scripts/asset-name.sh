#!/bin/sh
# Prints the name under which PIE looks for a binary of a release: `asset-name.sh VERSION PHP ARCH
# OS LIBC MODE`, such as `asset-name.sh v0.1.0 8.4 arm64 linux musl zts`.
#
# VERSION is the tag as it is, with its v if it has one: PIE takes the version as Composer's package
# names it. Debug builds of PHP (whose name would have -debug before the mode) are not released.

set -eu

[ $# -eq 6 ] || { echo "usage: $0 VERSION PHP ARCH OS LIBC MODE" >&2; exit 2; }
case $3 in x86_64 | arm64) ;; *) echo "$0: PIE knows no architecture $3 here" >&2; exit 2 ;; esac
case $4-$5 in
    linux-glibc | linux-musl | darwin-bsdlibc) ;;
    *) echo "$0: PIE knows no $5 on $4" >&2; exit 2 ;;
esac
case $6 in nts | zts) ;; *) echo "$0: the mode is nts or zts, not $6" >&2; exit 2 ;; esac

printf 'php_gatewayworker-%s_php%s-%s-%s-%s-%s.zip\n' "$@" | tr '[:upper:]' '[:lower:]'
