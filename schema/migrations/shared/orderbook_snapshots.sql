-- Whole books asked for apart from the feed (REST polls, audits): one row a book, levels as parallel arrays.
CREATE TABLE IF NOT EXISTS orderbook_snapshots
(
    `snapshot_ts` DateTime64(6, 'UTC') COMMENT 'receipt of the answer: a REST book carries no time' CODEC(Delta, ZSTD(1)),
    `source` LowCardinality(String) COMMENT 'rest or get_snapshot',
    `ticker` LowCardinality(String) COMMENT 'the market',
    `clock` UInt64 COMMENT 'exchange clock of the book; 0 over REST, which has none' CODEC(ZSTD(1)),
    `yes_prices` Array(Decimal(5, 4)) COMMENT 'dollars of the yes leg: bids, ascending' CODEC(ZSTD(1)),
    `yes_sizes` Array(Decimal(18, 2)) COMMENT 'contracts at each of yes_prices' CODEC(ZSTD(1)),
    `no_prices` Array(Decimal(5, 4)) COMMENT 'dollars of the yes leg: asks, ascending' CODEC(ZSTD(1)),
    `no_sizes` Array(Decimal(18, 2)) COMMENT 'contracts at each of no_prices' CODEC(ZSTD(1)),
    `gatherer` LowCardinality(String) COMMENT 'who asked'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(snapshot_ts)
ORDER BY (ticker, snapshot_ts, source, gatherer)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Whole books asked for apart from the feed';
