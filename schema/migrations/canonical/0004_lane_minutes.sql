-- The ledger: what became of every frame. A minute has as many rows as checkpoints closed counts of it: sum them.
CREATE TABLE IF NOT EXISTS lane_minutes
(
    `gatherer` LowCardinality(String) COMMENT 'who received the frames' CODEC(ZSTD(1)),
    `market_ticker` LowCardinality(String) COMMENT 'the market; empty for frames that belong to none' CODEC(ZSTD(1)),
    `minute` DateTime('UTC') COMMENT 'minute of receipt, its start' CODEC(Delta, ZSTD(1)),
    `checkpoint` UInt64 COMMENT 'the deduplicator''s checkpoint that closed these counts' CODEC(Delta, ZSTD(1)),
    `frames` UInt64 COMMENT 'frames received: the sum of what follows up to late' CODEC(T64, ZSTD(1)),
    `first_arrivals` UInt64 COMMENT 'frames that became events' CODEC(T64, ZSTD(1)),
    `copies` UInt64 COMMENT 'frames that another lane had brought before' CODEC(T64, ZSTD(1)),
    `uncovered` UInt64 COMMENT 'frames of a lane that did not cover the head' CODEC(T64, ZSTD(1)),
    `late` UInt64 COMMENT 'frames from before the head whose event can no longer be compared' CODEC(T64, ZSTD(1)),
    `divergences` UInt64 COMMENT 'copies whose content differed' CODEC(T64, ZSTD(1)),
    `breaks` UInt64 COMMENT 'jumps of the raw seq' CODEC(T64, ZSTD(1)),
    `holes` UInt64 COMMENT 'holes recorded while this lane was looked at' CODEC(T64, ZSTD(1)),
    `skew_p50_us` UInt64 COMMENT 'microseconds behind the first receipt, of copies, median' CODEC(T64, ZSTD(1)),
    `skew_p99_us` UInt64 COMMENT 'microseconds behind the first receipt, of copies, 99 in 100' CODEC(T64, ZSTD(1)),
    `skew_max_us` UInt64 COMMENT 'microseconds behind the first receipt, of copies, most' CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (gatherer, market_ticker, minute, checkpoint)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Per gatherer, market and minute: what became of the frames';
