//! What a client's command says, and the errors it can be answered with.

use serde::Deserialize;
use uuid::Uuid;

use crate::channel::Channel;

/// An answer of `type: error`: code, text, and the tickers it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) tickers: Vec<String>,
}

impl Refusal {
    pub(crate) fn code(code: u16) -> Self {
        Self { code, tickers: Vec::new() }
    }

    pub(crate) fn text(&self) -> &'static str {
        error_text(self.code)
    }
}

pub(crate) fn error_text(code: u16) -> &'static str {
    match code {
        1 => "Unable to process message",
        2 => "Params required",
        3 => "Channels required",
        4 => "Subscription IDs required",
        5 => "Unknown command",
        7 => "Unknown subscription ID",
        8 => "Unknown channel name",
        9 => "Authentication required",
        10 => "Channel error",
        11 => "Invalid parameter",
        12 => "Exactly one subscription ID is required",
        13 => "Unsupported action",
        14 => "Market Ticker required",
        15 => "Action required",
        18 => "Command timeout",
        24 => "Index IDs required",
        25 => "Subscription buffer overflow",
        26 => "Subscription market limit exceeded",
        27 => "Too many requests",
        28 => "Underlying tickers required",
        _ => "Error",
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// 0 in the frame is no id.
    pub(crate) id: Option<u64>,
    pub(crate) what: Result<What, Refusal>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    Subscribe(Subscribe),
    Unsubscribe { sids: Vec<u32> },
    Update(Update),
    List,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscribe {
    pub(crate) channels: Vec<Channel>,
    pub(crate) tickers: Vec<String>,
    pub(crate) ids: Vec<Uuid>,
    pub(crate) send_initial_snapshot: bool,
    pub(crate) skip_ticker_ack: bool,
    pub(crate) use_yes_price: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) sid: u32,
    pub(crate) action: Option<String>,
    pub(crate) tickers: Vec<String>,
    pub(crate) ids: Vec<Uuid>,
    pub(crate) send_initial_snapshot: bool,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    id: u64,
    cmd: Option<String>,
    params: Option<Params>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    channels: Vec<String>,
    market_ticker: Option<String>,
    market_tickers: Option<Vec<String>>,
    market_id: Option<Uuid>,
    market_ids: Option<Vec<Uuid>>,
    index_ids: Vec<String>,
    underlying_tickers: Vec<String>,
    send_initial_snapshot: bool,
    skip_ticker_ack: bool,
    use_yes_price: bool,
    sid: Option<u32>,
    sids: Vec<u32>,
    action: Option<String>,
}

/// Reads one text frame of a client.
pub(crate) fn parse(text: &str) -> Command {
    match serde_json::from_str::<Wire>(text) {
        Ok(wire) => Command { id: Some(wire.id).filter(|id| *id != 0), what: what(wire) },
        Err(_) => Command { id: None, what: Err(Refusal::code(1)) },
    }
}

fn what(wire: Wire) -> Result<What, Refusal> {
    match wire.cmd.as_deref() {
        Some("list_subscriptions") => return Ok(What::List),
        Some("subscribe" | "unsubscribe" | "update_subscription") => {}
        _ => return Err(Refusal::code(5)),
    }
    let params = wire.params.ok_or(Refusal::code(2))?;
    match wire.cmd.as_deref() {
        Some("subscribe") => subscribe(params).map(What::Subscribe),
        Some("unsubscribe") if params.sids.is_empty() => Err(Refusal::code(4)),
        Some("unsubscribe") => Ok(What::Unsubscribe { sids: params.sids }),
        _ => update(params).map(What::Update),
    }
}

