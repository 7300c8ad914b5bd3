-- A ticker has no id: it is its market, time and content, and so is the key. Only the first two are in the index.
CREATE TABLE IF NOT EXISTS tickers
(
    `market_id` UUID COMMENT 'the exchange''s id of the market' CODEC(ZSTD(1)),
    `market_ticker` LowCardinality(String) COMMENT 'the market' CODEC(ZSTD(1)),
    `price` Decimal(5, 4) COMMENT 'dollars, last trade, yes leg' CODEC(ZSTD(1)),
    `yes_bid` Decimal(5, 4) COMMENT 'dollars, best bid' CODEC(ZSTD(1)),
    `yes_ask` Decimal(5, 4) COMMENT 'dollars, best ask' CODEC(ZSTD(1)),
    `volume` Decimal(18, 2) COMMENT 'contracts traded so far' CODEC(Delta, ZSTD(1)),
    `open_interest` Decimal(18, 2) COMMENT 'contracts open' CODEC(Delta, ZSTD(1)),
    `dollar_volume` Int64 COMMENT 'whole dollars traded so far' CODEC(Delta, ZSTD(1)),
    `dollar_open_interest` Int64 COMMENT 'whole dollars open' CODEC(Delta, ZSTD(1)),
    `yes_bid_size` Decimal(18, 2) COMMENT 'contracts at the best bid' CODEC(ZSTD(1)),
    `yes_ask_size` Decimal(18, 2) COMMENT 'contracts at the best ask' CODEC(ZSTD(1)),
    `last_trade_size` Decimal(18, 2) COMMENT 'contracts of the last trade' CODEC(ZSTD(1)),
    `ts` DateTime64(3, 'UTC') COMMENT 'exchange time' CODEC(Delta, ZSTD(1)),
    `ingest_ts` DateTime64(6, 'UTC') COMMENT 'first receipt, wall clock of the gatherer' CODEC(Delta, ZSTD(1)),
    `gatherer` LowCardinality(String) COMMENT 'who received it first' CODEC(ZSTD(1)),
    `session` UInt64 COMMENT 'connection of that gatherer' CODEC(Delta, ZSTD(1)),
    `source_sid` UInt32 COMMENT 'raw sid on that connection; tickers have no seq' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
PRIMARY KEY (market_ticker, ts)
ORDER BY (market_ticker, ts, price, yes_bid, yes_ask, volume, open_interest, dollar_volume,
    dollar_open_interest, yes_bid_size, yes_ask_size, last_trade_size)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Tickers: what the exchange summed up about a market, at most about once a second';
