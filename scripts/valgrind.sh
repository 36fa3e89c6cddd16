#!/usr/bin/env bash
# Runs the PHP tests that work in one process under valgrind's memcheck, with the extension in the profile `profiling`.
# Children (gatewayd, PHP) are not looked into.
#
#   scripts/valgrind.sh [options of PHPUnit]
#
# Ends with an error where memcheck finds a wrong access, or memory that nobody knows any more. "Possibly lost" is not
# asked for: that is what memcheck calls everything behind a hash table of Rust, which points into the middle of its memory.
set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)
cd "$project"
target=${CARGO_TARGET_DIR:-$project/target}
php=${PHP:-php}
phpunit=${PHPUNIT:-$(command -v phpunit)}
export GATEWAYD=${GATEWAYD:-$project/target/release/gatewayd}

fail() {
    echo "valgrind.sh: $*" >&2
    exit 1
}

command -v valgrind >/dev/null || fail "valgrind is not installed."
[ -x "$GATEWAYD" ] || fail "gatewayd is not built; \`make valgrind\` does it."

echo "==> the extension, with symbols"
# Crate by crate: functions keep the names by which scripts/valgrind.supp tells where memory comes from.
CARGO_PROFILE_PROFILING_LTO=off CARGO_PROFILE_PROFILING_CODEGEN_UNITS=16 \
    ${CARGO:-cargo} build --locked --quiet --profile profiling --target-dir "$target/memcheck" -p gatewayworker
export GATEWAYWORKER_SO="$target/memcheck/profiling/libgatewayworker.so"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "==> the PHP tests, which take some minutes"
# The memory of a request comes from malloc(), so that memcheck sees each piece of it. PCRE's compiled patterns read beyond
# the end of strings on purpose. A test client that reads a message of many megabytes piece by piece copies them all with
# each piece, which takes hours.
code=0
env USE_ZEND_ALLOC=0 valgrind --quiet --tool=memcheck --trace-children=no --num-callers=60 \
    --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=99 \
    --suppressions=scripts/valgrind.supp --log-file="$work/memcheck.%p" \
    "$php" -d pcre.jit=0 -d extension="$GATEWAYWORKER_SO" "$phpunit" \
    --filter '/^GatewayWorker\\Tests\\\w+Test::(?!testAHuge)/' "$@" || code=$?
cat "$work"/memcheck.* >&2
if [ -n "$(cat "$work"/memcheck.*)" ] || [ "$code" -eq 99 ]; then
    fail "memcheck has found something (the tests themselves ended with $code)."
fi
[ "$code" -eq 0 ] || fail "the PHP tests ended with $code."
echo "==> memcheck has found nothing"
