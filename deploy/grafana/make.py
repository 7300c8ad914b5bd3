#!/usr/bin/env python3
"""Writes dashboards/*.json from the short descriptions below; `--check` says whether they are as written.

    deploy/grafana/make.py [--check]
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# The dashboard's variable, so that it can be used where Prometheus has another uid.
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Title, uid, panels. A panel: kind, title, unit, width of 24, [(legend, expression)], thresholds {from: colour}.
DASHBOARDS = {
    "fleet": ("Kalshi capture: fleet", [
        ("stat", "Gatherers followed", "short", 4, [("", "sum(dedup_gatherer_health)")], {0: "red", 1: "orange", 2: "green"}),
        ("stat", "Connections up", "percentunit", 4, [("", "sum(conn_manager_connections_healthy) / sum(conn_manager_connections)")], {0: "red", 0.9: "orange", 1: "green"}),
        ("stat", "Record, events/s", "cps", 4, [("", "rate(dedup_canonical_events_total[1m])")], {}),
        ("stat", "Worst stream lag", "s", 4, [("", "max(dedup_sync_lag_seconds)")], {0: "green", 5: "orange", 30: "red"}),
        ("stat", "Holes, 24 h", "short", 4, [("", "increase(dedup_holes_total[24h])")], {0: "green", 1: "orange", 20: "red"}),
        ("stat", "Health", "short", 4, [("{{job}} {{gatherer}}", "max by (job, gatherer) (health_status)")], {0: "green", 1: "orange", 2: "red"}),
        ("timeseries", "Frames received", "cps", 12, [("{{gatherer}}", "sum by (gatherer) (rate(ws_client_messages_received_total[1m]))")], {}),
        ("timeseries", "First to bring an event", "cps", 12, [("{{gatherer}}", "rate(dedup_first_arrivals_total[1m])")], {}),
        ("timeseries", "Stream lag", "s", 12, [("{{gatherer}}", "dedup_sync_lag_seconds")], {}),
        ("timeseries", "Since the newest frame", "s", 12, [("{{gatherer}}", "ws_client_last_frame_age_seconds")], {}),
        ("timeseries", "Sessions ended", "short", 12, [("{{gatherer}}", "increase(ws_client_disconnects_total[5m])")], {}),
        ("timeseries", "Clock against the deduplicator's", "s", 12, [("{{gatherer}}", "dedup_clock_skew_seconds")], {}),
        ("timeseries", "Spool on disk", "bytes", 12, [("{{gatherer}}", "gatherer_spool_bytes")], {}),
        ("timeseries", "Oldest frame without ack", "s", 12, [("{{gatherer}}", "gatherer_spool_unacked_age_seconds")], {}),
        ("timeseries", "Exchange active and trading", "bool_yes_no", 12, [("{{gatherer}} active", "gatherer_exchange_active"), ("{{gatherer}} trading", "gatherer_trading_active")], {}),
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
        ("timeseries", "Trades, tickers, lifecycle", "cps", 12, [
            ("trades/s", "rate(dedup_trades_total[1m])"), ("tickers/s", "rate(dedup_tickers_total[1m])"), ("lifecycle/s", "rate(dedup_lifecycle_total[1m])")], {}),
    ]),
    "stores": ("Kalshi capture: stores and machines", [
        ("timeseries", "Rows stored", "cps", 12, [("{{job}} {{gatherer}}", "rate(writer_rows_total[1m])")], {}),
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

# What a panel shows, what is good, and where to read on; shown behind the (i) of its title.
DESCRIPTIONS = {
    "Gatherers followed": "Streams of gatherers that the deduplicator follows now. Fewer than all: runbook SingleGathererDown; one alone: RedundancyLost.",
    "Connections up": "WebSocket connections to the exchange that are open, of those wanted, over the whole fleet. Runbook WebSocketsPartlyDown.",
    "Record, events/s": "Canonical events written to the journal a second. Standing still while markets trade: runbook RecordNotGrowing.",
    "Worst stream lag": "How far the slowest gatherer's stream is behind its spool. Runbook GathererLagging.",
    "Holes, 24 h": "Stretches of a market that no gatherer covered, in a day. Each is a row of table gaps; runbook HoleRecorded.",
    "Health": "/health of each program, the worst of each; its reasons stand in the answer itself.",
    "Frames received": "WebSocket messages a second and gatherer. All should be nearly alike: they follow the same markets.",
    "First to bring an event": "Whose copy of an event came first, a second. A gatherer that is never first is far away or slow.",
    "Stream lag": "Age of what the deduplicator has not taken yet, by gatherer. Runbook GathererLagging.",
    "Since the newest frame": "Age of the newest WebSocket message. Grows on all: the exchange is quiet or down; on one: runbook FeedSilent.",
    "Sessions ended": "WebSocket sessions that ended in five minutes. A few a day are normal; runbook WebSocketFlapping.",
    "Clock against the deduplicator's": "The deduplicator's wall clock minus each gatherer's, the fastest way between them included. Below zero: the gatherer's is ahead, and its receipt times with it; runbook ClockSkew.",
    "Spool on disk": "Bytes of the gatherer's log: retention, and what nobody has acknowledged. Runbook SpoolGrowing.",
    "Oldest frame without ack": "How long the deduplicator has left a frame unacknowledged. Runbook SpoolNotAcked.",
    "Exchange active and trading": "What the exchange says of itself: 1 yes, 0 no. Maintenance shows as 0 on all gatherers. Runbook ExchangeNotTrading.",
    "Markets subscribed to": "Open markets that each gatherer follows. They should agree within minutes.",
    "Duplicate ratio and what it should be": "Share of frames that were copies, and (N-1)/N for N whole feeds. Below: somebody misses frames (DuplicateRatioLow); above: somebody repeats (DuplicateRatioHigh).",
    "Frame to fsynced journal": "From the first receipt of a frame at a gatherer until its event is durable, by quantile.",
    "Frame to stored row": "From the first receipt of a frame until ClickHouse has acknowledged its row, by quantile; batches wait BATCH_FLUSH_SECS. Runbook RecordSlow.",
    "Holes by cause": "New holes in ten minutes, by why nobody covered them.",
    "Lanes broken": "Subscriptions whose numbering jumped and that wait for a fresh snapshot. Runbook LanesBroken.",
    "Markets quarantined": "Markets in which a gatherer's word does not count, because it contradicted the others. Runbook LaneQuarantined.",
    "Frames that contradict, disputed events": "Frames unlike what was accepted, and events of which two gatherers said different things. Runbooks FeedDiverged, EventsDisputed.",
    "Schema drift": "Frames that cannot be decoded, carry unknown fields or lack the exchange's clock. Runbook SchemaDrift.",
    "Frames waiting, markets waiting": "What waits for a decision: for another gatherer, or for a snapshot. Runbook MergeWaiting.",
    "Trades, tickers, lifecycle": "Canonical messages of the other channels, a second.",
    "Rows stored": "Rows that ClickHouse has acknowledged, a second.",
    "Batch in hand failing for": "How long the batch in hand has failed. It keeps its token, so that it is not stored twice, within the table's window. Runbook RetryNearDedupWindow.",
    "Failed attempts by category": "Inserts that ClickHouse did not take, in five minutes; they are repeated. Runbook HighWriterErrorRate.",
    "Time to store a batch, p99": "One insert, sent to acknowledged, over five minutes.",
    "Oldest record waiting for ClickHouse": "Age of the oldest record that is on disk and not in ClickHouse. Runbook WriterLagging.",
    "Journal on disk": "The deduplicator's log: what a sink has not stored yet, or a checkpoint still needs. Runbook JournalGrowing.",
    "Archive: oldest event not in a listed file": "How much a lost disk would take from the archive. Runbook ArchiveNotAdvancing.",
    "Archive: bytes listed a day": "Parquet files completed in a day, by dataset.",
    "Disk used": "Of the volume under DATA_DIR. Runbooks DiskUsageHigh, DiskAlmostFull.",
    "Memory": "Resident memory of each program. Runbook MemoryHigh.",
    "Processor": "Processor time of each program; 100% is one core.",
    "File descriptors": "Open files and sockets. Runbook FileDescriptorsHigh.",
}

# Numbers that are words.
MAPPINGS = {"Health": {0: ("ok", "green"), 1: ("degraded", "orange"), 2: ("down", "red")}}


def panel(number, at, description):
    kind, title, unit, width, queries, thresholds = description
    steps = [{"color": colour, "value": None if index == 0 else value} for index, (value, colour) in enumerate(thresholds.items())]
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps or [{"color": "green", "value": None}]}}
    if title in MAPPINGS:
        words = {str(value): {"text": text, "color": color, "index": value} for value, (text, color) in MAPPINGS[title].items()}
        defaults["mappings"] = [{"type": "value", "options": words}]
    if kind == "timeseries":
        if "Clock" not in title:
            defaults["min"] = 0
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never"}
    return {
        "id": number, "type": kind, "title": title, "description": DESCRIPTIONS[title], "datasource": DATASOURCE, "gridPos": at,
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
        "time": {"from": "now-6h", "to": "now"}, "timezone": "utc", "panels": panels,
        "templating": {"list": [{
            "name": "datasource", "type": "datasource", "label": "Prometheus", "query": "prometheus", "refresh": 1, "hide": 0,
            "current": {"text": "Prometheus", "value": "prometheus"}}]},
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
