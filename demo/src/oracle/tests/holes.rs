//! What is missing is right only where nobody had it and `gaps` says so.

use super::*;

/// A record with a hole: events 100..150 are gone, a snapshot of the book after them stands instead.
fn holed(truth: &Truth) -> (Vec<EventRow>, GapRow) {
    let events = &truth.markets[TICKER].events;
    let whole = |i: &usize| events[*i].clock() > events[*i - 1].clock();
    let from = (100..200).find(whole).expect("clocks rise");
    let to = (from + 50..300).find(whole).expect("clocks rise");
    let mut rows = without(truth, from..to);
    let cut = events[from - 1].clock();
    rows.retain(|row| {
        row.kind == Kind::Delta || row.clock <= cut || row.clock >= events[to].clock()
    });
    let mut book = Book::default();
    events[..to].iter().for_each(|event| event.apply(&mut book));
    let clock = events[to - 1].clock();
    let last = rows.iter().filter(|row| row.clock <= cut).map(|row| row.seq).max();
    let seq = last.expect("a head") + 1;
    rows.extend(snapshot(&book, seq, clock, Origin::GetSnapshot));
    rows.sort_by_key(|row| (row.clock, row.seq));
    renumber(&mut rows);
    let gap = GapRow {
        market: TICKER.to_owned(),
        era: 0,
        from_clock: cut,
        to_clock: clock,
        cause: "test".to_owned(),
    };
    (rows, gap)
}

#[test]
fn a_hole_is_right_only_with_its_row_and_when_nobody_had_it() {
    let truth = history(7, 400);
    let (mut rows, gap) = holed(&truth);
    let mut walked = walk(&truth, &mut rows);
    assert_eq!(walked.report.total(), 0, "{}", walked.report);
    assert_eq!((walked.holes.len(), walked.missing.len()), (1, 1));
    let told = |gaps: &[GapRow]| {
        let mut report = Report::default();
        check_holes(&walked.holes, gaps, &mut report);
        report.found(FaultKind::UnjustifiedHole)
    };
    assert_eq!(told(std::slice::from_ref(&gap)), 0, "the right row");
    assert_eq!(told(&[]), 1, "no row");
    assert_eq!(told(&[gap.clone(), GapRow { from_clock: 3, to_clock: 9, ..gap.clone() }]), 1);
    assert_eq!(told(&[GapRow { to_clock: gap.to_clock + 1, ..gap.clone() }]), 2, "a wrong end");
    assert_eq!(told(&[GapRow { from_clock: 1, ..gap }]), 2, "a wrong beginning");

    let missing = std::mem::take(&mut walked.missing);
    let frames = lane_frames(&truth);
    let faults = |keep: fn(usize) -> bool| {
        let wanted = Wanted::new(&missing);
        let mut seen = Coverage::new(&wanted);
        for (i, frame) in frames.iter().enumerate().filter(|(i, _)| keep(*i)) {
            let decoded = exchange::decode(frame).unwrap_or_else(|error| panic!("{i}: {error:?}"));
            seen.frame(1, &decoded);
        }
        let mut report = Report::default();
        check_coverage("east", &seen, &missing, &mut report);
        (report.found(FaultKind::Lost) > 0, report.found(FaultKind::UnjustifiedHole) > 0)
    };
    assert_eq!(faults(|_| true), (true, true), "a whole lane had it");
    assert_eq!(faults(|i| i != 90), (false, false), "the lane was broken before the hole");
    assert_eq!(faults(|i| i != 120), (true, true), "the lane broke inside the hole");
    assert_eq!(faults(|i| i != 390), (true, true), "the lane broke after it");
}

