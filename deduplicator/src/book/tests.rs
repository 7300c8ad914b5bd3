//! The book at a moment, asked of a real engine in both ways (the program's and the documented
//! view), is the model's book: random streams with snapshots, holes, refuted stretches, emptied
//! books, repeated rows, and snapshots whose time is later than that of the delta after them.
//!
//! More seeds: `BOOK_SEEDS=0..50 cargo test -p deduplicator point_in_time`.

use clickhouse_dev::ClickHouse;
use exchange::{Book, Level, Price, Side, Size};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schema::rows::{
    self, EventType, Gap, GapState, OrderbookEvent, Origin, Table as _, UnixMicros, UnixMillis,
};
use service::redacted::Secret;
use store::{Store, StoreConfig};
use uuid::Uuid;

use super::stored::{self, book_at_seq, standing_at};

const START_MS: i64 = 1_790_000_000_000;
const EVENTS: usize = 400;
const QUESTIONS: usize = 60;

/// What is true after one event.
struct After {
    ts_ms: i64,
    seq: u64,
    clock: u64,
    book: Book,
}

/// One market's day.
struct Day {
    ticker: String,
    events: Vec<OrderbookEvent>,
    gaps: Vec<Gap>,
    truth: Vec<After>,
}

struct Maker {
    rng: ChaCha8Rng,
    day: Day,
    book: Book,
    clock: u64,
    seq: u64,
    now_ms: i64,
}

impl Maker {
    fn new(seed: u64, market: usize) -> Self {
        let ticker = format!("KXPAST-{market}");
        let day = Day { ticker, events: Vec::new(), gaps: Vec::new(), truth: Vec::new() };
        let rng = ChaCha8Rng::seed_from_u64(seed * 1_000 + market as u64);
        Self { rng, day, book: Book::new(), clock: 7, seq: 0, now_ms: START_MS }
    }

    fn day(mut self) -> Day {
        self.snapshot(Origin::Live);
        while self.day.truth.len() < EVENTS {
            self.now_ms += self.rng.random_range(0..40);
            match self.rng.random_range(0..100) {
                0..4 => self.snapshot(Origin::Checkpoint),
                4..7 => self.hole(),
                7..9 => self.emptied(),
                9..11 => self.lie(),
                _ => self.delta(),
            }
        }
        self.day
    }

    fn row(&self, event_type: EventType, ts_ms: i64) -> OrderbookEvent {
        OrderbookEvent {
            event_type,
            sid: 1,
            seq: self.seq + 1,
            market_id: Uuid::from_u128(9),
            market_ticker: self.day.ticker.as_str().into(),
            side: rows::Side::Yes,
            price: rows::Price(0),
            qty: rows::Size(0),
            ts: UnixMillis(ts_ms),
            ingest_ts: UnixMicros(ts_ms * 1_000),
            era: 0,
            clock: self.clock,
            clock_ord: 0,
            gatherer: "east".into(),
            session: 1,
            source_sid: 1,
            source_seq: 1,
            origin: Origin::Live,
            flags: 0,
        }
    }

    fn happened(&mut self, ts_ms: i64) {
        self.seq += 1;
        let book = self.book.clone();
        self.day.truth.push(After { ts_ms, seq: self.seq, clock: self.clock, book });
    }

    fn delta(&mut self) {
        self.clock += self.rng.random_range(0..3);
        let side = if self.rng.random_bool(0.5) { Side::Yes } else { Side::No };
        let price = Price::from_units(self.rng.random_range(1..40) * 100).expect("a price");
        let resting = self.book.size_at(side, price).units();
        let delta = match resting {
            1.. if self.rng.random_bool(0.3) => -resting,
            1.. if self.rng.random_bool(0.3) => -self.rng.random_range(1..=resting),
            _ => self.rng.random_range(1..9_999),
        };
        self.book.change(side, price, Size::from_units(delta)).expect("never below zero");
        let mut row = self.row(EventType::Delta, self.now_ms);
        row.side = if side == Side::Yes { rows::Side::Yes } else { rows::Side::No };
        row.price = rows::Price(i32::from(price.units()));
        row.qty = rows::Size(delta);
        self.day.events.push(row);
        self.happened(self.now_ms);
    }

    /// Its time is a receipt unless it repeats our own book.
    fn snapshot(&mut self, origin: Origin) {
        let late_ms = if origin == Origin::Checkpoint { 0 } else { self.rng.random_range(0..60) };
        let ts_ms = self.now_ms + late_ms;
        let mut first = self.row(EventType::Snapshot, ts_ms);
        first.origin = origin;
        let before = self.day.events.len();
        for (side, of) in [(Side::Yes, rows::Side::Yes), (Side::No, rows::Side::No)] {
            for level in self.book.levels(side) {
                let price = rows::Price(i32::from(level.price.units()));
                let qty = rows::Size(level.size.units());
                self.day.events.push(OrderbookEvent { side: of, price, qty, ..first.clone() });
            }
        }
        if self.day.events.len() == before {
            self.day.events.push(first);
        }
        self.happened(ts_ms);
    }

    fn emptied(&mut self) {
        self.book = Book::new();
        self.snapshot(Origin::Live);
    }

    /// Something is missed, and another book stands at its end.
    fn hole(&mut self) {
        let from = (self.clock, self.now_ms);
        self.other_book("all_lanes_broken", from);
        self.snapshot(Origin::GetSnapshot);
    }

    /// The only lane tells changes that never were, until the exchange's own book refutes them.
    fn lie(&mut self) {
        let (from, book) = ((self.clock, self.now_ms), self.book.clone());
        self.clock += 1;
        let true_until = self.day.truth.len();
        for _ in 0..self.rng.random_range(1..6) {
            self.now_ms += self.rng.random_range(0..40);
            self.delta();
        }
        self.day.truth.truncate(true_until);
        self.book = book;
        self.other_book("divergence", from);
        // Its time is the receipt, at which the hole ends.
        self.snapshot(Origin::Checkpoint);
    }

