-- A gatherer's own tables answer for the last days; the record for good is the canonical one. Partitions of a day are dropped whole, once
-- all of a day is older than a week; the shared tables have partitions of a month and few rows, which are taken out of their parts.
ALTER TABLE orderbook_events MODIFY SETTING ttl_only_drop_parts = 1;

ALTER TABLE orderbook_events MODIFY TTL toDateTime(ingest_ts) + INTERVAL 7 DAY;

ALTER TABLE trades MODIFY TTL toDateTime(ingest_ts) + INTERVAL 7 DAY;

ALTER TABLE tickers MODIFY TTL toDateTime(ingest_ts) + INTERVAL 7 DAY;

ALTER TABLE market_lifecycle MODIFY TTL toDateTime(ingest_ts) + INTERVAL 7 DAY;

ALTER TABLE orderbook_snapshots MODIFY TTL toDateTime(snapshot_ts) + INTERVAL 7 DAY;
