-- Order-book events as this gatherer saw them: raw sid and seq, once per connection that brought them.
CREATE TABLE IF NOT EXISTS orderbook_events
(
    `type` Enum8('snapshot' = 1, 'delta' = 2) COMMENT 'snapshot: one row a level, all with one seq; delta: one change of one level' CODEC(ZSTD(1)),
    `sid` UInt32 COMMENT 'raw sid on the connection' CODEC(ZSTD(1)),
    `seq` UInt64 COMMENT 'raw seq on that sid, shared by all its markets; all rows of one snapshot share it' CODEC(Delta, ZSTD(1)),
    `market_id` UUID COMMENT 'the exchange''s id of the market, stable' CODEC(ZSTD(1)),
    `market_ticker` LowCardinality(String) COMMENT 'the exchange''s name of the market' CODEC(ZSTD(1)),
    `side` Enum8('yes' = 1, 'no' = 2) COMMENT 'yes: bids, no: asks' CODEC(ZSTD(1)),
    `price` Decimal(5, 4) COMMENT 'dollars of the yes leg, on both sides; 0 in the one row of an empty snapshot' CODEC(ZSTD(1)),
    `qty` Decimal(18, 2) COMMENT 'contracts: what rests at the level (snapshot) or its signed change (delta)' CODEC(ZSTD(1)),
    `ts` DateTime64(3, 'UTC') COMMENT 'exchange time; of a snapshot, which carries none, the receipt' CODEC(Delta, ZSTD(1)),
    `ingest_ts` DateTime64(6, 'UTC') COMMENT 'receipt at the socket, wall clock' CODEC(Delta, ZSTD(1)),
    `clock` UInt64 COMMENT 'exchange clock; 0 where the frame had none' CODEC(Delta, ZSTD(1)),
    `gatherer` LowCardinality(String) COMMENT 'this gatherer' CODEC(ZSTD(1)),
    `session` UInt64 COMMENT 'connection' CODEC(Delta, ZSTD(1)),
    `origin` Enum8('live' = 1, 'get_snapshot' = 2, 'checkpoint' = 3, 'rest' = 4) COMMENT 'how it came; never checkpoint here' CODEC(ZSTD(1)),
    INDEX ts_range ts TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(ts)
ORDER BY (market_ticker, session, sid, seq, side, price)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Order-book events as this gatherer saw them';
