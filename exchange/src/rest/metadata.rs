//! What REST says of markets, events and series, as a catalog keeps it: the whole object without
//! what changes with every trade, written so that the same metadata are the same text.

use serde_json::{Map, Value};

use crate::rest::{BadBody, read};
use crate::timestamp::parse_rfc3339_ms;

/// Names of amounts end so, and amounts change all the time ...
const AMOUNT_ENDS: [&str; 2] = ["_dollars", "_fp"];
/// ... but for these.
const FIXED_AMOUNTS: [&str; 2] = ["notional_value_dollars", "settlement_value_dollars"];
/// Counts, and times of the last change, of whatever.
const VOLATILE: [&str; 9] = [
    "updated_time",
    "last_updated_ts",
    "volume",
    "volume_24h",
    "open_interest",
    "liquidity",
    "dollar_volume",
    "dollar_open_interest",
    // Of an event with its markets: they are asked for apart.
    "markets",
];

/// One page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub cursor: Option<String>,
}

/// A market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketMetadata {
    /// Its ticker.
    pub ticker: String,
    /// Its event.
    pub event_ticker: String,
    /// `active`, `closed`, ...
    pub status: String,
    /// Unix ms.
    pub open_ms: Option<i64>,
    /// Unix ms.
    pub close_ms: Option<i64>,
    /// `yes`, `no`, ...; `None` before it is determined.
    pub result: Option<String>,
    /// All metadata, JSON.
    pub body: String,
}

/// An event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventMetadata {
    /// Its ticker.
    pub ticker: String,
    /// Its series.
    pub series_ticker: String,
    /// Its title.
    pub title: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// All metadata, JSON.
    pub body: String,
}

/// A series.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeriesMetadata {
    /// Its ticker.
    pub ticker: String,
    /// Its title.
    pub title: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// All metadata, JSON.
    pub body: String,
}

/// Reads `GET /markets`.
pub fn markets_metadata(body: &str) -> Result<Page<MarketMetadata>, BadBody> {
    page("a page of markets", "markets", body, market_of)
}

/// Reads `GET /historical/markets/{ticker}`, and `GET /markets/{ticker}`.
pub fn market_metadata(body: &str) -> Result<MarketMetadata, BadBody> {
    let what = "a market";
    let mut answer: Map<String, Value> = read(what, body)?;
    match answer.remove("market") {
        Some(Value::Object(map)) => market_of(Fields { what, map }),
        _ => Err(BadBody { what, detail: "no market".to_owned() }),
    }
}

fn market_of(mut fields: Fields) -> Result<MarketMetadata, BadBody> {
    Ok(MarketMetadata {
        ticker: fields.needed("ticker")?,
        event_ticker: fields.needed("event_ticker")?,
        status: fields.needed("status")?,
        open_ms: fields.time("open_time")?,
        close_ms: fields.time("close_time")?,
        result: fields.text("result"),
        body: fields.body(),
    })
}

/// Reads `GET /events` and `GET /events/multivariate`.
pub fn events_metadata(body: &str) -> Result<Page<EventMetadata>, BadBody> {
    page("a page of events", "events", body, |mut fields| {
        Ok(EventMetadata {
            ticker: fields.needed("event_ticker")?,
            series_ticker: fields.needed("series_ticker")?,
            title: fields.text("title"),
            category: fields.text("category"),
            body: fields.body(),
        })
    })
}

/// Reads `GET /series`.
pub fn series_metadata(body: &str) -> Result<Page<SeriesMetadata>, BadBody> {
    page("a list of series", "series", body, |mut fields| {
        Ok(SeriesMetadata {
            ticker: fields.needed("ticker")?,
            title: fields.text("title"),
            category: fields.text("category"),
            body: fields.body(),
        })
    })
}

struct Fields {
    what: &'static str,
    map: Map<String, Value>,
}

