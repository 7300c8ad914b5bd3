#!/usr/bin/env bash
# Makes the tarball that machines install: the programs and the operators' tools, deploy/, runbooks/, and packages if a folder with them
# is given. A machine in the cloud needs them all (x86-64, of Ubuntu 24.04 where they are Ubuntu's): ClickHouse's server, the
# CloudWatch agent, jq.
#
#   deploy/release.sh OUT.tar.gz [FOLDER_WITH_DEBS]
set -euo pipefail
out=$(realpath -m "${1:?where the tarball goes}")
packages=${2:-}
if [ -n "$packages" ]; then
    packages=$(realpath "$packages")
    missing=()
    for name in clickhouse-common-static clickhouse-server clickhouse-client amazon-cloudwatch-agent jq libjq1 libonig5; do
        compgen -G "$packages/${name}[_-]*.deb" > /dev/null || compgen -G "$packages/${name}.deb" > /dev/null || missing+=("$name")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "$packages lacks ${missing[*]}" >&2
        exit 64
    fi
fi
cd "$(dirname "$0")/.."
programs=(kalshi-gatherer kalshi-deduplicator gap-recovery market-viewer)
cargo build --release --locked --package gatherer --package deduplicator --package gap-recovery --package market-viewer
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/packages"
install -m 0755 "${programs[@]/#/$target/release/}" "$work/bin/"
cp -r deploy runbooks "$work/"
if [ -n "$packages" ]; then cp "$packages"/*.deb "$work/packages/"; fi
# The same sources give the same bytes: names sorted, no owner, the commit's time.
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" --directory "$work" . | gzip -n > "$out"
sha256sum "$out"
