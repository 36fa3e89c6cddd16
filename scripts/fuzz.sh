#!/usr/bin/env bash
# Runs the fuzz targets of fuzz/, and chooses the inputs that are kept in fuzz/corpus/. See
# docs/fuzzing.md.
#
#   scripts/fuzz.sh run [target ...]      each for $FUZZ_MINUTES (20), one after the other; none named means all
#   scripts/fuzz.sh corpus [target ...]   anew from what was kept and what the runs have found
#
# Needs a nightly toolchain and cargo-fuzz. Ends with an error at the first input for which a target
# fails.
set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)
cd "$project"
target=${CARGO_TARGET_DIR:-$project/target}/fuzz
minutes=${FUZZ_MINUTES:-20}
# Bounds of a committed corpus, per target: files, and bytes of each.
most=60
longest=1024

fail() {
    echo "fuzz.sh: $*" >&2
    exit 1
}

job=${1:-}
case $job in
    run | corpus) shift ;;
    *) fail "usage: $0 run|corpus [target ...]" ;;
esac
[[ $minutes =~ ^[1-9][0-9]*$ ]] || fail "FUZZ_MINUTES is a number of minutes from 1 on, not '$minutes'."
cargo +nightly --version >/dev/null 2>&1 || fail "a nightly toolchain is needed: rustup toolchain install nightly"
cargo fuzz --version >/dev/null 2>&1 || fail "cargo-fuzz is needed: cargo install --locked cargo-fuzz"
known=()
for file in fuzz/fuzz_targets/*.rs; do
    known+=("$(basename "$file" .rs)")
done
targets=("${@:-${known[@]}}")
for name in "${targets[@]}"; do
    [ -f "fuzz/fuzz_targets/$name.rs" ] || fail "there is no target '$name'; there are: ${known[*]}"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a target has found so far. It grows with each run and is not committed.
found() {
    local folder=$target/corpus/$1
    mkdir -p "$folder"
    echo "$folder"
}

# fuzz TARGET CORPUS... -- OPTION...: the order in which libFuzzer writes into the first corpus and
# reads the others.
fuzz() {
    cargo +nightly fuzz run --target-dir "$target" "$@"
}

run() {
    local name=$1 log=$work/$1.log
    echo "==> $name, $minutes minutes"
    if ! fuzz "$name" "$(found "$name")" "fuzz/corpus/$name" -- -max_total_time=$((60 * minutes)) -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        fail "$name has failed; the input is in fuzz/artifacts/$name."
    fi
    sed -n -e 's/^stat::number_of_executed_units: *\([0-9]*\)/\1 executions/p' \
        -e 's/^stat::average_exec_per_sec: *\([0-9]*\)/\1 per second/p' "$log"
}

# Which features each input has, in files that libFuzzer writes to go on with a merge that was
# broken off.
features() {
    local name=$1 to=$2
    shift 2
    mkdir "$work/unused"
    fuzz "$name" "$work/unused" "$(found "$name")" "fuzz/corpus/$name" -- -set_cover_merge=1 -max_len="$longest" \
        -merge_control_file="$to" "$@" >"$work/merge.log" 2>&1 || { tail -n 30 "$work/merge.log" >&2; fail "no merge."; }
    rm -rf "$work/unused"
}

# Always the input with the most that none before had: branches first, then how often they are
# taken.
choose() {
    awk -v most="$most" '
        FNR == 1 { kind++; files = $1; next }
        FNR == 2 { next }
        FNR <= files + 2 { name[FNR - 3] = $0; next }
        $1 == "STARTED" { size[name[$2]] = $3 }
        $1 == "FT" { all[kind, name[$2]] = substr($0, length($1) + length($2) + 3) }
        END {
            for (kind = 1; kind <= 2; kind++) {
                while (chosen < most) {
                    best = ""; gain = 0
                    for (file in size) {
                        new = 0
                        count = split(all[kind, file], list, " ")
                        for (i = 1; i <= count; i++) new += !((kind, list[i]) in had)
                        all_new[file] = new
                        if (new > gain || new > 0 && new == gain && size[file] < size[best]) { best = file; gain = new }
                    }
                    if (best == "") break
                    for (file in size) if (all_new[file] == 0) all[kind, file] = ""
                    count = split(all[kind, best], list, " ")
                    for (i = 1; i <= count; i++) had[kind, list[i]]
                    if (!(best in taken)) { taken[best]; chosen++; print best }
                }
            }
        }' "$@"
}

corpus() {
    local name=$1 file
    features "$name" "$work/branches" -use_counters=0
    features "$name" "$work/counters" -use_counters=1
    mkdir "$work/chosen"
    choose "$work/branches" "$work/counters" | while IFS= read -r file; do
        # libFuzzer has not looked at more of it.
        head -c "$longest" "$file" >"$work/input"
        mv "$work/input" "$work/chosen/$(sha1sum <"$work/input" | cut -d ' ' -f 1)"
    done
    [ -n "$(ls "$work/chosen")" ] || fail "nothing was chosen for $name."
    rm -rf "fuzz/corpus/$name"
    mv "$work/chosen" "fuzz/corpus/$name"
    rm "$work/branches" "$work/counters"
    echo "$name: $(find "fuzz/corpus/$name" -type f | wc -l) inputs, $(cat "fuzz/corpus/$name"/* | wc -c) bytes"
}

for name in "${targets[@]}"; do
    "$job" "$name"
done
