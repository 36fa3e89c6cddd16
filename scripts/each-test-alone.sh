#!/bin/sh
# A runner for `cargo test` that runs each test in a process of its own, as nextest does, for
# machines without nextest. Tests of the client share the state of their process otherwise: its
# links, its log, its time to connect.

set -u

program=$1
shift
case $program in
    */deps/*) ;;
    # No test program: one of a test in the documentation.
    *) exec "$program" "$@" ;;
esac

outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
"$program" --list --format terse "$@" >"$outputs/list" || exit
sed -n 's/: test$//p' "$outputs/list" >"$outputs/tests"

# One line for each test that has ended, what it printed only where it has failed.
export program outputs
xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 1 sh -c '
    output=$outputs/$$
    if "$program" --exact "$1" >"$output" 2>&1; then
        sed -n "s/^test \(.*\) \.\.\. \(ok\|ignored.*\)\$/\2: \1/p" "$output"
    else
        cat "$output"
        echo "$1" >>"$outputs/failed"
    fi
    rm -f "$output"
' each-test-alone <"$outputs/tests"

if [ -s "$outputs/failed" ]; then
    echo "failed in $program:"
    sed 's/^/    /' "$outputs/failed"
    exit 1
fi
