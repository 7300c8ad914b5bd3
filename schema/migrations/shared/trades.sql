-- A trade is itself by trade_id; ts stands before it in the key because people ask by time, and is the same
-- on every connection and over REST. One captured live outlives the same one fetched again.
CREATE TABLE IF NOT EXISTS trades
(
    `trade_id` UUID COMMENT 'the exchange''s id, the same over WebSocket and REST' CODEC(ZSTD(1)),
    `market_ticker` LowCardinality(String) COMMENT 'the market' CODEC(ZSTD(1)),
    `yes_price` Decimal(5, 4) COMMENT 'dollars of the yes leg' CODEC(ZSTD(1)),
    `no_price` Decimal(5, 4) COMMENT 'dollars of the no leg' CODEC(ZSTD(1)),
    `count` Decimal(18, 2) COMMENT 'contracts' CODEC(ZSTD(1)),
    `taker_side` Enum8('unknown' = 0, 'yes' = 1, 'no' = 2) COMMENT 'outcome the taker bought' CODEC(ZSTD(1)),
    `is_block_trade` Bool COMMENT 'false where the exchange did not say' CODEC(ZSTD(1)),
    `ts` DateTime64(3, 'UTC') COMMENT 'exchange time' CODEC(Delta, ZSTD(1)),
    `ingest_ts` DateTime64(6, 'UTC') COMMENT 'first receipt, wall clock of the gatherer' CODEC(Delta, ZSTD(1)),
    `gatherer` LowCardinality(String) COMMENT 'who received it first; empty if fetched over REST' CODEC(ZSTD(1)),
    `session` UInt64 COMMENT 'connection of that gatherer' CODEC(Delta, ZSTD(1)),
    `source_sid` UInt32 COMMENT 'raw sid on that connection' CODEC(ZSTD(1)),
    `source_seq` UInt64 COMMENT 'raw seq on that sid' CODEC(Delta, ZSTD(1)),
    `recovered` Bool COMMENT 'fetched again over REST, not captured live' CODEC(ZSTD(1)),
    `live` UInt8 MATERIALIZED NOT recovered COMMENT 'version: a live capture outlives a recovered one' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(live)
PARTITION BY toYYYYMM(ts)
ORDER BY (market_ticker, ts, trade_id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Trades, each once';
