# Functions that the runbooks' commands use; source it after /etc/kalshi/ops.env (deploy/env/ops.env is the example).
# shellcheck shell=bash

# q SQL [URL]: asks a ClickHouse, the canonical one unless another is given. Credentials come from ~/.netrc.
q() {
    curl --silent --show-error --fail-with-body --netrc-optional --max-time 60 \
        "${2:-$CLICKHOUSE}&default_format=PrettyCompactMonoBlock" --data-binary "$1"
}

# health URL: the whole answer of /health, whatever its code.
health() { curl --silent --show-error --max-time 10 "$1/health" && echo; }

# metrics URL PATTERN: the values of the metrics whose names match; fails if there is none.
metrics() { curl --silent --show-error --fail --max-time 10 "$1/metrics" | grep -E "^($2)([{ _])"; }

# everywhere FUNCTION URLS ARGS...: the same at each of several addresses.
everywhere() {
    local what=$1 url
    local urls=$2
    shift 2
    for url in $urls; do
        echo "== $url"
        "$what" "$url" "$@"
    done
}

# logs PROGRAM [SINCE]: the JSON log lines of gatherer or deduplicator on this machine: the files of LOG_DIR where that is set, else
# the journal's of the last hour or since then.
logs() {
    if [ -n "${LOG_DIR:-}" ]; then
        cat "$LOG_DIR/$1".*log
    else
        journalctl --unit "kalshi-$1" --output cat --since "${2:--1h}"
    fi | grep '^{'
}

# poll TICKER: the gatherer of GATHERER_HTTP asks the exchange for a book now and keeps it in orderbook_snapshots. Needs ADMIN_TOKEN;
# the header comes from a file, so that `ps` does not show it.
poll() {
    curl --silent --show-error --fail-with-body --max-time 30 --request POST --header @<(printf 'Authorization: Bearer %s' "$ADMIN_TOKEN") \
        "$GATHERER_HTTP/admin/poll-market?ticker=$1" && echo
}
