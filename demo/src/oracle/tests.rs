//! The oracle itself is tried: an undamaged record passes, and each damage gets its own name.

mod holes;

use std::collections::BTreeMap;

use exchange::Side;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

const TICKER: &str = "KXTEST-1";

/// A history of one market: a book, then `count` deltas, several of them sharing a clock.
fn history(seed: u64, count: usize) -> Truth {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let start = Book::from_levels([((Side::Yes, 4000), 500), ((Side::No, 4200), 700)]);
    let mut book = start.clone();
    let mut events = vec![TruthEvent::Book { era: 0, clock: 10, book: Box::new(start) }];
    let (mut clock, mut ord) = (10, 0);
    for i in 0..count {
        if i == 0 || random.random_bool(0.7) {
            clock += random.random_range(1..4);
            ord = 0;
        } else {
            ord += 1;
        }
        let side = if random.random_bool(0.5) { Side::Yes } else { Side::No };
        let price = random.random_range(1..90) * 100;
        let resting = book.levels().find(|(key, _)| *key == (side, price)).map(|(_, size)| size);
        let change = match resting {
            Some(size) if random.random_bool(0.5) => -size,
            _ => random.random_range(1..1000),
        };
        book.apply((side, price), change);
        let ts_ms = 1_000 + i as i64;
        events.push(TruthEvent::Delta(DeltaTruth {
            era: 0,
            clock,
            ord,
            side,
            price,
            change,
            ts_ms,
        }));
    }
    let market = MarketTruth { id: uuid::Uuid::nil(), events };
    Truth { markets: BTreeMap::from([(TICKER.to_owned(), market)]), ..Truth::default() }
}

fn row(delta: &DeltaTruth, seq: u64) -> EventRow {
    EventRow {
        sid: 1,
        seq,
        kind: Kind::Delta,
        side: delta.side,
        price: delta.price,
        qty: delta.change,
        ts_ms: delta.ts_ms,
        era: delta.era,
        clock: delta.clock,
        ord: delta.ord,
        origin: Origin::Live,
    }
}

fn snapshot(book: &Book, seq: u64, clock: u64, origin: Origin) -> Vec<EventRow> {
    let base = EventRow {
        sid: 1,
        seq,
        kind: Kind::Snapshot,
        side: Side::Yes,
        price: 0,
        qty: 0,
        ts_ms: 0,
        era: 0,
        clock,
        ord: 0,
        origin,
    };
    let levels = book.levels().map(|((side, price), qty)| EventRow { side, price, qty, ..base });
    let rows: Vec<_> = levels.collect();
    if rows.is_empty() { vec![base] } else { rows }
}

/// The record as it should be: a snapshot, every delta, a checkpoint in the middle.
fn record(truth: &Truth) -> Vec<EventRow> {
    let events = &truth.markets[TICKER].events;
    let mut book = Book::default();
    let mut rows = Vec::new();
    let (mut seq, mut checkpoint) = (0, 0);
    for (i, event) in events.iter().enumerate() {
        event.apply(&mut book);
        seq += 1;
        match event {
            TruthEvent::Delta(delta) => rows.push(row(delta, seq)),
            _ => rows.extend(snapshot(&book, seq, event.clock(), Origin::Live)),
        }
        let whole = events.get(i + 1).is_none_or(|next| next.clock() > event.clock());
        if whole && seq >= checkpoint + 50 {
            seq += 1;
            checkpoint = seq;
            rows.extend(snapshot(&book, seq, event.clock(), Origin::Checkpoint));
        }
    }
    rows
}

fn walk(truth: &Truth, rows: &mut [EventRow]) -> Walked {
    rows.sort_by_key(EventRow::order);
    check_events(truth, &BTreeMap::from([(1, TICKER.to_owned())]), rows)
}

fn renumber(rows: &mut [EventRow]) {
    let mut last = (0, 0);
    for row in rows {
        let (was, now) = last;
        last = (row.seq, if row.seq == was { now } else { now + 1 });
        row.seq = last.1;
    }
}

/// Takes the events at these places of the truth out of the record.
fn without(truth: &Truth, out: std::ops::Range<usize>) -> Vec<EventRow> {
    let mut rows = record(truth);
    let gone: Vec<_> = truth.markets[TICKER].events[out].to_vec();
    rows.retain(|row| {
        !gone.iter().any(|event| {
            matches!(event, TruthEvent::Delta(d) if row.kind == Kind::Delta
                && (d.clock, d.ord) == (row.clock, row.ord))
        })
    });
    rows
}

