-- Holes: stretches of a market's clock that no lane covered. A change of state is a new row of a higher version.
CREATE TABLE IF NOT EXISTS gaps
(
    `market_ticker` LowCardinality(String) COMMENT 'the market',
    `era` UInt16 COMMENT 'era of both clocks',
    `from_clock` UInt64 COMMENT 'last clock that is whole; the hole is (from_clock, to_clock]',
    `to_clock` UInt64 COMMENT 'clock of the snapshot that ends the hole',
    `from_ts` DateTime64(3, 'UTC') COMMENT 'exchange time of the last event before it',
    `to_ts` DateTime64(3, 'UTC') COMMENT 'exchange time, or receipt, of the snapshot after it',
    `cause` LowCardinality(String) COMMENT 'what was lost: seq_break, disconnected, restart, ...',
    `state` Enum8('open' = 1, 'repaired' = 2, 'permanent' = 3) COMMENT 'open: not looked at yet; permanent: nobody has it',
    `repaired_by` String COMMENT 'who or what repaired it, empty while open',
    `version` UInt64 COMMENT 'the highest version of (market_ticker, era, from_clock) stands'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (market_ticker, era, from_clock)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Holes in the record; read with FINAL';
