//! What a start begins with: the newest good checkpoint, the journal behind it, or what ClickHouse
//! holds.

pub(crate) mod from_store;
pub(crate) mod settled;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use exchange::Moment;
use merge::{Merge, Record};
use spool::{AnyDisk, Log, ReadError, Upto};

use self::settled::Counted;
use crate::checkpoint::{self, Durable};
use crate::journal::codec;
use crate::pipeline::{Polled, Superseded, accounts};

/// The state to go on with.
pub(crate) struct Recovered {
    pub(crate) merge: Merge,
    /// By gatherer, up to where its records are in the state.
    pub(crate) positions: BTreeMap<String, proto::Position>,
    /// Number of the newest checkpoint.
    pub(crate) number: u64,
    pub(crate) newest: Option<Durable>,
    /// Records that the journal should hold and does not.
    pub(crate) owed: Vec<Record>,
    /// Records replayed from the journal.
    pub(crate) replayed: u64,
    /// Polled books that the journal holds and the gatherers will hand over again.
    pub(crate) polled: Polled,
    /// What a deduplicator that lost its disk had counted.
    pub(crate) counted: Counted,
    /// What stands under the numbers of checkpoints that could not be read.
    pub(crate) superseded: Superseded,
}

impl Recovered {
    /// Whether there was neither checkpoint nor journal.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.is_none() && self.replayed == 0
    }
}

/// Puts the state together from checkpoint and journal.
pub(crate) fn recover(
    checkpoints: &Path,
    log: &Log,
    config: merge::Config,
    now: Moment,
) -> anyhow::Result<Recovered> {
    recover_at(&AnyDisk::machine(), checkpoints, log, config, now)
}

pub(crate) fn recover_at(
    disk: &AnyDisk,
    checkpoints: &Path,
    log: &Log,
    config: merge::Config,
    now: Moment,
) -> anyhow::Result<Recovered> {
    let mut recovered = match checkpoint::load(disk, checkpoints)? {
        Some(loaded) => {
            let (durable, merge) = loaded.into_parts();
            begin_with(merge, durable)
        }
        None => Recovered {
            merge: Merge::new(config.clone()),
            positions: BTreeMap::new(),
            number: 0,
            newest: None,
            owed: Vec::new(),
            replayed: 0,
            polled: Polled::default(),
            counted: Counted::default(),
            superseded: Superseded::default(),
        },
    };
    recovered.merge.set_config(config);
    replay(&mut recovered, log)?;
    recovered.merge.resumed(now);
    Ok(recovered)
}

fn begin_with(merge: Merge, durable: Durable) -> Recovered {
    let head = durable.head();
    let positions = head.positions().map(|(name, at)| (name.to_owned(), at)).collect();
    let owed = accounts(head).into_iter().collect();
    let number = head.number;
    Recovered {
        merge,
        positions,
        number,
        newest: Some(durable),
        owed,
        replayed: 0,
        polled: Polled::default(),
        counted: Counted::default(),
        superseded: Superseded::default(),
    }
}

/// Applies the journal behind the checkpoint, and strikes out what it turns out not to owe.
fn replay(recovered: &mut Recovered, log: &Log) -> anyhow::Result<()> {
    let from = recovered.newest.as_ref().map_or(log.oldest(), |durable| durable.head().journal());
    let mut reader = log.read_from(from).map_err(|error| match error {
        ReadError::Trimmed { .. } | ReadError::Ahead { .. } => anyhow!(
            "the checkpoints do not belong to the journal ({error}); move DATA_DIR aside and start \
             with an empty one: the program then continues from ClickHouse"
        ),
        error => anyhow!(error).context("cannot read the journal"),
    })?;
    while let Some(record) = reader.next(Upto::Durable).context("cannot read the journal")? {
        let at = record.at;
        let record = codec::decode(record.payload)
            .with_context(|| format!("the journal at {at} cannot be understood"))?;
        if recovered.newest.is_none() && recovered.replayed == 0 {
            anyhow::ensure!(
                matches!(record, Record::Gatherer { .. }),
                "there is no checkpoint, and the beginning of the journal is trimmed away; move \
                 DATA_DIR aside and start with an empty one: the program then continues from \
                 ClickHouse"
            );
        }
        if let Record::LaneMinutes(minutes) = &record {
            if minutes.checkpoint == recovered.number {
                recovered.owed.clear();
            }
            if minutes.checkpoint > recovered.number {
                recovered.superseded.note(minutes);
            }
        }
        recovered.polled.replayed(&record);
        failpoint::hit("recover.replaying");
        recovered.merge.apply(&record);
        recovered.replayed += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use merge::{LaneMinute, LaneMinutesRecord};
    use spool::{Options, Spool};

    use super::*;
    use crate::checkpoint::{Head, Sealed, store};

    /// What is recovered from checkpoint 4, which has accounts, and these records behind it.
    fn recovered(journal: impl Fn(Record) -> Vec<Record>) -> Recovered {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut writer, log, _) =
            Spool::open(&dir.path().join("log"), Options::default()).expect("a new log");
        let checkpoints = dir.path().join("checkpoints");
        let merge = Merge::new(merge::Config::default());
        let rows = vec![LaneMinute { frames: 3, ..LaneMinute::default() }];
        let head = Head::new(4, writer.next(), Vec::new(), rows);
        let record = accounts(&head).expect("there are rows");
        let sealed = Sealed::new(head, merge);
        store(&checkpoints, &sealed, &log).expect("writes");
        for record in journal(record) {
            let mut bytes = Vec::new();
            codec::encode(&record, &mut bytes);
            writer.append(&bytes).expect("room");
        }
        writer.commit().expect("a healthy disk");
        recover(&checkpoints, &log, merge::Config::default(), Moment::default()).expect("whole")
    }

    #[test]
    fn accounts_that_did_not_reach_the_journal_are_owed_to_it_and_others_are_not() {
        let missing = recovered(|_| Vec::new()).owed;
        assert!(
            matches!(&missing[..], [Record::LaneMinutes(minutes)] if minutes.checkpoint == 4),
            "{missing:?}"
        );
        let journalled = recovered(|record| vec![record]);
        assert_eq!((journalled.owed, journalled.replayed), (Vec::new(), 1));
        assert_eq!(journalled.superseded, Superseded::default());
    }

    #[test]
    fn what_a_lost_checkpoint_had_accounted_for_is_known_to_be_stored() {
        let rows = vec![LaneMinute { sid: 1, frames: 50, ..LaneMinute::default() }];
        let lost = LaneMinutesRecord { checkpoint: 5, rows };
        let mut stored = Superseded::default();
        stored.note(&lost);
        let lost = Record::LaneMinutes(Box::new(lost));
        let recovered = recovered(|own| vec![own, lost.clone()]);
        assert_eq!((recovered.number, recovered.superseded), (4, stored));
    }
}
