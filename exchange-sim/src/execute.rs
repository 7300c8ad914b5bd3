//! Carries out a client's commands and answers them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    book::Scale,
    channel::Channel,
    clock::Now,
    commands::{Command, Refusal, Subscribe, Update, What},
    hub::Hub,
    market::Status,
    session::{Message, Subscription},
};

/// The connection and the command that are being answered.
#[derive(Clone, Copy)]
struct Asked {
    connection: u32,
    id: Option<u64>,
}

impl Hub {
    pub(crate) fn execute(&mut self, connection: u32, command: Command, now: Now) {
        let asked = Asked { connection, id: command.id };
        let outcome = match command.what {
            Err(refusal) => Err((None, refusal)),
            Ok(What::List) => {
                self.list(asked, now);
                Ok(())
            }
            Ok(What::Subscribe(wanted)) => self.subscribe(asked, &wanted, now),
            Ok(What::Unsubscribe { sids }) => {
                for sid in sids {
                    self.unsubscribe(asked, sid, now);
                }
                Ok(())
            }
            Ok(What::Update(update)) => self.update(asked, &update, now),
        };
        if let Err((channel, refusal)) = outcome {
            self.refuse(asked, channel, &refusal, now);
        }
    }

    fn subscribe(
        &mut self,
        asked: Asked,
        wanted: &Subscribe,
        now: Now,
    ) -> Result<(), (Option<Channel>, Refusal)> {
        let chosen = self.resolve(&wanted.tickers, &wanted.ids);
        for channel in wanted.channels.iter().copied() {
            let filter =
                channel.filters_markets() && !(wanted.tickers.is_empty() && wanted.ids.is_empty());
            let Some(session) = self.sessions.get_mut(&asked.connection) else { return Ok(()) };
            if session.on(channel).is_some() {
                self.extend(asked, channel, filter.then_some(&chosen), now)?;
            } else {
                if chosen.len() > self.limits.markets_per_subscription {
                    return Err((None, Refusal::code(26)));
                }
                self.open(asked, channel, wanted, filter.then_some(&chosen), now);
            }
            if channel == Channel::TICKER && wanted.send_initial_snapshot {
                let of = if filter { chosen.clone() } else { (0..self.markets.len()).collect() };
                self.send_tickers(asked.connection, &of, now);
            }
        }
        Ok(())
    }

    /// The first subscription of a channel: `subscribed`, then snapshots.
    fn open(
        &mut self,
        asked: Asked,
        channel: Channel,
        wanted: &Subscribe,
        chosen: Option<&BTreeSet<usize>>,
        now: Now,
    ) {
        let Some(session) = self.sessions.get_mut(&asked.connection) else { return };
        let sid = session.sid_for_next();
        session.subscriptions[channel.index()] = Some(Subscription {
            sid,
            seq: 0,
            scale: if wanted.use_yes_price { Scale::YesLeg } else { Scale::NoLeg },
            skip_ack: wanted.skip_ticker_ack,
            all: chosen.is_none(),
            markets: BTreeSet::new(),
        });
        let msg = json!({"channel": channel.name(), "sid": sid});
        session.answer(&answer("subscribed", asked.id, None, Some(&msg), now));
        match chosen {
            Some(chosen) => {
                self.enlist(asked.connection, channel, chosen);
                self.send_books(asked.connection, channel, chosen, now);
            }
            None => self.audiences[channel.index()].join_all(asked.connection),
        }
    }

    /// A repeated subscribe: `ok`, then snapshots of what is new.
    fn extend(
        &mut self,
        asked: Asked,
        channel: Channel,
        chosen: Option<&BTreeSet<usize>>,
        now: Now,
    ) -> Result<(), (Option<Channel>, Refusal)> {
        let limit = self.limits.markets_per_subscription;
        let Some(session) = self.sessions.get_mut(&asked.connection) else { return Ok(()) };
        let Some(subscription) = session.on(channel) else { return Ok(()) };
        let new: BTreeSet<usize> = match chosen {
            Some(chosen) if !subscription.all => chosen - &subscription.markets,
            _ => BTreeSet::new(),
        };
        if subscription.markets.len() + new.len() > limit {
            return Err((Some(channel), Refusal::code(26)));
        }
        if chosen.is_none() && !subscription.all {
            subscription.all = true;
            subscription.markets.clear();
            self.audiences[channel.index()].join_all(asked.connection);
        }
        self.enlist(asked.connection, channel, &new);
        self.acknowledge(asked, channel, now);
        self.send_books(asked.connection, channel, &new, now);
        Ok(())
    }

