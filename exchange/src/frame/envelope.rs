//! The envelope of a frame: which type, which place in which sequence, and where `msg` is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::frame::fields::{FromText, Text, read};
use crate::frame::{BadFrame, Meaning, book, replies, tape};

/// The envelope, and `msg` read as far as it could be.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) sid: Option<u32>,
    pub(super) seq: Option<u64>,
    pub(super) id: Option<u64>,
    pub(super) sending_ts_ms: Option<i64>,
    pub(super) unknown: u16,
    pub(super) msg: Msg<'a>,
}

/// What became of `msg`.
#[derive(Default)]
pub(super) enum Msg<'a> {
    #[default]
    Absent,
    /// Not read yet: its type came later, or is not one of the frequent ones.
    Raw(&'a str),
    /// Read in passing.
    Read(Result<Meaning<'a>, BadFrame>),
}

/// What stands in the envelope of a frame whose `msg` was only skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peek<'a> {
    /// The `type`.
    pub kind: &'a str,
    /// The subscription.
    pub sid: Option<u32>,
    /// The place in the sid's sequence.
    pub seq: Option<u64>,
    /// The command this answers.
    pub id: Option<u64>,
}

/// Reads only the envelope: for a frame whose `msg` could not be decoded, so that its place in the
/// sequence is known all the same.
pub fn peek_envelope(frame: &str) -> Option<Peek<'_>> {
    let OnlyEnvelope(envelope) = serde_json::from_str(frame).ok()?;
    let Envelope { kind, sid, seq, id, .. } = envelope;
    Some(Peek { kind: kind?, sid, seq, id })
}

pub(super) fn parse(frame: &str) -> Result<Envelope<'_>, BadFrame> {
    match serde_json::from_str(frame) {
        Ok(WithMsg(envelope)) => Ok(envelope),
        Err(error) => {
            let kind = peek_envelope(frame).map_or("frame", |peek| peek.kind);
            Err(BadFrame::malformed(kind, error))
        }
    }
}

/// Reads a `msg` whose type came after it, or is not one of the frequent ones.
pub(super) fn read_late<'a>(kind: &'a str, raw: &'a str) -> Result<Meaning<'a>, BadFrame> {
    let bad = |error: serde_json::Error| BadFrame::malformed(kind, error);
    match Frequent::of(kind) {
        Some(Frequent::Delta) => book::delta(serde_json::from_str(raw).map_err(bad)?),
        Some(Frequent::Snapshot) => book::snapshot(serde_json::from_str(raw).map_err(bad)?),
        Some(Frequent::Trade) => tape::trade(serde_json::from_str(raw).map_err(bad)?),
        Some(Frequent::Ticker) => tape::ticker(serde_json::from_str(raw).map_err(bad)?),
        None => replies::read(kind, raw),
    }
}

/// The types worth reading in one pass.
enum Frequent {
    Delta,
    Snapshot,
    Trade,
    Ticker,
}

impl Frequent {
    fn of(kind: &str) -> Option<Self> {
        match kind {
            book::DELTA => Some(Self::Delta),
            book::SNAPSHOT => Some(Self::Snapshot),
            tape::TRADE => Some(Self::Trade),
            tape::TICKER => Some(Self::Ticker),
            _ => None,
        }
    }
}

enum Key {
    Kind,
    Sid,
    Seq,
    Id,
    SendingTsMs,
    Msg,
    Unknown,
}

impl FromText for Key {
    const EXPECTED: &'static str = "a field name";

    #[inline]
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(match text {
            "type" => Self::Kind,
            "sid" => Self::Sid,
            "seq" => Self::Seq,
            "id" => Self::Id,
            "sending_ts_ms" => Self::SendingTsMs,
            "msg" => Self::Msg,
            _ => Self::Unknown,
        })
    }
}

struct WithMsg<'a>(Envelope<'a>);

struct OnlyEnvelope<'a>(Envelope<'a>);

impl<'a> Deserialize<'a> for WithMsg<'a> {
    #[inline]
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader::<true>).map(WithMsg)
    }
}

impl<'a> Deserialize<'a> for OnlyEnvelope<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader::<false>).map(OnlyEnvelope)
    }
}

struct Reader<const WITH_MSG: bool>;

impl<'a, const WITH_MSG: bool> Visitor<'a> for Reader<WITH_MSG> {
    type Value = Envelope<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame: one JSON object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Envelope<'a>, A::Error> {
        let mut all = Envelope::default();
        while let Some(Text(key)) = map.next_key::<Text<Key>>()? {
            match key {
                Key::Kind => read(&mut map, "type", &mut all.kind)?,
                Key::Sid => read(&mut map, "sid", &mut all.sid)?,
                Key::Seq => read(&mut map, "seq", &mut all.seq)?,
                Key::Id => read(&mut map, "id", &mut all.id)?,
                Key::SendingTsMs => read(&mut map, "sending_ts_ms", &mut all.sending_ts_ms)?,
                Key::Msg if WITH_MSG => {
                    if !matches!(all.msg, Msg::Absent) {
                        return Err(A::Error::duplicate_field("msg"));
                    }
                    all.msg = read_msg(&mut map, all.kind)?;
                }
                Key::Msg => {
                    map.next_value::<IgnoredAny>()?;
                }
                Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    all.unknown = all.unknown.saturating_add(1);
                }
            }
        }
        Ok(all)
    }
}

#[inline]
fn read_msg<'a, A: MapAccess<'a>>(map: &mut A, kind: Option<&str>) -> Result<Msg<'a>, A::Error> {
    Ok(match kind.and_then(Frequent::of) {
        Some(Frequent::Delta) => Msg::Read(book::delta(map.next_value()?)),
        Some(Frequent::Snapshot) => Msg::Read(book::snapshot(map.next_value()?)),
        Some(Frequent::Trade) => Msg::Read(tape::trade(map.next_value()?)),
        Some(Frequent::Ticker) => Msg::Read(tape::ticker(map.next_value()?)),
        None => Msg::Raw(map.next_value::<&RawValue>()?.get()),
    })
}