    fn other_book(&mut self, cause: &str, (from_clock, from_ms): (u64, i64)) {
        self.clock += 50;
        self.now_ms += self.rng.random_range(5..400);
        let mut level = || Level {
            price: Price::from_units(self.rng.random_range(1..40) * 100).expect("a price"),
            size: Size::from_units(self.rng.random_range(1..9_999)),
        };
        let (yes, no) = ([level(), level(), level()], [level(), level()]);
        self.book = Book::from_levels(&yes, &no);
        self.day.gaps.push(Gap {
            market_ticker: self.day.ticker.as_str().into(),
            era: 0,
            from_clock,
            to_clock: self.clock,
            from_ts: UnixMillis(from_ms),
            to_ts: UnixMillis(self.now_ms),
            cause: cause.into(),
            state: GapState::Open,
            repaired_by: rows::Text::default(),
            version: 1,
        });
    }
}

struct World {
    store: Store,
    _engine: ClickHouse,
}

impl World {
    async fn new() -> Self {
        let url = std::env::var_os("CLICKHOUSE_URL").and_then(|url| url.into_string().ok());
        let engine = tokio::task::spawn_blocking(move || ClickHouse::for_tests(url.as_deref()))
            .await
            .expect("no panic")
            .expect("an engine");
        let store = Store::new(&StoreConfig {
            url: engine.url().to_owned(),
            user: engine.user().to_owned(),
            password: Secret::default(),
            database: format!("past_{}", Uuid::new_v4().simple()),
        });
        let store = store.expect("a good address");
        store.migrate(schema::Role::Canonical).await.expect("migrates");
        Self { store, _engine: engine }
    }

    /// Writes the day in pieces, some of them twice under another token, as a second net sees it.
    async fn write(&self, day: &Day, rng: &mut ChaCha8Rng) {
        for (at, piece) in day.events.chunks(150).enumerate() {
            for copy in 0..if rng.random_bool(0.4) { 2 } else { 1 } {
                let token = format!("{}/{at}/{copy}", day.ticker);
                let table = OrderbookEvent::TABLE;
                self.store.insert(table, piece, &token).await.expect("writes");
            }
        }
        let token = format!("{}/gaps", day.ticker);
        self.store.insert(Gap::TABLE, &day.gaps, &token).await.expect("writes");
    }

    async fn view(&self, ticker: &str, at_ms: i64) -> Book {
        #[derive(clickhouse::Row, serde::Deserialize)]
        struct Resting {
            side: rows::Side,
            price: rows::Price,
            size: rows::Size,
        }
        let at = jiff::Timestamp::from_millisecond(at_ms).expect("in range");
        let query = format!(
            "SELECT side, price, size FROM book_at(ticker = '{ticker}', at = '{}')",
            at.strftime("%Y-%m-%d %H:%M:%S.%3f")
        );
        let resting: Vec<Resting> =
            self.store.client().query(&query).fetch_all().await.expect("the view answers");
        stored::book(resting.iter().map(|level| (level.side, level.price, level.size)))
    }

    async fn check(&self, day: &Day, at_ms: i64, seed: u64) {
        let told = format!("seed {seed}, {} at {at_ms}", day.ticker);
        let client = self.store.client();
        let expected = day.truth.iter().rev().find(|after| after.ts_ms <= at_ms);
        let standing = standing_at(client, &day.ticker, at_ms).await.expect("answers");
        let view = self.view(&day.ticker, at_ms).await;
        let Some(expected) = expected else {
            assert_eq!(standing, None, "{told}");
            assert!(view.is_empty(), "{told}");
            return;
        };
        let (head, hole) = standing.unwrap_or_else(|| panic!("{told}: nothing is known"));
        assert_eq!((head.seq, head.clock), (expected.seq, expected.clock), "{told}");
        let book = book_at_seq(client, &day.ticker, head.seq).await.expect("answers");
        assert_eq!(book.as_ref(), Some(&expected.book), "{told}");
        assert_eq!(view, expected.book, "{told}, by the view");
        let covered = day.gaps.iter().any(|gap| gap.from_ts.0 <= at_ms && at_ms < gap.to_ts.0);
        assert_eq!(hole.is_some(), covered, "{told}");
    }
}

fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var_os("BOOK_SEEDS").and_then(|text| text.into_string().ok());
    let range = text.as_deref().and_then(|text| text.split_once(".."));
    let parsed = range.and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.unwrap_or(0..2)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_book_at_any_moment_is_the_models() {
    let world = World::new().await;
    for seed in seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for market in 0..2 {
            let mut day = Maker::new(seed, market).day();
            // One database for all seeds: the market is another one.
            day.rename(&format!("{}-{seed}", day.ticker));
            world.write(&day, &mut rng).await;
            let last_ms = day.truth.last().expect("events").ts_ms;
            for _ in 0..QUESTIONS {
                let at_ms = rng.random_range(START_MS - 20..last_ms + 100);
                world.check(&day, at_ms, seed).await;
            }
        }
        let unknown = standing_at(world.store.client(), "KXNONE", START_MS).await.expect("answers");
        assert_eq!(unknown, None);
    }
}

impl Day {
    fn rename(&mut self, ticker: &str) {
        ticker.clone_into(&mut self.ticker);
        for event in &mut self.events {
            event.market_ticker = ticker.into();
        }
        for gap in &mut self.gaps {
            gap.market_ticker = ticker.into();
        }
    }
}