    fn unsubscribe(&mut self, asked: Asked, sid: u32, now: Now) {
        let Some(session) = self.sessions.get_mut(&asked.connection) else { return };
        let Some(channel) = session.channel_of(sid) else {
            return self.refuse(asked, None, &Refusal::code(7), now);
        };
        let Some(mut ended) = session.subscriptions[channel.index()].take() else { return };
        let place = (sid, ended.next_seq());
        session.answer(&answer("unsubscribed", asked.id, Some(place), None, now));
        self.audiences[channel.index()].leave_all(asked.connection);
    }

    fn update(
        &mut self,
        asked: Asked,
        update: &Update,
        now: Now,
    ) -> Result<(), (Option<Channel>, Refusal)> {
        let Some(session) = self.sessions.get(&asked.connection) else { return Ok(()) };
        let Some(channel) = session.channel_of(update.sid) else {
            return Err((None, Refusal::code(7)));
        };
        let scoped = |code| Err((Some(channel), Refusal::code(code)));
        let Some(action) = update.action.as_deref() else { return scoped(15) };
        if !matches!(action, "add_markets" | "delete_markets" | "get_snapshot") {
            return scoped(13);
        }
        if !channel.filters_markets() || (action == "get_snapshot" && channel != Channel::BOOK) {
            return scoped(13);
        }
        if !update.ids.is_empty() && channel != Channel::TICKER {
            return scoped(11);
        }
        if update.tickers.is_empty() && update.ids.is_empty() {
            return scoped(14);
        }
        let chosen = self.resolve(&update.tickers, &update.ids);
        match action {
            "add_markets" => {
                self.extend(asked, channel, Some(&chosen), now)?;
                if channel == Channel::TICKER && update.send_initial_snapshot {
                    self.send_tickers(asked.connection, &chosen, now);
                }
            }
            "delete_markets" => self.remove(asked, channel, &chosen, now),
            _ => self.send_snapshots(asked, update, &chosen, now)?,
        }
        Ok(())
    }

    fn remove(&mut self, asked: Asked, channel: Channel, chosen: &BTreeSet<usize>, now: Now) {
        let Some(session) = self.sessions.get_mut(&asked.connection) else { return };
        if let Some(subscription) = session.on(channel) {
            subscription.markets = &subscription.markets - chosen;
        }
        for market in chosen {
            self.audiences[channel.index()].leave(*market, asked.connection);
        }
        self.acknowledge(asked, channel, now);
    }

    fn send_snapshots(
        &mut self,
        asked: Asked,
        update: &Update,
        chosen: &BTreeSet<usize>,
        now: Now,
    ) -> Result<(), (Option<Channel>, Refusal)> {
        let unknown: Vec<String> = update
            .tickers
            .iter()
            .filter(|ticker| self.markets.find(ticker).is_none())
            .cloned()
            .collect();
        for market in chosen {
            self.send_current(asked, *market, now);
        }
        if unknown.is_empty() {
            return Ok(());
        }
        Err((Some(Channel::BOOK), Refusal { code: 11, tickers: unknown }))
    }

    fn list(&mut self, asked: Asked, now: Now) {
        let Some(session) = self.sessions.get_mut(&asked.connection) else { return };
        let mut open: Vec<(u32, &str)> = Channel::all()
            .filter_map(|channel| Some((session.on(channel)?.sid, channel.name())))
            .collect();
        open.sort_unstable();
        let list: Value =
            open.iter().map(|(sid, channel)| json!({"channel": channel, "sid": sid})).collect();
        session.answer(&answer("ok", asked.id, None, Some(&list), now));
    }

