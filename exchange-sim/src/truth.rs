//! The truth log: every event of the exchange, one JSON line each, before any client gets it.
//!
//! Lines are formed under the exchange's lock and handed over in batches, in order, before a
//! connection may take its frames; a thread of its own writes them.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use anyhow::Context as _;
use tokio::sync::oneshot;

use crate::{
    book::{Book, Side},
    decimal::{push_int, push_uint},
    event::{Delta, Lifecycle, Trade},
    frames::Figures,
    market::Market,
};

/// Batches in flight to the thread, each a few milliseconds of events. When the disk is slower
/// than that the exchange waits: a truth with holes is none.
const BATCHES_MAX: usize = 256;

enum Order {
    Write(Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// Where lines go; without a file they are formed for nobody and dropped.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    lines: Vec<u8>,
    thread: Option<(SyncSender<Order>, JoinHandle<std::io::Result<()>>)>,
}

impl Truth {
    pub(crate) fn to_file(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let (orders, from_exchange) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("truth".to_owned())
            .spawn(move || write_all(&from_exchange, file))
            .context("cannot start the truth thread")?;
        Ok(Self { lines: Vec::new(), thread: Some((orders, thread)) })
    }

    /// Passes what was said since the last call to the thread.
    pub(crate) fn hand_over(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.lines);
        self.lines.reserve(lines.len());
        if let Some((orders, _)) = &self.thread
            && orders.send(Order::Write(lines)).is_err()
        {
            tracing::error!("truth log is broken: its thread has ended");
            self.thread = None;
        }
    }

    /// Answers when everything handed over so far is with the operating system.
    pub(crate) fn flush(&mut self) -> oneshot::Receiver<()> {
        self.hand_over();
        let (done, wait) = oneshot::channel();
        if let Some((orders, _)) = &self.thread {
            // A thread that has ended drops the order, and the waiter sees a closed channel.
            drop(orders.send(Order::Flush(done)));
        } else {
            done.send(()).ok();
        }
        wait
    }

    /// Ends the thread and waits until the file is whole.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        self.hand_over();
        let Some((orders, thread)) = self.thread.take() else { return Ok(()) };
        drop(orders);
        match thread.join() {
            Ok(written) => written.context("cannot write the truth log"),
            Err(_) => anyhow::bail!("the truth thread panicked"),
        }
    }

    pub(crate) fn market(&mut self, market: &Market) {
        self.begin("market", &market.naming.ticker);
        self.raw(",\"id\":\"");
        self.raw(&market.naming.id.to_string());
        self.raw("\"");
        self.end();
    }

    pub(crate) fn book(&mut self, market: &Market, era: u32, at: (Option<u64>, &Book)) {
        let (clock, book) = at;
        self.begin("book", &market.naming.ticker);
        self.position(era, clock);
        self.raw(",\"levels\":[");
        for (place, (side, price, size)) in book.levels().enumerate() {
            self.raw(if place > 0 { ",[\"" } else { "[\"" });
            self.raw(side.name());
            self.raw("\",");
            push_uint(&mut self.lines, u64::from(price));
            self.raw(",");
            push_int(&mut self.lines, size);
            self.raw("]");
        }
        self.raw("]");
        self.end();
    }

    pub(crate) fn delta(&mut self, market: &Market, era: u32, delta: &Delta) {
        self.begin("delta", &market.naming.ticker);
        self.position(era, delta.clock);
        self.int("k", i64::from(delta.k));
        self.side("side", delta.side);
        self.int("price", i64::from(delta.price));
        self.int("delta", delta.delta);
        self.int("ts_ms", delta.ts_ms);
        self.end();
    }

    pub(crate) fn emptied(&mut self, market: &Market, era: u32, clock: Option<u64>, ts_ms: i64) {
        self.begin("empty", &market.naming.ticker);
        self.position(era, clock);
        self.int("ts_ms", ts_ms);
        self.end();
    }

    pub(crate) fn trade(&mut self, market: &Market, trade: &Trade) {
        self.begin("trade", &market.naming.ticker);
        self.raw(",\"trade_id\":\"");
        self.raw(&trade.id.to_string());
        self.raw("\"");
        self.int("yes_price", i64::from(trade.yes_price));
        self.int("count", trade.count);
        self.side("taker", trade.taker);
        self.int("ts_ms", trade.ts_ms);
        self.end();
    }

    pub(crate) fn ticker(&mut self, market: &Market, figures: &Figures, ts_ms: i64) {
        self.begin("ticker", &market.naming.ticker);
        self.int("ts_ms", ts_ms);
        self.int("price", i64::from(figures.price));
        self.int("yes_bid", i64::from(figures.bid.0));
        self.int("yes_ask", i64::from(figures.ask.0));
        self.int("yes_bid_size", figures.bid.1);
        self.int("yes_ask_size", figures.ask.1);
        self.int("volume", figures.volume);
        self.int("open_interest", figures.open_interest);
        self.int("dollar_volume", figures.dollar_volume);
        self.int("dollar_open_interest", figures.dollar_open_interest);
        self.int("last_trade_size", figures.last_size);
        self.end();
    }

    pub(crate) fn lifecycle(&mut self, message: &Lifecycle) {
        self.raw("{\"t\":\"lifecycle\",\"kind\":\"");
        self.raw(message.kind);
        self.raw("\",\"market\":\"");
        self.raw(&message.subject);
        self.raw("\",\"event_type\":\"");
        self.raw(&message.event_type);
        self.raw("\"");
        self.int("ts_ms", message.ts_ms);
        self.end();
    }

    pub(crate) fn era(&mut self, era: u32, ts_ms: i64) {
        self.raw("{\"t\":\"era\"");
        self.int("era", i64::from(era));
        self.int("ts_ms", ts_ms);
        self.end();
    }

    fn begin(&mut self, kind: &str, ticker: &str) {
        self.raw("{\"t\":\"");
        self.raw(kind);
        self.raw("\",\"market\":\"");
        self.raw(ticker);
        self.raw("\"");
    }

    fn position(&mut self, era: u32, clock: Option<u64>) {
        self.int("era", i64::from(era));
        self.raw(",\"clock\":");
        match clock {
            Some(clock) => push_uint(&mut self.lines, clock),
            None => self.raw("null"),
        }
    }

    fn int(&mut self, key: &str, value: i64) {
        self.raw(",\"");
        self.raw(key);
        self.raw("\":");
        push_int(&mut self.lines, value);
    }

    fn side(&mut self, key: &str, side: Side) {
        self.raw(",\"");
        self.raw(key);
        self.raw("\":\"");
        self.raw(side.name());
        self.raw("\"");
    }

    fn end(&mut self) {
        self.lines.extend_from_slice(b"}\n");
        if self.thread.is_none() {
            self.lines.clear();
        }
    }

    fn raw(&mut self, text: &str) {
        self.lines.extend_from_slice(text.as_bytes());
    }
}

