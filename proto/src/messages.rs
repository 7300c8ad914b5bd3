//! The messages of the stream, checked: what passed `TryFrom` needs no second look.

use std::fmt;

use bytes::Bytes;

use crate::{
    capture::BadCapture, limits, position::Position, record_list::Records, record_list::records,
    wire,
};

/// Why a message of the peer is refused: the field, what it held, and what it may hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field} is {value}; it must be {limit}")]
pub struct BadMessage {
    /// Message and field, as in the contract.
    pub field: &'static str,
    /// What it held, shortened.
    pub value: String,
    /// What it may hold.
    pub limit: String,
}

/// What a deduplicator says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FollowRequest {
    /// First message of a stream.
    Start(Start),
    /// Everything below is durable at the deduplicator.
    Ack(Position),
    /// Ask the exchange for fresh snapshots.
    Refresh(Refresh),
}

/// Who follows, and from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// The deduplicator's name; its acks are kept under it.
    pub deduplicator: String,
    /// Where to begin; `None`: the oldest record kept.
    pub from: Option<Position>,
}

/// Markets whose book the deduplicator cannot trust any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refresh {
    /// The session they were seen on.
    pub session: u64,
    /// At least one.
    pub market_tickers: Vec<String>,
}

/// What a gatherer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FollowReply {
    /// First message of a stream.
    Hello(Hello),
    /// Records.
    Batch(Batch),
    /// No records.
    Heartbeat(Heartbeat),
}

/// Who answers, and from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The gatherer's name.
    pub gatherer_id: String,
    /// The oldest record it keeps.
    pub oldest: Position,
    /// What it has written so far.
    pub written: Position,
    /// Its wall clock, Unix nanoseconds.
    pub wall_ns: i64,
    /// Its version.
    pub version: String,
    /// Where the stream begins.
    pub from: Position,
}

/// A stretch of the spool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Place of the first record.
    pub first: Position,
    /// Place after the last.
    pub next: Position,
    /// How many records, at least one; checked against `records`.
    pub count: u32,
    /// The records, as [`records`] splits them.
    pub records: Bytes,
    /// What the gatherer had written when it sent this.
    pub written: Position,
    /// The gatherer's wall clock at that moment, Unix nanoseconds.
    pub wall_ns: i64,
}

/// A sign of life where there is nothing to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// What the gatherer has written.
    pub written: Position,
    /// Its wall clock, Unix nanoseconds, read before `written`.
    pub wall_ns: i64,
    /// Everything below was sent on this stream.
    pub sent_below: Position,
}

impl Batch {
    /// The capture records, in order.
    pub fn split(&self) -> Records<'_> {
        records(&self.records)
    }
}

impl From<FollowRequest> for wire::FollowRequest {
    fn from(request: FollowRequest) -> Self {
        use wire::follow_request::What;
        let what = match request {
            FollowRequest::Start(Start { deduplicator, from }) => {
                What::Start(wire::Start { deduplicator, from: from.map(Into::into) })
            }
            FollowRequest::Ack(below) => What::Ack(wire::Ack { below: Some(below.into()) }),
            FollowRequest::Refresh(Refresh { session, market_tickers }) => {
                What::Refresh(wire::Refresh { session, market_tickers })
            }
        };
        Self { what: Some(what) }
    }
}

impl TryFrom<wire::FollowRequest> for FollowRequest {
    type Error = BadMessage;

    fn try_from(wire: wire::FollowRequest) -> Result<Self, BadMessage> {
        use wire::follow_request::What;
        match wire.what {
            Some(What::Start(wire::Start { deduplicator, from })) => Ok(Self::Start(Start {
                deduplicator: name(deduplicator, "start.deduplicator")?,
                from: from.map(Into::into),
            })),
            Some(What::Ack(wire::Ack { below })) => Ok(Self::Ack(position(below, "ack.below")?)),
            Some(What::Refresh(refresh)) => refresh.try_into().map(Self::Refresh),
            None => Err(unset("request.what")),
        }
    }
}

impl TryFrom<wire::Refresh> for Refresh {
    type Error = BadMessage;

    fn try_from(wire: wire::Refresh) -> Result<Self, BadMessage> {
        let markets = wire.market_tickers.len();
        if !(1..=limits::REFRESH_MARKETS_MAX).contains(&markets) {
            let limit = format_args!("1 to {} markets", limits::REFRESH_MARKETS_MAX);
            return Err(bad("refresh.market_tickers", markets, limit));
        }
        for ticker in &wire.market_tickers {
            let printable = ticker.bytes().all(|byte| byte.is_ascii_graphic());
            if ticker.is_empty() || ticker.len() > limits::TICKER_BYTES_MAX || !printable {
                let limit = format_args!("1 to {} visible ASCII", limits::TICKER_BYTES_MAX);
                return Err(bad("refresh.market_tickers", quoted(ticker), limit));
            }
        }
        Ok(Self { session: wire.session, market_tickers: wire.market_tickers })
    }
}

