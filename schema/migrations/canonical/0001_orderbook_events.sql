-- The canonical record: every event of every market once. (market_ticker, seq) names an event.
CREATE TABLE IF NOT EXISTS orderbook_events
(
    `type` Enum8('snapshot' = 1, 'delta' = 2) COMMENT 'snapshot: one row a level, all with one seq; delta: one change of one level' CODEC(ZSTD(1)),
    `sid` UInt32 COMMENT 'canonical stream, one per market' CODEC(ZSTD(1)),
    `seq` UInt64 COMMENT 'canonical number in the stream, from 1, no holes in it; all rows of one snapshot share it' CODEC(Delta, ZSTD(1)),
    `market_id` UUID COMMENT 'the exchange''s id of the market, stable' CODEC(ZSTD(1)),
    `market_ticker` LowCardinality(String) COMMENT 'the exchange''s name of the market' CODEC(ZSTD(1)),
    `side` Enum8('yes' = 1, 'no' = 2) COMMENT 'yes: bids, no: asks' CODEC(ZSTD(1)),
    `price` Decimal(5, 4) COMMENT 'dollars of the yes leg, on both sides; 0 in the one row of an empty snapshot' CODEC(ZSTD(1)),
    `qty` Decimal(18, 2) COMMENT 'contracts: what rests at the level (snapshot) or its signed change (delta)' CODEC(ZSTD(1)),
    `ts` DateTime64(3, 'UTC') COMMENT 'exchange time; of a snapshot, which carries none, the time of the market''s last delta before it, else the receipt' CODEC(Delta, ZSTD(1)),
    `ingest_ts` DateTime64(6, 'UTC') COMMENT 'first receipt by any gatherer, its wall clock' CODEC(Delta, ZSTD(1)),
    `era` UInt16 COMMENT 'stretch between two drops of the exchange clock, from 0' CODEC(ZSTD(1)),
    `clock` UInt64 COMMENT 'exchange clock of the change; comparable within one market and era only' CODEC(Delta, ZSTD(1)),
    `clock_ord` UInt16 COMMENT 'place among the deltas of this market with this clock, from 0' CODEC(ZSTD(1)),
    `gatherer` LowCardinality(String) COMMENT 'who received it first' CODEC(ZSTD(1)),
    `session` UInt64 COMMENT 'connection of that gatherer' CODEC(Delta, ZSTD(1)),
    `source_sid` UInt32 COMMENT 'raw sid on that connection' CODEC(ZSTD(1)),
    `source_seq` UInt64 COMMENT 'raw seq on that sid' CODEC(Delta, ZSTD(1)),
    `origin` Enum8('live' = 1, 'get_snapshot' = 2, 'checkpoint' = 3, 'rest' = 4) COMMENT 'how it came: live feed, answer to get_snapshot, our repetition of the book, REST' CODEC(ZSTD(1)),
    `flags` UInt8 DEFAULT 0 COMMENT 'bit 0: disputed, gatherers disagreed about it and no majority settled it' CODEC(ZSTD(1)),
    INDEX ts_range ts TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(ts)
ORDER BY (market_ticker, seq, side, price)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Canonical order-book events: each exchange event once';
