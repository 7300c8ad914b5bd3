-- Every frame as received. Whole days are dropped, never rewritten, when they are older than the TTL.
CREATE TABLE IF NOT EXISTS raw_frames
(
    `session` UInt64 COMMENT 'connection' CODEC(Delta, ZSTD(1)),
    `position_incarnation` UInt32 COMMENT 'incarnation of the spool' CODEC(ZSTD(1)),
    `position_offset` UInt64 COMMENT 'place in that incarnation' CODEC(Delta, ZSTD(1)),
    `recv_ts` DateTime64(6, 'UTC') COMMENT 'receipt at the socket, wall clock' CODEC(Delta, ZSTD(1)),
    `frame` String COMMENT 'the text message, byte for byte' CODEC(ZSTD(3)),
    INDEX recv_ts_range recv_ts TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(recv_ts)
ORDER BY (position_incarnation, position_offset)
TTL toDateTime(recv_ts) + INTERVAL 3 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Frames as received, for three days';