impl From<FollowReply> for wire::FollowReply {
    fn from(reply: FollowReply) -> Self {
        use wire::follow_reply::What;
        let what = match reply {
            FollowReply::Hello(hello) => What::Hello(wire::Hello {
                gatherer_id: hello.gatherer_id,
                oldest: Some(hello.oldest.into()),
                written: Some(hello.written.into()),
                wall_ns: hello.wall_ns.cast_unsigned(),
                version: hello.version,
                from: Some(hello.from.into()),
            }),
            FollowReply::Batch(batch) => What::Batch(wire::Batch {
                first: Some(batch.first.into()),
                next: Some(batch.next.into()),
                count: batch.count,
                records: batch.records,
                written: Some(batch.written.into()),
                wall_ns: batch.wall_ns.cast_unsigned(),
            }),
            FollowReply::Heartbeat(heartbeat) => What::Heartbeat(wire::Heartbeat {
                written: Some(heartbeat.written.into()),
                wall_ns: heartbeat.wall_ns.cast_unsigned(),
                sent_below: Some(heartbeat.sent_below.into()),
            }),
        };
        Self { what: Some(what) }
    }
}

impl TryFrom<wire::FollowReply> for FollowReply {
    type Error = BadMessage;

    fn try_from(wire: wire::FollowReply) -> Result<Self, BadMessage> {
        use wire::follow_reply::What;
        match wire.what {
            Some(What::Hello(hello)) => hello.try_into().map(Self::Hello),
            Some(What::Batch(batch)) => batch.try_into().map(Self::Batch),
            Some(What::Heartbeat(heartbeat)) => heartbeat.try_into().map(Self::Heartbeat),
            None => Err(unset("reply.what")),
        }
    }
}

impl TryFrom<wire::Hello> for Hello {
    type Error = BadMessage;

    fn try_from(wire: wire::Hello) -> Result<Self, BadMessage> {
        Ok(Self {
            gatherer_id: name(wire.gatherer_id, "hello.gatherer_id")?,
            oldest: position(wire.oldest, "hello.oldest")?,
            written: position(wire.written, "hello.written")?,
            wall_ns: wall_ns(wire.wall_ns, "hello.wall_ns")?,
            version: name(wire.version, "hello.version")?,
            from: position(wire.from, "hello.from")?,
        })
    }
}

impl TryFrom<wire::Batch> for Batch {
    type Error = BadMessage;

    fn try_from(wire: wire::Batch) -> Result<Self, BadMessage> {
        let first = position(wire.first, "batch.first")?;
        let next = position(wire.next, "batch.next")?;
        if next <= first {
            return Err(bad("batch.next", next, format_args!("beyond batch.first, {first}")));
        }
        if wire.records.len() > limits::BATCH_BYTES_MAX {
            let limit = format_args!("at most {} bytes", limits::BATCH_BYTES_MAX);
            return Err(bad("batch.records", wire.records.len(), limit));
        }
        let count: Result<usize, BadCapture> =
            records(&wire.records).try_fold(0, |count, record| record.map(|_| count + 1));
        let count =
            count.map_err(|error| bad("batch.records", error, "records, each with its length"))?;
        if count == 0 || count != wire.count as usize {
            let limit = format_args!("at least 1 and what batch.records holds, {count}");
            return Err(bad("batch.count", wire.count, limit));
        }
        Ok(Self {
            first,
            next,
            count: wire.count,
            records: wire.records,
            written: position(wire.written, "batch.written")?,
            wall_ns: wall_ns(wire.wall_ns, "batch.wall_ns")?,
        })
    }
}

impl TryFrom<wire::Heartbeat> for Heartbeat {
    type Error = BadMessage;

    fn try_from(wire: wire::Heartbeat) -> Result<Self, BadMessage> {
        Ok(Self {
            written: position(wire.written, "heartbeat.written")?,
            wall_ns: wall_ns(wire.wall_ns, "heartbeat.wall_ns")?,
            sent_below: position(wire.sent_below, "heartbeat.sent_below")?,
        })
    }
}

fn bad(field: &'static str, value: impl fmt::Display, limit: impl fmt::Display) -> BadMessage {
    BadMessage { field, value: value.to_string(), limit: limit.to_string() }
}

fn unset(field: &'static str) -> BadMessage {
    bad(field, "absent", "set")
}

