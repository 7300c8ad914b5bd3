-- Every fate of a frame has a column of its own: frames = first_arrivals + copies + unverified + snapshots + uncovered
-- + late + divergences + quarantined + repeats + control + undecodable. Before, the last were folded into their neighbours.
ALTER TABLE lane_minutes ADD COLUMN IF NOT EXISTS `unverified` UInt64 COMMENT 'copies of events no longer remembered: not compared' CODEC(T64, ZSTD(1)) AFTER `copies`,
    ADD COLUMN IF NOT EXISTS `snapshots` UInt64 COMMENT 'snapshots that placed or verified a lane' CODEC(T64, ZSTD(1)) AFTER `unverified`,
    ADD COLUMN IF NOT EXISTS `quarantined` UInt64 COMMENT 'frames of a quarantined lane' CODEC(T64, ZSTD(1)) AFTER `divergences`,
    ADD COLUMN IF NOT EXISTS `repeats` UInt64 COMMENT 'frames whose raw seq had been seen' CODEC(T64, ZSTD(1)) AFTER `quarantined`,
    ADD COLUMN IF NOT EXISTS `control` UInt64 COMMENT 'frames without an event: acks, errors, unknown types' CODEC(T64, ZSTD(1)) AFTER `repeats`,
    ADD COLUMN IF NOT EXISTS `undecodable` UInt64 COMMENT 'frames that could not be decoded; the raw bytes are kept' CODEC(T64, ZSTD(1)) AFTER `control`,
    MODIFY COLUMN `frames` COMMENT 'frames received: the sum of what follows up to undecodable',
    MODIFY COLUMN `copies` COMMENT 'deltas, trades and messages that said what another lane had brought before',
    MODIFY COLUMN `uncovered` COMMENT 'frames of a lane that had lost frames or had shown no snapshot of the market',
    MODIFY COLUMN `late` COMMENT 'frames of what was decided or forgotten: a hole, an older era',
    MODIFY COLUMN `divergences` COMMENT 'frames that contradicted the canonical event';
