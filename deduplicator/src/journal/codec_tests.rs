//! Version 1 never changes, everything round-trips, and nothing else is read.

use exchange::{Level, Price, Side, Size};
use merge::{
    DeltaRecord, GathererIndex, HoleCause, HoleRecord, LaneMinute, LaneMinutesRecord, Origin,
    Provenance, RestBooksRecord, SnapshotRecord, TradeRecord,
};
use uuid::Uuid;

use super::*;

fn price(units: u16) -> Price {
    Price::from_units(units).expect("within a dollar")
}

fn from() -> Provenance {
    Provenance { gatherer: GathererIndex(1), session: 2, sid: 3, seq: 4, wall_ns: 5 }
}

fn delta() -> Record {
    Record::Delta(DeltaRecord {
        sid: 7,
        seq: 300,
        era: 1,
        clock: 1_000,
        ord: 2,
        side: Side::No,
        price: price(4300),
        delta: Size::from_units(-150),
        resting: Size::from_units(20),
        ts_ms: 1_700_000_000_000,
        from: from(),
        disputed: true,
    })
}

fn samples() -> Vec<(Record, &'static str)> {
    let level = Level { price: price(100), size: Size::from_units(500) };
    let snapshot = SnapshotRecord {
        sid: 7,
        seq: 1,
        era: 0,
        clock: 9,
        ts_ms: 10,
        origin: Origin::GetSnapshot,
        yes: vec![level],
        no: vec![],
        vanished: vec![(Side::No, price(2))],
        from: from(),
    };
    let hole = HoleRecord {
        sid: 7,
        seq: 8,
        era: 0,
        from_clock: 3,
        to_clock: 9,
        from_whole: true,
        from_ts_ms: -1,
        to_ts_ms: 1,
        cause: HoleCause::GathererSilent,
    };
    let trade = TradeRecord {
        trade_id: Uuid::from_u128(1),
        market_ticker: "M".to_owned(),
        yes_price: price(1),
        no_price: price(2),
        count: Size::from_units(3),
        taker: Side::Yes,
        is_block_trade: Some(false),
        ts_ms: 4,
        from: from(),
    };
    let minutes = LaneMinutesRecord {
        checkpoint: 5,
        rows: vec![LaneMinute { sid: 7, minute: 6, frames: 300, ..LaneMinute::default() }],
    };
    let books = RestBooksRecord {
        gatherer: GathererIndex(1),
        wall_ns: 5,
        books: vec![("M".to_owned(), vec![level], vec![])],
    };
    vec![
        (Record::Gatherer { index: GathererIndex(1), name: "west".to_owned() }, GATHERER),
        (Record::Market { sid: 7, market_id: Uuid::from_u128(2), ticker: "M".to_owned() }, MARKET),
        (delta(), DELTA),
        (Record::Snapshot(Box::new(snapshot)), SNAPSHOT),
        (Record::Hole(Box::new(hole)), HOLE),
        (Record::Trade(Box::new(trade)), TRADE),
        (Record::LaneMinutes(Box::new(minutes)), MINUTES),
        (Record::RestBooks(Box::new(books)), BOOKS),
    ]
}

const GATHERER: &str = "0100010477657374";
const MARKET: &str = "0101071000000000000000000000000000000002014d";
const DELTA: &str = "010207ac0201e8070201cc21ab022880a0abfef962010203040a01";
const SNAPSHOT: &str = "01030701000914010164e80700010102010203040a";
const HOLE: &str = "0104070800030901010202";
const TRADE: &str = "01051000000000000000000000000000000001014d01020600010008010203040a";
const BOOKS: &str = "0109010a01014d0164e80700";
const MINUTES: &str = "0108050100070cac0200000000000000000000000000000000";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn version_1_bytes_never_change() {
    let mut bytes = Vec::new();
    let mut changed = Vec::new();
    for (record, expected) in samples() {
        encode(&record, &mut bytes);
        if hex(&bytes) != expected {
            changed.push(hex(&bytes));
        }
        assert_eq!(decode(&bytes), Ok(record));
    }
    assert!(changed.is_empty(), "a new layout is a new version: {changed:#?}");
}

#[test]
fn every_cut_every_tail_and_every_other_version_is_refused() {
    let mut bytes = Vec::new();
    for (record, _) in samples() {
        encode(&record, &mut bytes);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "{record:?} cut at {cut}");
        }
        bytes.push(0);
        assert_eq!(decode(&bytes), Err(BadRecord::Trailing(1)));
        bytes[0] = 2;
        assert_eq!(decode(&bytes), Err(BadRecord::Version(2)));
    }
}
