-- Where a sink stands in its log. The farthest position stands, whatever a wall clock says.
CREATE TABLE IF NOT EXISTS sink_cursor
(
    `sink` String COMMENT 'name of the sink',
    `position_incarnation` UInt32 COMMENT 'incarnation of the log',
    `position_offset` UInt64 COMMENT 'everything of that incarnation below this offset is stored here',
    `updated` DateTime64(3, 'UTC') COMMENT 'when it was written'
)
ENGINE = ReplacingMergeTree(position_offset)
ORDER BY (sink, position_incarnation)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'How far each sink has stored its log; the row of the highest incarnation counts';
