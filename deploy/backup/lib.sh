# Shared by backup.sh, restore.sh and load-archive.sh; sourced, not run. Speaks to ClickHouse over HTTP by curl.
# shellcheck shell=bash

: "${CLICKHOUSE_URL:?the server, as http://127.0.0.1:8123}"
database=${CLICKHOUSE_DATABASE:-kalshi}
case $database in *[!a-zA-Z0-9_]* | '') echo "CLICKHOUSE_DATABASE: $database is no plain name" >&2; exit 64 ;; esac

# User and password by curl's configuration on a file descriptor: neither `ps` nor a log shows them.
credentials() {
    printf 'header = "X-ClickHouse-User: %s"\n' "${CLICKHOUSE_USER:-default}"
    if [ -n "${CLICKHOUSE_PASSWORD:-}" ]; then printf 'header = "X-ClickHouse-Key: %s"\n' "$CLICKHOUSE_PASSWORD"; fi
}

# Runs one statement; on an error the server's words go to stderr and the script ends.
sql() {
    local answer
    if ! answer=$(curl --silent --show-error --fail-with-body --max-time "${SQL_SECONDS:-21600}" \
        --config <(credentials) --data-binary "$1" "$CLICKHOUSE_URL/" 2>&1); then
        printf '%s\n' "$answer" >&2
        exit 1
    fi
    printf '%s\n' "$answer"
}

# Where a backup of this name lies, as ClickHouse writes it.
place() {
    case ${BACKUP_TO:?where backups go, S3:URL or File:FOLDER} in
        S3:*) printf "S3('%s/%s')" "${BACKUP_TO#S3:}" "$1" ;;
        File:*) printf "File('%s/%s')" "${BACKUP_TO#File:}" "$1" ;;
        *) echo "BACKUP_TO: $BACKUP_TO is neither S3:URL nor File:FOLDER" >&2; exit 64 ;;
    esac
}
