#!/usr/bin/env bash
# Runs the PHP tests under valgrind's memcheck, with the extension in the profile `profiling`:
# PHPUnit, and every PHP and php-fpm that the tests start or fork. Other programs (gatewayd, shells,
# the browser) are not looked into.
#
#   scripts/valgrind.sh [options of PHPUnit]
#
# Ends with an error where memcheck finds a wrong access anywhere, or memory that the extension has
# asked for and that nobody knows any more. What PHP itself leaves behind, which a php-fpm that is
# killed does with all its tables, is not told of; nor what a forked child has inherited from the
# stack of its parent's background thread, which it has no more. "Possibly lost" is not asked for:
# that is what memcheck calls everything behind a hash table of Rust, which points into the middle
# of its memory.
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
# Crate by crate: functions keep the names that scripts/valgrind.supp and the reports tell of.
CARGO_PROFILE_PROFILING_LTO=off CARGO_PROFILE_PROFILING_CODEGEN_UNITS=16 \
    ${CARGO:-cargo} build --locked --quiet --profile profiling --target-dir "$target/memcheck" -p gatewayworker
export GATEWAYWORKER_SO="$target/memcheck/profiling/libgatewayworker.so"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "==> the PHP tests, which take some minutes"
# The memory of a request comes from malloc(), so that memcheck sees each piece of it. PCRE's
# compiled patterns read beyond the end of strings on purpose.
# shellcheck source=scripts/memory-tests.sh
. scripts/memory-tests.sh
code=0
env USE_ZEND_ALLOC=0 valgrind --tool=memcheck --num-callers=60 \
    --trace-children=yes --trace-children-skip="$other_programs" \
    --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
    --suppressions=scripts/valgrind.supp --log-file="$work/memcheck.%p" \
    "$php" -d pcre.jit=0 -d extension="$GATEWAYWORKER_SO" "$phpunit" \
    --filter "$memory_tests" "$@" || code=$?
processes=$(find "$work" -name 'memcheck.*' | wc -l)
[ "$processes" -gt 0 ] || fail "no process has run under memcheck."
# The reports stand in paragraphs with frames; a frame of the extension is one in a Rust file; one
# that has no name is code that PCRE has generated. A forked child says the same command as its
# parent.
ours=$(awk '
    function is_ours() {
        if (report !~ /are definitely lost/) return report ~ /(at|by) 0x[0-9A-F]+: [^?]/
        inherited = command[parent[pid]] == command[pid] && report ~ /gatewayworker_client::runtime::run \(|spawn_unchecked/
        return report ~ /\.rs:[0-9]/ && !inherited
    }
    function tell() { if (report != "" && is_ours()) print "process " pid ", " command[pid] "\n" report; report = "" }
    { line = $0; sub(/^==[0-9]+== ?/, "", line) }
    FNR == 1 { tell(); files++; split($0, word, /==/); pid = word[2] }
    line ~ /^Command: / { command[pid] = line }
    line ~ /^Parent PID: / { parent[pid] = substr(line, 13) }
    files > half { if (line == "") tell(); else report = report line "\n" }
    END { tell() }
' half="$processes" "$work"/memcheck.* "$work"/memcheck.*)
if [ -n "$ours" ]; then
    echo "$ours" >&2
    fail "memcheck has found something (the tests themselves ended with $code)."
fi
[ "$code" -eq 0 ] || fail "the PHP tests ended with $code."
echo "==> memcheck has found nothing in $processes processes"
