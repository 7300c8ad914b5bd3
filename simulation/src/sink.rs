//! A store that knows its deduplication tokens, and the loop that carries the journal into it.
//!
//! The loop says the steps of `store::follow` one by one, so that anything can happen between two.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use deduplicator::simulated::Site;
use spool::{Log, Position, Reader};
use store::{Borders, Intent, Reading};

/// Tables written one after the other under the same token.
pub(crate) const TABLES: usize = 2;
const NAME: &str = "canonical";

/// One stored row: where it lay in the journal, and what it says.
pub(crate) type Row = (Position, Vec<u8>);

/// The database. It outlives every program.
#[derive(Default)]
pub(crate) struct Server {
    pub(crate) up: bool,
    /// What was inserted under a token, per table: its digest.
    tokens: BTreeMap<(usize, String), u64>,
    pub(crate) tables: [Vec<Row>; TABLES],
    cursor: Option<Position>,
    /// Batches that came again.
    pub(crate) again: u64,
}

impl Server {
    fn insert(&mut self, table: usize, token: &str, rows: &[Row]) -> Result<(), String> {
        let mut hasher = DefaultHasher::new();
        for (at, payload) in rows {
            (at.incarnation, at.offset, payload).hash(&mut hasher);
        }
        let digest = hasher.finish();
        match self.tokens.insert((table, token.to_owned()), digest) {
            None => self.tables[table].extend_from_slice(rows),
            Some(before) if before == digest => self.again += 1,
            Some(_) => return Err(format!("batch {token} came again and was another")),
        }
        Ok(())
    }
}

/// The loop, while the deduplicator runs.
pub(crate) struct Sink {
    intent: Intent,
    reader: Reader,
    cursor: Position,
    batch: Option<(Borders, Vec<Row>)>,
    /// The next table to write; `TABLES`: the cursor.
    stage: usize,
}

impl Sink {
    /// Asks the store where it stands. `None`: it does not answer.
    pub(crate) fn start(site: &Site, log: &Log, server: &Server) -> anyhow::Result<Option<Self>> {
        if !server.up {
            return Ok(None);
        }
        let intent = Intent::open_at(&site.disk, &site.sinks(), NAME)?;
        let cursor = server.cursor.unwrap_or(log.oldest());
        let reader = log.read_from(cursor)?;
        Ok(Some(Self { intent, reader, cursor, batch: None, stage: 0 }))
    }

    /// Everything below is stored.
    pub(crate) fn cursor(&self) -> Position {
        self.cursor
    }

    /// Whether no batch is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.batch.is_none()
    }

    /// One step. `most`: records of a new batch. `answered`: whether an insert's answer is heard.
    pub(crate) fn step(
        &mut self,
        server: &mut Server,
        most: usize,
        answered: bool,
    ) -> anyhow::Result<()> {
        let Some((borders, rows)) = &self.batch else { return self.gather(most) };
        if !server.up {
            self.stage = 0;
            return Ok(());
        }
        if self.stage < TABLES {
            let of_table: Vec<Row> =
                rows.iter().filter(|(_, payload)| table(payload) == self.stage).cloned().collect();
            server
                .insert(self.stage, &borders.token(NAME), &of_table)
                .map_err(anyhow::Error::msg)?;
            self.stage = if answered { self.stage + 1 } else { 0 };
            return Ok(());
        }
        server.cursor = Some(borders.to);
        if answered {
            self.cursor = borders.to;
            (self.batch, self.stage) = (None, 0);
        } else {
            self.stage = 0;
        }
        Ok(())
    }

    fn gather(&mut self, most: usize) -> anyhow::Result<()> {
        let begun = self.intent.begun_at(self.cursor)?;
        let mut reading = Reading::begin(self.cursor, begun.map(|begun| begun.to));
        let mut rows = Vec::new();
        while !reading.is_whole() && (reading.was_begun() || rows.len() < most) {
            let Some(record) = reading.next(&mut self.reader)? else { break };
            rows.push((record.at, record.payload.to_vec()));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let borders = reading.borders();
        if begun.is_none() {
            self.intent.begin(borders)?;
        }
        (self.batch, self.stage) = (Some((borders, rows)), 0);
        Ok(())
    }
}

/// Which table a record goes to: any rule that depends on the record alone.
fn table(payload: &[u8]) -> usize {
    usize::from(matches!(
        deduplicator::simulated::decode(payload),
        Ok(merge::Record::LaneMinutes(_) | merge::Record::Gatherer { .. })
    ))
}
