-- Life of markets and events, kept as the exchange said it: the body is the msg object, byte for byte.
CREATE TABLE IF NOT EXISTS market_lifecycle
(
    `kind` LowCardinality(String) COMMENT 'message type: market_lifecycle_v2, event_lifecycle, event_fee_update, ...',
    `market_ticker` String COMMENT 'the market; empty if the message is about an event' CODEC(ZSTD(1)),
    `event_ticker` String COMMENT 'the event, where the message names it' CODEC(ZSTD(1)),
    `event_type` LowCardinality(String) COMMENT 'created, activated, determined, ...; empty where there is none',
    `ts` DateTime64(3, 'UTC') COMMENT 'when the exchange sent it, else the receipt' CODEC(Delta, ZSTD(1)),
    `body` String COMMENT 'the msg object, JSON' CODEC(ZSTD(3)),
    `ingest_ts` DateTime64(6, 'UTC') COMMENT 'first receipt, wall clock of the gatherer' CODEC(Delta, ZSTD(1)),
    `gatherer` LowCardinality(String) COMMENT 'who received it first',
    `session` UInt64 COMMENT 'connection of that gatherer' CODEC(Delta, ZSTD(1)),
    `source_sid` UInt32 COMMENT 'raw sid on that connection' CODEC(ZSTD(1)),
    `source_seq` UInt64 COMMENT 'raw seq on that sid' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
PRIMARY KEY (market_ticker, event_ticker, ts)
ORDER BY (market_ticker, event_ticker, ts, kind, event_type, cityHash64(body))
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Life of markets and events';