fn page<T>(
    what: &'static str,
    list: &'static str,
    body: &str,
    item: impl Fn(Fields) -> Result<T, BadBody>,
) -> Result<Page<T>, BadBody> {
    let mut answer: Map<String, Value> = read(what, body)?;
    let bad = |detail: String| BadBody { what, detail };
    let Some(Value::Array(items)) = answer.remove(list) else {
        return Err(bad(format!("no list {list}")));
    };
    let items = items.into_iter().map(|value| match value {
        Value::Object(map) => item(Fields { what, map }),
        other => Err(bad(format!("{other} is no object"))),
    });
    let cursor = answer.get("cursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty());
    Ok(Page { items: items.collect::<Result<_, _>>()?, cursor: cursor.map(str::to_owned) })
}

impl Fields {
    fn text(&self, name: &str) -> Option<String> {
        let text = self.map.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn needed(&self, name: &'static str) -> Result<String, BadBody> {
        self.text(name).ok_or_else(|| BadBody { what: self.what, detail: format!("no {name}") })
    }

    fn time(&self, name: &'static str) -> Result<Option<i64>, BadBody> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match parse_rfc3339_ms(&text) {
            Some(ms) => Ok(Some(ms)),
            None => {
                Err(BadBody { what: self.what, detail: format!("{name}: {text:?} is no time") })
            }
        }
    }

    fn body(&mut self) -> String {
        self.map.retain(|name, _| !is_volatile(name));
        sorted(Value::Object(std::mem::take(&mut self.map))).to_string()
    }
}

fn is_volatile(name: &str) -> bool {
    let amount = AMOUNT_ENDS.iter().any(|end| name.ends_with(end));
    (amount && !FIXED_AMOUNTS.contains(&name)) || VOLATILE.contains(&name)
}

/// Names in order, whatever order the exchange or the JSON library keeps them in.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(String, Value)> =
                map.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(more: &str) -> MarketMetadata {
        let market = format!(
            r#"{{"ticker":"KXA-1","status":"active",{more}"event_ticker":"KXA","open_time":"2026-01-01T00:00:00Z","result":""}}"#
        );
        let body = format!(r#"{{"markets":[{market}],"cursor":""}}"#);
        let mut page = markets_metadata(&body).unwrap();
        assert_eq!(page.cursor, None);
        let alone = format!(r#"{{"market":{market}}}"#);
        assert_eq!(market_metadata(&alone).as_ref(), Ok(&page.items[0]), "{alone}");
        page.items.remove(0)
    }

    #[test]
    fn trading_changes_nothing_and_metadata_do() {
        let plain = market("");
        assert_eq!((&*plain.ticker, &*plain.status), ("KXA-1", "active"));
        assert_eq!((plain.open_ms, plain.close_ms), (Some(1_767_225_600_000), None));
        assert_eq!(plain.result, None);
        let traded =
            r#""yes_bid_dollars":"0.4","volume_fp":"7.00","updated_time":"2026-02-02T00:00:00Z","#;
        assert_eq!(market(traded), plain);
        let rules = market(r#""rules_primary":"new","notional_value_dollars":"1.0000","#);
        assert_eq!(
            rules.body,
            r#"{"event_ticker":"KXA","notional_value_dollars":"1.0000","open_time":"2026-01-01T00:00:00Z","result":"","rules_primary":"new","status":"active","ticker":"KXA-1"}"#
        );
        let a = market(r#""price_ranges":[{"start":"0","end":"1"}],"#);
        let b = market(r#""price_ranges":[{"end":"1","start":"0"}],"#);
        assert_eq!(a, b, "the order of names means nothing");
    }

    #[test]
    fn events_and_series_are_read_and_what_is_missing_is_told() {
        let events = events_metadata(
            r#"{"events":[{"event_ticker":"KXA","series_ticker":"KX","title":"What?","markets":[1]}],"cursor":"c"}"#,
        );
        let events = events.unwrap();
        assert_eq!(events.cursor.as_deref(), Some("c"));
        assert_eq!(events.items[0].title.as_deref(), Some("What?"));
        assert!(!events.items[0].body.contains("markets"));
        let series = series_metadata(r#"{"series":[{"ticker":"KX","category":"Sports"}]}"#);
        assert_eq!(series.unwrap().items[0].category.as_deref(), Some("Sports"));
        for bad in [r#"{}"#, r#"{"series":[{}]}"#, r#"{"series":[1]}"#, "[]"] {
            assert!(series_metadata(bad).is_err(), "{bad}");
        }
        let bad =
            r#"{"markets":[{"ticker":"A","event_ticker":"E","status":"x","open_time":"soon"}]}"#;
        assert!(markets_metadata(bad).unwrap_err().detail.contains("open_time"));
    }

    /// The recordings stay where they are; nothing of them is in this repository.
    #[test]
    fn recorded_markets_are_understood() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("../../shared/recordings/demo_rest/markets__page1.json");
        let Ok(body) = std::fs::read_to_string(file) else { return };
        let page = markets_metadata(&body).unwrap();
        assert!(!page.items.is_empty() && page.cursor.is_some());
        assert!(page.items.iter().all(|market| !market.body.contains("yes_bid")));
    }
}
