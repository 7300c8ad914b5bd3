-- The book as it stands. Written by upsert: the row with the highest seq is the level.
CREATE TABLE IF NOT EXISTS latest_levels
(
    `market_id` UUID COMMENT 'the exchange''s id of the market, stable' CODEC(ZSTD(1)),
    `market_ticker` LowCardinality(String) COMMENT 'the exchange''s name of the market' CODEC(ZSTD(1)),
    `side` Enum8('yes' = 1, 'no' = 2) COMMENT 'yes: bids, no: asks' CODEC(ZSTD(1)),
    `price` Decimal(5, 4) COMMENT 'dollars of the yes leg, on both sides' CODEC(Delta, ZSTD(1)),
    `size` Decimal(18, 2) COMMENT 'contracts resting; 0: the level has vanished' CODEC(ZSTD(1)),
    `ts` DateTime64(3, 'UTC') COMMENT 'exchange time of the change that left it so' CODEC(ZSTD(1)),
    `ingest_ts` DateTime64(6, 'UTC') COMMENT 'first receipt of that change' CODEC(ZSTD(1)),
    `seq` UInt64 COMMENT 'canonical seq of that change: the version, the highest wins' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (market_ticker, side, price)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every level ever seen, newest state wins, size 0 is a tombstone; query latest_book instead';

-- What a person queries: FINAL chooses the newest row of each level, then tombstones are left out.
CREATE VIEW IF NOT EXISTS latest_book AS
SELECT market_id, market_ticker, side, price, size, ts, ingest_ts, seq
FROM latest_levels FINAL
WHERE size > 0
COMMENT 'The resting levels of every book as of the last event';
