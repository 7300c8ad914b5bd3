#!/usr/bin/env bash
# Makes the tarball that machines install: both programs, deploy/, and ClickHouse's packages if a folder with them is given.
#
#   deploy/release.sh OUT.tar.gz [FOLDER_WITH_CLICKHOUSE_DEBS]
set -euo pipefail
out=$(realpath -m "${1:?where the tarball goes}")
packages=${2:-}
cd "$(dirname "$0")/.."
cargo build --release --locked --package gatherer --package deduplicator
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/packages"
install -m 0755 "$target/release/kalshi-gatherer" "$target/release/kalshi-deduplicator" "$work/bin/"
cp -r deploy "$work/deploy"
if [ -n "$packages" ]; then cp "$packages"/clickhouse-*.deb "$work/packages/"; fi
# The same sources give the same bytes: names sorted, no owner, the commit's time.
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" --directory "$work" . | gzip -n > "$out"
sha256sum "$out"
