#!/usr/bin/env bash
# Builds the extension with AddressSanitizer and runs the PHP tests with it: PHPUnit, and every PHP
# and php-fpm that the tests start or fork. Then the Rust tests of the wire format and of the client
# with AddressSanitizer, and with ThreadSanitizer where the sources of the standard library are
# there (rustup +nightly component add rust-src).
#
#   scripts/asan.sh [options of PHPUnit]
#
# Needs a nightly toolchain and the C compiler with its libasan. Ends with an error where a
# sanitizer finds a wrong access anywhere, or memory that the extension has asked for and that
# nobody knows any more; not where PHP itself leaves some behind.
set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)
cd "$project"
target=${CARGO_TARGET_DIR:-$project/target}/sanitizers
triple=$(rustc -vV | sed -n 's/^host: //p')
php=${PHP:-php}
phpunit=${PHPUNIT:-$(command -v phpunit)}
export GATEWAYD=${GATEWAYD:-$project/target/release/gatewayd}

fail() {
    echo "asan.sh: $*" >&2
    exit 1
}

cargo +nightly --version >/dev/null 2>&1 || fail "a nightly toolchain is needed: rustup toolchain install nightly"
libasan=$(cc -print-file-name=libasan.so)
[ -e "$libasan" ] || fail "the C compiler has no libasan."
[ -x "$GATEWAYD" ] || fail "gatewayd is not built; \`make asan\` does it."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "==> the extension, with AddressSanitizer"
export CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=1
RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes" cargo +nightly build --locked --quiet --target "$triple" \
    --target-dir "$target/address" -p gatewayworker

# PHP loads extensions with RTLD_DEEPBIND, by which they would find another malloc() than that of
# the sanitizer.
cat >"$work/dlopen.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
void *dlopen(const char *file, int flags) {
    void *(*next)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return next(file, flags & ~RTLD_DEEPBIND);
}
C
cc -shared -fPIC -O1 -o "$work/dlopen.so" "$work/dlopen.c"

echo "==> the PHP tests"
# The memory of a request comes from malloc(), so that the sanitizer sees it too. PCRE's compiled
# patterns are not code that it knows.
# shellcheck source=scripts/memory-tests.sh
. scripts/memory-tests.sh
export GATEWAYWORKER_SO="$target/address/$triple/debug/libgatewayworker.so"
code=0
env LD_PRELOAD="$work/dlopen.so $libasan" USE_ZEND_ALLOC=0 \
    LSAN_OPTIONS="suppressions=$project/scripts/lsan.supp:print_suppressions=0:exitcode=0" \
    ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=1:fast_unwind_on_malloc=0:log_path=$work/report:log_exe_name=1" \
    "$php" -d pcre.jit=0 -d extension="$GATEWAYWORKER_SO" "$phpunit" \
    --filter "$memory_tests" "$@" || code=$?
# Other programs (gatewayd, shells) run with the library as well, but are not built for it: what it
# says about them means nothing. Leaks stand in paragraphs; a frame of the extension is one in a
# Rust file.
shopt -s nullglob
reports=("$work"/report.php*)
ours=
for report in "${reports[@]}"; do
    if grep -q "ERROR: AddressSanitizer" "$report"; then
        ours+=$(cat "$report")
    else
        ours+=$(awk -v RS= '/ leak of / && /\.rs:[0-9]/ { print $0 "\n" }' "$report")
    fi
done
if [ -n "$ours" ]; then
    echo "$ours" >&2
    fail "AddressSanitizer has found something (the tests themselves ended with $code)."
fi
[ "$code" -eq 0 ] || fail "the PHP tests ended with $code."

echo "==> the Rust tests, with AddressSanitizer"
# Not for leaks: each of these processes ends with its background at work, several end it and start
# it again, or fork, and what is there for as long as the process lives would be told of. The PHP
# tests above look for leaks.
ASAN_OPTIONS="detect_leaks=0" RUSTFLAGS="-Zsanitizer=address" cargo +nightly test --locked --target "$triple" --target-dir "$target/address" \
    -p gatewayworker-wire -p gatewayworker-client --lib --tests

if [ -d "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library/std" ]; then
    echo "==> the Rust tests, with ThreadSanitizer"
    # The standard library is built with it too: otherwise the sanitizer does not see its locks and
    # reports races where there are none. fork() is not for it: it knows nothing of the threads that
    # are gone in the child.
    RUSTFLAGS="-Zsanitizer=thread" TSAN_OPTIONS="die_after_fork=0" cargo +nightly test --locked -Zbuild-std \
        --target "$triple" --target-dir "$target/thread" -p gatewayworker-wire -p gatewayworker-client --lib \
        --test link --test queries --test read_your_writes --test register --test shutdown
else
    echo "==> no ThreadSanitizer: rust-src is not installed (rustup +nightly component add rust-src)"
fi
echo "==> the sanitizers have found nothing"
