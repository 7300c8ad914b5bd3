-- A hole is nobody's: it stands in a row of its own, without a gatherer and without frames.
ALTER TABLE lane_minutes MODIFY COLUMN IF EXISTS `holes` COMMENT 'holes that ended in this minute: 1 in a row without a gatherer, 0 in all others',
    MODIFY COLUMN IF EXISTS `gatherer` COMMENT 'who received the frames; empty in the row of a hole, which nobody covered',
    MODIFY COLUMN IF EXISTS `minute` COMMENT 'minute of receipt, its start; of a hole, that of the snapshot that ended it',
    MODIFY COLUMN IF EXISTS `checkpoint` COMMENT 'the deduplicator''s checkpoint that closed these counts; of a hole, the canonical seq of the snapshot that ended it';
