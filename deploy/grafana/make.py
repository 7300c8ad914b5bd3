#!/usr/bin/env python3
"""Writes dashboards/*.json from the short descriptions below; `--check` says whether they are as written.

    deploy/grafana/make.py [--check]
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}

# Title, uid, panels. A panel: kind, title, unit, width of 24, [(legend, expression)], thresholds {from: colour}.
DASHBOARDS = {
    "fleet": ("Kalshi capture: fleet", [
        ("stat", "Gatherers followed", "short", 4, [("", "sum(dedup_gatherer_health)")], {0: "red", 1: "orange", 2: "green"}),
        ("stat", "Connections up", "percentunit", 4, [("", "sum(conn_manager_connections_healthy) / sum(conn_manager_connections)")], {0: "red", 0.9: "orange", 1: "green"}),
        ("stat", "Record, events/s", "short", 4, [("", "rate(dedup_canonical_events_total[1m])")], {}),
        ("stat", "Worst stream lag", "s", 4, [("", "max(dedup_sync_lag_seconds)")], {0: "green", 5: "orange", 30: "red"}),
        ("stat", "Holes, 24 h", "short", 4, [("", "increase(dedup_holes_total[24h])")], {0: "green", 1: "orange", 20: "red"}),
        ("stat", "Health", "short", 4, [("{{job}} {{gatherer}}", "max by (job, gatherer) (health_status)")], {0: "green", 1: "orange", 2: "red"}),
        ("timeseries", "Frames received", "short", 12, [("{{gatherer}}", "sum by (gatherer) (rate(ws_client_messages_received_total[1m]))")], {}),
        ("timeseries", "First to bring an event", "short", 12, [("{{gatherer}}", "rate(dedup_first_arrivals_total[1m])")], {}),
        ("timeseries", "Stream lag", "s", 12, [("{{gatherer}}", "dedup_sync_lag_seconds")], {}),
        ("timeseries", "Since the newest frame", "s", 12, [("{{gatherer}}", "ws_client_last_frame_age_seconds")], {}),
        ("timeseries", "Sessions ended", "short", 12, [("{{gatherer}}", "increase(ws_client_disconnects_total[5m])")], {}),
        ("timeseries", "Clock against the deduplicator's", "s", 12, [("{{gatherer}}", "dedup_clock_skew_seconds")], {}),
        ("timeseries", "Spool on disk", "bytes", 12, [("{{gatherer}}", "gatherer_spool_bytes")], {}),
        ("timeseries", "Oldest frame without ack", "s", 12, [("{{gatherer}}", "gatherer_spool_unacked_age_seconds")], {}),
        ("timeseries", "Exchange active and trading", "short", 12, [("{{gatherer}} active", "gatherer_exchange_active"), ("{{gatherer}} trading", "gatherer_trading_active")], {}),
        ("timeseries", "Markets subscribed to", "short", 12, [("{{gatherer}}", "gatherer_markets")], {}),
    ]),
    "record": ("Kalshi capture: record", [
        ("timeseries", "Duplicate ratio and what it should be", "percentunit", 12, [
            ("measured", "dedup_duplicate_ratio"), ("(N-1)/N", "(dedup_gatherers_connected - 1) / dedup_gatherers_connected")], {}),
        ("timeseries", "Frame to fsynced journal", "s", 12, [("{{quantile}}", "dedup_frame_to_journal_seconds")], {}),
        ("timeseries", "Frame to stored row", "s", 12, [("{{quantile}}", "dedup_frame_to_row_seconds")], {}),
        ("timeseries", "Holes by cause", "short", 12, [("{{cause}}", "increase(dedup_holes_by_cause_total[10m])")], {}),
        ("timeseries", "Lanes broken", "short", 12, [("{{gatherer}}", "dedup_lanes_broken")], {}),
        ("timeseries", "Markets quarantined", "short", 12, [("{{gatherer}}", "dedup_markets_quarantined")], {}),
        ("timeseries", "Frames that contradict, disputed events", "short", 12, [
            ("{{gatherer}} contradicts", "increase(dedup_divergences_total[10m])"), ("disputed", "increase(dedup_disputed_total[10m])")], {}),
        ("timeseries", "Schema drift", "short", 12, [
            ("{{gatherer}} undecodable", "increase(dedup_undecodable_total[10m])"),
            ("{{gatherer}} unknown fields", "increase(dedup_unknown_fields_total[10m])"),
            ("{{gatherer}} without clock", "increase(dedup_without_clock_total[10m])")], {}),
        ("timeseries", "Frames waiting, markets waiting", "short", 12, [("frames", "dedup_pending_frames"), ("markets", "dedup_markets_waiting")], {}),
        ("timeseries", "Trades, tickers, lifecycle", "short", 12, [
            ("trades/s", "rate(dedup_trades_total[1m])"), ("tickers/s", "rate(dedup_tickers_total[1m])"), ("lifecycle/s", "rate(dedup_lifecycle_total[1m])")], {}),
    ]),
    "stores": ("Kalshi capture: stores and machines", [
        ("timeseries", "Rows stored", "short", 12, [("{{job}} {{gatherer}}", "rate(writer_rows_total[1m])")], {}),
        ("timeseries", "Batch in hand failing for", "s", 12, [("{{job}} {{gatherer}}", "writer_retry_age_seconds")], {}),
        ("timeseries", "Failed attempts by category", "short", 12, [("{{job}} {{gatherer}} {{type}}", "increase(writer_errors_total[5m])")], {}),
        ("timeseries", "Time to store a batch, p99", "s", 12, [
            ("{{job}} {{gatherer}}", "histogram_quantile(0.99, sum by (job, gatherer, le) (rate(writer_flush_duration_seconds_bucket[5m])))")], {}),
        ("timeseries", "Oldest record waiting for ClickHouse", "s", 12, [("{{job}} {{gatherer}}", "writer_lag_seconds")], {}),
        ("timeseries", "Journal on disk", "bytes", 12, [("journal", "dedup_journal_bytes"), ("not yet fsynced", "dedup_journal_unsynced_bytes")], {}),
        ("timeseries", "Archive: oldest event not in a listed file", "s", 12, [("age", "parquet_archive_age_seconds"), ("failing for", "parquet_retry_age_seconds")], {}),
        ("timeseries", "Archive: bytes listed a day", "bytes", 12, [("{{dataset}}", "increase(parquet_bytes_total[24h])")], {}),
        ("timeseries", "Disk used", "percentunit", 12, [("{{job}} {{gatherer}}", "1 - data_disk_free_bytes / data_disk_size_bytes")], {}),
        ("timeseries", "Memory", "bytes", 12, [("{{job}} {{gatherer}}", "process_resident_memory_bytes")], {}),
        ("timeseries", "Processor", "percentunit", 12, [("{{job}} {{gatherer}}", "rate(process_cpu_seconds_total[1m])")], {}),
        ("timeseries", "File descriptors", "short", 12, [("{{job}} {{gatherer}}", "process_open_fds")], {}),
    ]),
}


def panel(number, at, description):
    kind, title, unit, width, queries, thresholds = description
    steps = [{"color": colour, "value": None if index == 0 else value} for index, (value, colour) in enumerate(thresholds.items())]
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps or [{"color": "green", "value": None}]}}
    if kind == "timeseries":
        defaults["min"] = None if "Clock" in title else 0
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never"}
    return {
        "id": number, "type": kind, "title": title, "datasource": DATASOURCE, "gridPos": at,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}} if kind == "timeseries"
        else {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
        "targets": [{"refId": chr(65 + index), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend or "__auto"}
                    for index, (legend, expr) in enumerate(queries)],
    }


def dashboard(uid, title, descriptions):
    panels, x, y, height = [], 0, 0, 0
    for number, description in enumerate(descriptions, 1):
        width, tall = description[3], 4 if description[0] == "stat" else 8
        if x + width > 24:
            x, y = 0, y + height
        height = tall
        panels.append(panel(number, {"x": x, "y": y, "w": width, "h": tall}, description))
        x += width
    return {
        "uid": f"kalshi-{uid}", "title": title, "tags": ["kalshi-capture"], "schemaVersion": 39, "editable": False, "refresh": "15s",
        "time": {"from": "now-6h", "to": "now"}, "timezone": "utc", "panels": panels, "templating": {"list": []},
        "annotations": {"list": [{
            "name": "Alerts", "datasource": DATASOURCE, "enable": True, "iconColor": "red", "titleFormat": "{{alertname}}",
            "expr": 'ALERTS{alertstate="firing",severity=~"warning|critical"}'}]},
    }


def main():
    wrong = []
    for uid, (title, descriptions) in DASHBOARDS.items():
        file = HERE / "dashboards" / f"{uid}.json"
        text = json.dumps(dashboard(uid, title, descriptions), indent=1) + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            wrong.append(file.name)
    if wrong:
        sys.exit(f"not as make.py writes them: {', '.join(wrong)}")
    print(f"dashboards: {', '.join(DASHBOARDS)}")


if __name__ == "__main__":
    main()