fn position(wire: Option<wire::Position>, field: &'static str) -> Result<Position, BadMessage> {
    wire.map(Into::into).ok_or_else(|| unset(field))
}

fn wall_ns(wire: u64, field: &'static str) -> Result<i64, BadMessage> {
    i64::try_from(wire).map_err(|_| bad(field, wire, "Unix nanoseconds below 2^63"))
}

/// A name that may stand in a file name, a metric label and a log line.
fn name(text: String, field: &'static str) -> Result<String, BadMessage> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    let whole = !text.starts_with('.') && text.bytes().all(allowed);
    if text.is_empty() || text.len() > limits::NAME_BYTES_MAX || !whole {
        let limit = format_args!(
            "1 to {} of A-Z a-z 0-9 - _ + . and not begin with a point",
            limits::NAME_BYTES_MAX
        );
        return Err(bad(field, quoted(&text), limit));
    }
    Ok(text)
}

/// What came, short enough for a log line.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_list::push_record;

    const AT: Position = Position { incarnation: 2, offset: 100 };
    const NEXT: Position = Position { incarnation: 2, offset: 200 };

    fn batch() -> Batch {
        let mut list = Vec::new();
        push_record(&mut list, b"a");
        push_record(&mut list, b"b");
        let records = list.into();
        Batch { first: AT, next: NEXT, count: 2, records, written: NEXT, wall_ns: 5 }
    }

    #[test]
    fn what_is_said_is_understood() {
        let hello = Hello {
            gatherer_id: "east".into(),
            oldest: Position::default(),
            written: NEXT,
            wall_ns: 1,
            version: "0.0.0".into(),
            from: AT,
        };
        let heartbeat = Heartbeat { written: NEXT, wall_ns: 9, sent_below: AT };
        for reply in [
            FollowReply::Hello(hello),
            FollowReply::Batch(batch()),
            FollowReply::Heartbeat(heartbeat),
        ] {
            assert_eq!(FollowReply::try_from(wire::FollowReply::from(reply.clone())), Ok(reply));
        }
        for request in [
            FollowRequest::Start(Start { deduplicator: "d-1".into(), from: None }),
            FollowRequest::Start(Start { deduplicator: "d-1".into(), from: Some(AT) }),
            FollowRequest::Ack(NEXT),
            FollowRequest::Refresh(Refresh { session: 7, market_tickers: vec!["KX-1".into()] }),
        ] {
            let wire = wire::FollowRequest::from(request.clone());
            assert_eq!(FollowRequest::try_from(wire), Ok(request));
        }
    }

    fn refusal(request: FollowRequest) -> String {
        let wire = wire::FollowRequest::from(request);
        FollowRequest::try_from(wire).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_refusal_names_field_value_and_limit() {
        let start = |name: &str| {
            refusal(FollowRequest::Start(Start { deduplicator: name.into(), from: None }))
        };
        assert!(start("").starts_with("start.deduplicator is \"\"; it must be 1 to 64 of"));
        assert!(start("../../etc").starts_with("start.deduplicator is \"../../etc\"; it must be"));
        assert!(start(&"x".repeat(65)).contains("1 to 64"));
        let refresh = |market_tickers| {
            refusal(FollowRequest::Refresh(Refresh { session: 1, market_tickers }))
        };
        let none = "refresh.market_tickers is 0; it must be 1 to 1000 markets";
        assert_eq!(refresh(vec![]), none);
        assert!(refresh(vec!["A B".into()]).contains("1 to 128 visible ASCII"));
        let absent = FollowRequest::try_from(wire::FollowRequest { what: None });
        assert_eq!(absent, Err(unset("request.what")));
    }

    #[test]
    fn a_batch_must_hold_what_it_says() {
        let refused = |batch: Batch| {
            let wire = wire::FollowReply::from(FollowReply::Batch(batch));
            FollowReply::try_from(wire).expect_err("must be refused").to_string()
        };
        let count = refused(Batch { count: 3, ..batch() });
        assert_eq!(
            count,
            "batch.count is 3; it must be at least 1 and what batch.records holds, 2"
        );
        let empty = refused(Batch { count: 0, records: Bytes::new(), ..batch() });
        assert!(empty.starts_with("batch.count is 0"));
        let backward = refused(Batch { next: AT, ..batch() });
        assert_eq!(backward, "batch.next is 2:100; it must be beyond batch.first, 2:100");
        let cut = refused(Batch { records: batch().records.slice(..7), ..batch() });
        assert!(cut.starts_with("batch.records is a record is cut"), "{cut}");
        let before_1970 = refused(Batch { wall_ns: -1, ..batch() });
        assert!(before_1970.starts_with("batch.wall_ns is 18446744073709551615"));
    }
}
