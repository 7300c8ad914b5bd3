#!/usr/bin/env bash
# Fuzzing guided by coverage, on the one pinned stable compiler. FUZZ_SANITIZER=address adds the address sanitizer:
# it looks for what only code marked unsafe can do, which ours denies itself, and its build takes more than an hour.
#     fuzz/run.sh SECONDS [TARGET...]        all ten unless named; stops at the first finding
# What it knows is kept in fuzz/corpus, what it found in fuzz/artifacts; neither is committed.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?how many seconds for each target}
shift
tools=${KALSHI_FUZZ_TOOLS:-$HOME/.cache/kalshi-capture/fuzz}
target=${FUZZ_TARGET_DIR:-$PWD/fuzz/target}
if [ ! -x "$tools/bin/cargo-fuzz" ]; then
    echo "Installs cargo-fuzz (crates registry) into $tools, once."
    cargo install cargo-fuzz --version 0.13.2 --locked --root "$tools"
fi
if [ ! -d fuzz/corpus/frame ]; then
    FUZZ_SEEDS=$PWD/fuzz/corpus cargo test --workspace --test fuzz -- --ignored the_seeds
fi
mapfile -t all < <(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2)
[ $# -gt 0 ] || set -- "${all[@]}"
# cargo-fuzz asks for flags that only a nightly compiler has without this word.
export RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER=$PWD/fuzz/rustc.sh PATH=$tools/bin:$PATH
fuzz() { cargo fuzz "$1" --sanitizer "${FUZZ_SANITIZER:-none}" --target-dir "$target" "${@:2}"; }
if [ "$seconds" = build ]; then
    fuzz build
    exit
fi
for name in "$@"; do
    fuzz run "$name" -- -max_total_time="$seconds" -max_len=65536 -timeout=25 \
        -rss_limit_mb=2048 -dict="$PWD/fuzz/words.dict" -print_final_stats=1
done
