#!/usr/bin/env bash
# What cargo calls in place of rustc while fuzzing: counts edges in our crates and in the parsers the bytes pass
# through, and leaves everything else as it is. Counting all 370 crates took more than an hour to build.
#     rustc.sh RUSTC ARGUMENTS...
set -euo pipefail
counted=" arrow_buffer bytes catalog clap_builder clap_lex deduplicator dotenvy exchange gatherer itoa jiff kalshi_fuzz
 memchr merge postcard prost proto schema serde_core serde_json service spool store tonic url "
name=
for ((i = 1; i <= $#; i++)); do
    if [ "${!i}" = --crate-name ]; then
        next=$((i + 1)) name=${!next}
    fi
done
kept=()
for word in "$@"; do
    case $word in
    -Cpasses=sancov-module) # a target of ours has the name of its file, so whatever fuzz/ holds is counted too
        [[ $counted = *" $name "* || ${CARGO_MANIFEST_DIR:-} = */fuzz ]] && kept+=("$word") ;;
    *) kept+=("$word") ;;
    esac
done
exec "${kept[@]}"