#[test]
fn an_undamaged_record_has_no_fault() {
    for seed in 0..20 {
        let truth = history(seed, 400);
        let walked = walk(&truth, &mut record(&truth));
        assert_eq!(walked.report.total(), 0, "seed {seed}: {}", walked.report);
        assert_eq!(walked.report.counted("deltas"), 400);
        assert!(walked.report.counted("snapshots") >= 5);
        assert!(walked.missing.is_empty() && walked.holes.is_empty());
    }
}

#[test]
fn an_event_left_out_is_lost() {
    let truth = history(1, 400);
    let mut rows = without(&truth, 101..102);
    renumber(&mut rows);
    let walked = walk(&truth, &mut rows);
    assert_eq!(walked.report.found(FaultKind::Lost), 1, "{}", walked.report);
    assert_eq!(walked.report.total(), 1, "{}", walked.report);
}

#[test]
fn events_missing_at_the_end_are_lost() {
    let truth = history(2, 400);
    let mut rows = record(&truth);
    rows.truncate(rows.len() - 3);
    let mut walked = walk(&truth, &mut rows);
    check_holes(&walked.holes, &[], &mut walked.report);
    assert!(walked.report.found(FaultKind::Lost) >= 2, "{}", walked.report);
}

#[test]
fn an_event_that_stands_there_again_is_named_twice_with_a_new_seq_or_the_old() {
    let truth = history(3, 400);
    let mut rows = record(&truth);
    let again = *rows.iter().skip(200).find(|row| row.kind == Kind::Delta).expect("deltas");
    rows.push(again);
    let walked = walk(&truth, &mut rows);
    assert_eq!((walked.report.found(FaultKind::Twice), walked.report.total()), (1, 1));

    let mut rows = record(&truth);
    rows.iter_mut().filter(|row| row.seq > again.seq).for_each(|row| row.seq += 1);
    rows.push(EventRow { seq: again.seq + 1, ..again });
    let walked = walk(&truth, &mut rows);
    assert_eq!((walked.report.found(FaultKind::Twice), walked.report.total()), (1, 1));
}

#[test]
fn a_changed_event_is_different() {
    let truth = history(4, 400);
    let change: [fn(&mut EventRow); 5] = [
        |row| row.qty += 1,
        |row| row.price += 1,
        |row| row.ts_ms += 1,
        |row| row.side = if row.side == Side::Yes { Side::No } else { Side::Yes },
        |row| row.ord += 50,
    ];
    for (i, change) in change.iter().enumerate() {
        let mut rows = record(&truth);
        let victim = rows.iter().rposition(|row| row.kind == Kind::Delta && row.seq < 40);
        change(&mut rows[victim.expect("there are deltas")]);
        let walked = walk(&truth, &mut rows);
        let named = [FaultKind::Different, FaultKind::Invented, FaultKind::Lost];
        assert!(named.iter().any(|kind| walked.report.found(*kind) > 0), "{i}: {}", walked.report);
    }
}

#[test]
fn a_wrong_snapshot_is_a_wrong_book() {
    let truth = history(5, 400);
    let mut rows = record(&truth);
    let level = rows.iter().position(|row| row.origin == Origin::Checkpoint).expect("checkpoints");
    rows[level].qty += 1;
    let walked = walk(&truth, &mut rows);
    assert_eq!(walked.report.found(FaultKind::WrongBook), 1, "{}", walked.report);
}

#[test]
fn a_missing_number_is_a_bad_seq() {
    let truth = history(6, 100);
    let mut rows = record(&truth);
    rows.iter_mut().filter(|row| row.seq > 30).for_each(|row| row.seq += 1);
    let walked = walk(&truth, &mut rows);
    assert_eq!((walked.report.found(FaultKind::BadSeq), walked.report.total()), (1, 1));
}

#[test]
fn events_before_the_record_are_told_apart_from_losses() {
    let truth = history(8, 200);
    let events = &truth.markets[TICKER].events;
    let at = (50..100).find(|i| events[*i].clock() > events[*i - 1].clock()).expect("clocks rise");
    let mut book = Book::default();
    events[..at].iter().for_each(|event| event.apply(&mut book));
    let mut rows = snapshot(&book, 1, events[at - 1].clock(), Origin::Live);
    rows.extend(
        record(&truth)
            .into_iter()
            .filter(|row| row.kind == Kind::Delta && row.clock > events[at - 1].clock()),
    );
    renumber(&mut rows);
    let walked = walk(&truth, &mut rows);
    assert_eq!(walked.report.total(), 0, "{}", walked.report);
    assert_eq!(walked.missing.len(), 1);
    assert_eq!(walked.missing[0].stretch, Stretch::Before);
    assert_eq!(walked.missing[0].deltas.len(), at - 1);
}

