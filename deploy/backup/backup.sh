#!/usr/bin/env bash
# Backs the canonical database up: on Sundays (UTC), and when there is none yet, everything; on other days what is new since then.
#
#   BACKUP_TO=S3:https://bucket.s3.region.amazonaws.com/clickhouse STATE_DIRECTORY=/var/lib/kalshi-backup backup.sh [--full]
#
# sink_cursor is left out on purpose: without it the deduplicator writes all that its journal holds again after a restore, which
# the tables' keys make harmless. With it, rows that were stored after the backup would be missing.
set -euo pipefail
# shellcheck source=deploy/backup/lib.sh
. "$(dirname "$0")/lib.sh"
: "${STATE_DIRECTORY:?a folder that remembers the last full backup}"
full_file=$STATE_DIRECTORY/last-full
now=$(date -u +%Y%m%dT%H%M%SZ)

settings=
kind=full
if [ "${1:-}" != --full ] && [ -s "$full_file" ] && [ "$(date -u +%u)" != 7 ]; then
    kind=incremental
    settings="SETTINGS base_backup = $(place "$(cat "$full_file")")"
fi
name=$database-$now-$kind
sql "BACKUP DATABASE $database EXCEPT TABLES $database.sink_cursor TO $(place "$name") $settings" > /dev/null
# The statement waits for the end, but what is not looked at is not known.
read -r status files bytes < <(sql "SELECT status, num_files, total_size FROM system.backups WHERE name LIKE '%$name%' ORDER BY start_time DESC LIMIT 1 FORMAT TSV")
if [ "$status" != BACKUP_CREATED ]; then
    echo "backup $name: $status" >&2
    exit 1
fi
if [ "$kind" = full ]; then
    printf '%s' "$name" > "$full_file.new"
    mv "$full_file.new" "$full_file"
fi
# Its age is what deploy/health/tell-health.sh reports: a backup that failed, or was never tried, grows old.
printf '%s\n' "$name" > "$STATE_DIRECTORY/last-success"
echo "backup=$name files=$files bytes=$bytes"
