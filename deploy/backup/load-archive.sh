#!/usr/bin/env bash
# Loads Parquet files of the archive into ClickHouse: what a backup does not hold yet, or everything when there is none. Loading a
# file twice is harmless: the tables' keys are the events' identities.
#
#   load-archive.sh DATASET FILE... (DATASET: orderbook, trades, tickers); files are local: `aws s3 cp --recursive` them first
set -euo pipefail
# shellcheck source=deploy/backup/lib.sh
. "$(dirname "$0")/lib.sh"
dataset=${1:?orderbook, trades or tickers}
shift
case $dataset in
    orderbook) table=orderbook_events ;;
    trades) table=trades ;;
    tickers) table=tickers ;;
    *) echo "dataset $dataset: orderbook, trades or tickers" >&2; exit 64 ;;
esac
for file in "$@"; do
    # The file's name is the token: a second load within the tables' window does not even make a part.
    query="INSERT INTO $database.$table SETTINGS insert_deduplication_token = 'archive:$dataset/$(basename "$(dirname "$file")")/$(basename "$file")' FORMAT Parquet"
    if ! answer=$(curl --silent --show-error --fail-with-body --max-time 3600 --config <(credentials) --data-binary @"$file" \
        --url-query "query=$query" "$CLICKHOUSE_URL/" 2>&1); then
        printf '%s: %s\n' "$file" "$answer" >&2
        exit 1
    fi
done
echo "loaded $# files into $database.$table"