fn subscribe(params: Params) -> Result<Subscribe, Refusal> {
    if params.channels.is_empty() {
        return Err(Refusal::code(3));
    }
    let known = params.channels.iter().map(|name| Channel::named(name).ok_or(Refusal::code(8)));
    let channels = known.collect::<Result<Vec<_>, _>>()?;
    let (tickers, ids) = selection(&params)?;
    if !ids.is_empty() && channels.iter().any(|channel| *channel != Channel::TICKER) {
        return Err(Refusal::code(11));
    }
    if channels.contains(&Channel::BOOK) && tickers.is_empty() {
        return Err(Refusal::code(14));
    }
    if params.index_ids.is_empty() && channels.iter().any(|channel| channel.needs_indices()) {
        return Err(Refusal::code(24));
    }
    let needs_underlyings = channels.iter().any(|channel| channel.needs_underlyings());
    if params.underlying_tickers.is_empty() && needs_underlyings {
        return Err(Refusal::code(28));
    }
    Ok(Subscribe {
        channels,
        tickers,
        ids,
        send_initial_snapshot: params.send_initial_snapshot,
        skip_ticker_ack: params.skip_ticker_ack,
        use_yes_price: params.use_yes_price,
    })
}

fn update(params: Params) -> Result<Update, Refusal> {
    let (tickers, ids) = selection(&params)?;
    let sid = match (params.sid, params.sids.as_slice()) {
        (Some(sid), []) => sid,
        (None, [sid]) => *sid,
        _ => return Err(Refusal::code(12)),
    };
    Ok(Update {
        sid,
        action: params.action,
        tickers,
        ids,
        send_initial_snapshot: params.send_initial_snapshot,
    })
}

/// Tickers and ids, each given as one or as a list, not both.
fn selection(params: &Params) -> Result<(Vec<String>, Vec<Uuid>), Refusal> {
    let tickers = one_or_many(&params.market_ticker, &params.market_tickers)?;
    let ids = one_or_many(&params.market_id, &params.market_ids)?;
    if tickers.is_empty() || ids.is_empty() { Ok((tickers, ids)) } else { Err(Refusal::code(11)) }
}

fn one_or_many<T: Clone>(one: &Option<T>, many: &Option<Vec<T>>) -> Result<Vec<T>, Refusal> {
    match (one, many) {
        (None, None) => Ok(Vec::new()),
        (Some(one), None) => Ok(vec![one.clone()]),
        (None, Some(many)) if !many.is_empty() => Ok(many.clone()),
        _ => Err(Refusal::code(11)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_has_its_code() {
        for (text, code) in [
            ("nonsense", 1),
            (r#"{"id":-1,"cmd":"subscribe"}"#, 1),
            (r#"{"id":1,"cmd":"subscribe","params":{"channels":"ticker"}}"#, 1),
            (r#"{"id":1,"cmd":"subscribe"}"#, 2),
            (r#"{"id":1,"cmd":"subscribe","params":{}}"#, 3),
            (r#"{"id":1,"cmd":"unsubscribe","params":{}}"#, 4),
            (r#"{"id":1,"cmd":"dance"}"#, 5),
            (r#"{"id":1,"cmd":"subscribe","params":{"channels":["tea"]}}"#, 8),
            (
                r#"{"id":1,"cmd":"subscribe","params":{"channels":["trade"],"market_ticker":"A","market_tickers":["B"]}}"#,
                11,
            ),
            (
                r#"{"id":1,"cmd":"subscribe","params":{"channels":["trade"],"market_tickers":[]}}"#,
                11,
            ),
            (r#"{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}"#, 14),
            (r#"{"id":1,"cmd":"update_subscription","params":{"action":"add_markets"}}"#, 12),
            (r#"{"id":1,"cmd":"update_subscription","params":{"sids":[1,2]}}"#, 12),
            (r#"{"id":1,"cmd":"update_subscription","params":{"sid":1,"sids":[1]}}"#, 12),
            (r#"{"id":1,"cmd":"subscribe","params":{"channels":["cfbenchmarks_value"]}}"#, 24),
            (r#"{"id":1,"cmd":"subscribe","params":{"channels":["pyth_value"]}}"#, 28),
        ] {
            assert_eq!(parse(text).what, Err(Refusal::code(code)), "{text}");
        }
    }

    #[test]
    fn a_zero_id_is_no_id() {
        let command = parse(r#"{"id":0,"cmd":"list_subscriptions"}"#);
        assert_eq!(command, Command { id: None, what: Ok(What::List) });
    }
}