/// What one connection sends: a snapshot, then every delta, numbered from 1.
fn lane_frames(truth: &Truth) -> Vec<String> {
    let events = truth.markets[TICKER].events.iter().enumerate();
    let price = |units: u16| format!("{}.{:04}", units / 10_000, units % 10_000);
    let size = |units: i64| {
        let sign = if units < 0 { "-" } else { "" };
        format!("{sign}{}.{:02}", units.abs() / 100, units.abs() % 100)
    };
    let about =
        format!(r#""market_ticker":"{TICKER}","market_id":"00000000-0000-0000-0000-000000000001""#);
    events
        .map(|(i, event)| match event {
            TruthEvent::Delta(d) => format!(
                r#"{{"type":"orderbook_delta","sid":1,"seq":{},"msg":{{{about},"clock":{},"price_dollars":"{}","delta_fp":"{}","side":"{}","ts_ms":{}}}}}"#,
                i + 1, d.clock, price(d.price), size(d.change), d.side.as_str(), d.ts_ms,
            ),
            _ => format!(
                r#"{{"type":"orderbook_snapshot","sid":1,"seq":{},"msg":{{{about},"clock":{}}}}}"#,
                i + 1, event.clock(),
            ),
        })
        .collect()
}

#[test]
fn a_new_era_needs_the_row_that_tells_its_book_is_another() {
    let mut truth = history(10, 60);
    let market = truth.markets.get_mut(TICKER).expect("there");
    let book = Box::new(Book::from_levels([((Side::Yes, 1000), 100)]));
    market.events.push(TruthEvent::Book { era: 1, clock: 2, book });
    let delta = DeltaTruth {
        era: 1,
        clock: 3,
        ord: 0,
        side: Side::Yes,
        price: 1000,
        change: 50,
        ts_ms: 9_000,
    };
    market.events.push(TruthEvent::Delta(delta));
    let mut rows = record(&truth);
    let cut = rows.len() - 2;
    rows[cut..].iter_mut().for_each(|row| row.era = 1);
    let walked = walk(&truth, &mut rows);
    assert_eq!((walked.report.total(), walked.holes.len()), (0, 1), "{}", walked.report);
    let head = walked.holes[0].head_clock;
    let gap = |era, from_clock, to_clock| GapRow {
        market: TICKER.to_owned(),
        era,
        from_clock,
        to_clock,
        cause: "maintenance".to_owned(),
    };
    let told = |gaps: &[GapRow]| {
        let mut report = Report::default();
        check_holes(&walked.holes, gaps, &mut report);
        report.total()
    };
    assert_eq!(told(&[gap(0, head, head)]), 0);
    assert_eq!(told(&[]), 1, "the book is another and nothing says so");
    assert_eq!(told(&[gap(1, head, head)]), 2, "not of that era");
}

#[test]
fn what_is_missing_at_the_end_is_right_only_with_a_row_that_has_no_end() {
    let truth = history(7, 400);
    let events = &truth.markets[TICKER].events;
    let whole = |i: &usize| events[*i].clock() > events[*i - 1].clock();
    let from = (300..400).find(whole).expect("clocks rise");
    let mut rows = without(&truth, from..events.len());
    let cut = events[from - 1].clock();
    rows.retain(|row| row.clock <= cut);
    renumber(&mut rows);
    let walked = walk(&truth, &mut rows);
    assert_eq!(walked.report.total(), 0, "{}", walked.report);
    let lost = walked.holes[0].lost;
    assert!(
        lost > 0 && walked.missing[0].deltas.len() as u64 == lost,
        "somebody may have had them"
    );
    let row = |from_clock, to_clock, cause: &str| GapRow {
        market: TICKER.to_owned(),
        era: 0,
        from_clock,
        to_clock,
        cause: cause.to_owned(),
    };
    let faults = |gaps: &[GapRow]| {
        let mut report = Report::default();
        check_holes(&walked.holes, gaps, &mut report);
        (report.found(FaultKind::Lost), report.found(FaultKind::UnjustifiedHole))
    };
    assert_eq!(faults(&[row(cut, GapRow::NO_END, "all_sessions_closed")]), (0, 0), "the right row");
    assert_eq!(faults(&[]), (lost, 0), "no row");
    assert_eq!(faults(&[row(cut, cut, "covered_again")]), (lost, 0), "it was taken back");
    assert_eq!(faults(&[row(cut, cut + 9, "all_sessions_closed")]), (lost, 1), "another end");
    let late = row(cut + 1, GapRow::NO_END, "all_sessions_closed");
    assert_eq!(faults(&[late]), (lost, 0), "it begins too late");
}