#[test]
fn a_book_that_emptied_needs_its_snapshot() {
    let mut truth = history(9, 60);
    let market = truth.markets.get_mut(TICKER).expect("there");
    let clock = market.events.last().expect("events").clock();
    market.events.push(TruthEvent::Empty { era: 0, clock });
    market.events.push(TruthEvent::Empty { era: 0, clock });
    let mut rows = record(&truth);
    let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    let last = *seqs.iter().max().expect("rows");
    // Sent twice, recorded once: the second changes nothing.
    rows.retain(|row| row.seq < last);
    assert_eq!(walk(&truth, &mut rows).report.total(), 0, "{}", walk(&truth, &mut rows).report);
    rows.retain(|row| row.seq < last - 1);
    assert_eq!(walk(&truth, &mut rows).report.found(FaultKind::Lost), 1);
}

#[test]
fn trades_tickers_and_latest_levels_are_compared_one_by_one() {
    let mut truth = history(11, 30);
    let id = uuid::Uuid::from_u128(7);
    let trade = TradeTruth {
        market: TICKER.to_owned(),
        yes_price: 4300,
        count: 150,
        taker: Side::Yes,
        ts_ms: 5,
    };
    truth.trades.insert(id, trade.clone());
    let row = TradeRow { id, no_price: 5700, trade };
    let check = |rows: &[TradeRow]| {
        let mut report = Report::default();
        let missing = check_trades(&truth, rows, &mut report).len();
        let found = [FaultKind::Twice, FaultKind::Different, FaultKind::Invented];
        (missing, found.map(|kind| report.found(kind)))
    };
    assert_eq!(check(std::slice::from_ref(&row)), (0, [0, 0, 0]));
    assert_eq!(check(&[]), (1, [0, 0, 0]));
    assert_eq!(check(&[row.clone(), row.clone()]), (0, [1, 0, 0]));
    assert_eq!(check(&[TradeRow { no_price: 5701, ..row.clone() }]), (0, [0, 1, 0]));
    assert_eq!(check(&[row.clone(), TradeRow { id: uuid::Uuid::nil(), ..row }]), (0, [0, 0, 1]));

    let book = truth.markets[TICKER].last_book();
    let mut levels: Vec<_> = book
        .levels()
        .map(|(level, size)| LatestRow { market: TICKER.to_owned(), level, size })
        .collect();
    let check = |levels: &[LatestRow]| {
        let mut report = Report::default();
        check_latest(&truth, [TICKER], levels.to_vec(), &mut report);
        report.found(FaultKind::WrongLatest)
    };
    assert_eq!(check(&levels), 0);
    levels[0].size += 1;
    assert_eq!(check(&levels), 1);
}

#[test]
fn a_truth_log_is_read_whole_and_a_bad_line_is_named() {
    let log = concat!(
        r#"{"t":"market","market":"A","id":"00000000-0000-0000-0000-000000000001"}"#,
        "\n",
        r#"{"t":"book","market":"A","era":0,"clock":3,"levels":[["yes",4300,15000],["no",5600,200]]}"#,
        "\n",
        r#"{"t":"delta","market":"A","era":0,"clock":4,"k":0,"side":"yes","price":4300,"delta":-15000,"ts_ms":9}"#,
        "\n",
        r#"{"t":"empty","market":"A","era":0,"clock":5,"ts_ms":10}"#,
        "\n",
        r#"{"t":"era","era":1,"ts_ms":11}"#,
        "\n",
    );
    let truth = read_truth(log.as_bytes()).expect("right");
    assert_eq!(truth.markets["A"].events.len(), 3);
    assert!(truth.markets["A"].last_book().is_empty());
    let bad = format!("{log}{}\n", r#"{"t":"delta","market":"A","era":0,"clock":4}"#);
    let error = read_truth(bad.as_bytes()).expect_err("a field is missing");
    assert!(matches!(error, BadTruth::Line { number: 6, .. }), "{error}");
}