    /// Adds markets to an open subscription.
    fn enlist(&mut self, connection: u32, channel: Channel, markets: &BTreeSet<usize>) {
        for market in markets {
            self.audiences[channel.index()].join(*market, connection);
        }
        let session = self.sessions.get_mut(&connection);
        if let Some(subscription) = session.and_then(|session| session.on(channel)) {
            subscription.markets.extend(markets);
        }
    }

    /// The snapshots that follow when markets join a book subscription.
    fn send_books(
        &mut self,
        connection: u32,
        channel: Channel,
        markets: &BTreeSet<usize>,
        now: Now,
    ) {
        if channel == Channel::BOOK {
            for market in markets {
                self.send_current(Asked { connection, id: None }, *market, now);
            }
        }
    }

    fn send_current(&mut self, asked: Asked, market: usize, now: Now) {
        let held = self.markets.at(market);
        let (clock, book) = (held.wire_clock(), held.book.clone());
        self.send_snapshot(asked.connection, market, (clock, &book), asked.id, now);
    }

    fn send_tickers(&mut self, connection: u32, markets: &BTreeSet<usize>, now: Now) {
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        for market in markets {
            let held = self.markets.at(*market);
            if held.ticker.body.is_empty() || held.status == Status::Finalized {
                continue;
            }
            let message = Message {
                channel: Channel::TICKER,
                kind: "ticker",
                market: *market,
                body: &held.ticker.body,
                id: None,
            };
            session.deliver(&message, now);
        }
    }

    /// `ok` with the whole sorted list.
    fn acknowledge(&mut self, asked: Asked, channel: Channel, now: Now) {
        let Some(session) = self.sessions.get_mut(&asked.connection) else { return };
        let Some(subscription) = session.on(channel) else { return };
        let place = (subscription.sid, subscription.next_seq());
        let msg = if subscription.skip_ack {
            json!({})
        } else {
            let names = subscription.markets.iter().map(|index| &self.markets.at(*index).naming);
            let mut tickers: Vec<&str> = names.map(|naming| &*naming.ticker).collect();
            tickers.sort_unstable();
            json!({"market_tickers": tickers})
        };
        session.answer(&answer("ok", asked.id, Some(place), Some(&msg), now));
    }

    fn refuse(&mut self, asked: Asked, channel: Option<Channel>, refusal: &Refusal, now: Now) {
        let Some(session) = self.sessions.get_mut(&asked.connection) else { return };
        let subscription = channel.and_then(|channel| session.on(channel));
        let place = subscription.map(|subscription| (subscription.sid, subscription.next_seq()));
        let mut msg = json!({"code": refusal.code, "msg": refusal.text()});
        if !refusal.tickers.is_empty() {
            msg["market_tickers"] = json!(refusal.tickers);
        }
        session.answer(&answer("error", asked.id, place, Some(&msg), now));
    }

    /// Unknown tickers select nothing: the exchange has no error for them any more.
    fn resolve(&self, tickers: &[String], ids: &[uuid::Uuid]) -> BTreeSet<usize> {
        let by_ticker = tickers.iter().filter_map(|ticker| self.markets.find(ticker));
        by_ticker.chain(ids.iter().filter_map(|id| self.markets.find_id(id))).collect()
    }
}

/// An answer frame: `place` is its sid and seq.
fn answer(
    kind: &str,
    id: Option<u64>,
    place: Option<(u32, u64)>,
    msg: Option<&Value>,
    now: Now,
) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{{\"type\":\"{kind}\"");
    let written = id.map_or(Ok(()), |id| write!(text, ",\"id\":{id}"));
    let written = written.and_then(|()| match place {
        Some((sid, seq)) => write!(text, ",\"sid\":{sid},\"seq\":{seq}"),
        None => Ok(()),
    });
    let written = written.and_then(|()| msg.map_or(Ok(()), |msg| write!(text, ",\"msg\":{msg}")));
    written
        .and_then(|()| writeln!(text, ",\"sending_ts_ms\":{}}}", now.wall_ms))
        .expect("writing to a string cannot fail");
    text
}