fn write_all(orders: &Receiver<Order>, file: File) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    for order in orders {
        match order {
            Order::Write(lines) => file.write_all(&lines)?,
            Order::Flush(done) => {
                file.flush()?;
                // Nobody waiting any more is no reason to stop writing.
                done.send(()).ok();
            }
        }
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{grid::Structure, market::Naming};

    #[tokio::test]
    async fn lines_have_the_promised_form_and_are_in_the_file_after_a_flush() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth");
        let mut truth = Truth::to_file(&path).unwrap();
        let naming = Naming {
            ticker: "KXT-1".into(),
            event_ticker: "KXT".into(),
            series_ticker: "KXT".into(),
            id: Uuid::nil(),
        };
        let mut market = Market::new(naming, Structure::Linear, 0);
        market.book.apply(Side::Yes, 4300, 15_000);
        market.book.apply(Side::No, 5600, 200);
        truth.market(&market);
        truth.book(&market, 0, (Some(123), &market.book));
        let delta = Delta {
            market: 0,
            clock: None,
            k: 2,
            side: Side::Yes,
            price: 4300,
            delta: -100,
            ts_ms: 9,
        };
        truth.delta(&market, 0, &delta);
        truth.delta(&market, 0, &Delta { clock: Some(124), ..delta });
        truth.emptied(&market, 1, Some(5), 10);
        truth.era(1, 11);
        truth.flush().await.unwrap();
        let expected = concat!(
            r#"{"t":"market","market":"KXT-1","id":"00000000-0000-0000-0000-000000000000"}"#,
            "\n",
            r#"{"t":"book","market":"KXT-1","era":0,"clock":123,"levels":[["yes",4300,15000],["no",5600,200]]}"#,
            "\n",
            r#"{"t":"delta","market":"KXT-1","era":0,"clock":null,"k":2,"side":"yes","price":4300,"delta":-100,"ts_ms":9}"#,
            "\n",
            r#"{"t":"delta","market":"KXT-1","era":0,"clock":124,"k":2,"side":"yes","price":4300,"delta":-100,"ts_ms":9}"#,
            "\n",
            r#"{"t":"empty","market":"KXT-1","era":1,"clock":5,"ts_ms":10}"#,
            "\n",
            r#"{"t":"era","era":1,"ts_ms":11}"#,
            "\n",
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        truth.close().unwrap();
    }
}
