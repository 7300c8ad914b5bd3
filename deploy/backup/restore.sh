#!/usr/bin/env bash
# Restores a backup into a database that does not exist yet. For the whole way back see runbooks/restore-from-backup.md.
#
#   BACKUP_TO=... restore.sh BACKUP_NAME [INTO_DATABASE]
set -euo pipefail
# shellcheck source=deploy/backup/lib.sh
. "$(dirname "$0")/lib.sh"
name=${1:?the name that backup.sh printed}
into=${2:-$database}
case $name$into in *[!a-zA-Z0-9_-]*) echo "names have letters, digits, _ and - only" >&2; exit 64 ;; esac
if [ "$(sql "SELECT count() FROM system.databases WHERE name = '$into' FORMAT TSV")" != 0 ]; then
    echo "database $into exists: restore into another, or drop it first" >&2
    exit 64
fi
sql "RESTORE DATABASE $database AS $into FROM $(place "$name")" > /dev/null
sql "SELECT table, sum(rows) AS rows FROM system.parts WHERE database = '$into' AND active GROUP BY table ORDER BY table FORMAT TSV"
