//! What can be made to go wrong, as it is told: by rates at the start, by orders while it runs.

use serde::Deserialize;

/// Faults that happen by themselves: chances per frame, and mean seconds between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    pub(crate) drop: f64,
    pub(crate) repeat: f64,
    pub(crate) corrupt: f64,
    pub(crate) reorder: f64,
    pub(crate) cut_every_s: f64,
    pub(crate) stall_every_s: f64,
    /// How long such a stall lasts.
    pub(crate) stall_s: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            drop: 0.0,
            repeat: 0.0,
            corrupt: 0.0,
            reorder: 0.0,
            cut_every_s: 0.0,
            stall_every_s: 0.0,
            stall_s: 5.0,
        }
    }
}

impl Rates {
    /// Reads `drop=0.0005,cut=60,…`, and names every mistake in it.
    pub(crate) fn parse(spec: &str) -> Result<Self, Vec<String>> {
        let (mut rates, mut problems) = (Self::default(), Vec::new());
        for part in spec.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if let Err(problem) = rates.set(part) {
                problems.push(format!("--faults: {problem}"));
            }
        }
        if problems.is_empty() { Ok(rates) } else { Err(problems) }
    }

    fn set(&mut self, part: &str) -> Result<(), String> {
        let (name, text) = part.split_once('=').ok_or(format!("{part}: expected name=value"))?;
        let value: f64 = text.parse().map_err(|_| format!("{part}: {text} is no number"))?;
        let (slot, max) = match name {
            "drop" => (&mut self.drop, 1.0),
            "repeat" => (&mut self.repeat, 1.0),
            "corrupt" => (&mut self.corrupt, 1.0),
            "reorder" => (&mut self.reorder, 1.0),
            "cut" => (&mut self.cut_every_s, 1e9),
            "stall" => (&mut self.stall_every_s, 1e9),
            "stall-seconds" => (&mut self.stall_s, 1e9),
            _ => {
                return Err(format!(
                    "{name} is unknown; known are drop, repeat, corrupt, reorder (chance per \
                     frame), cut, stall (mean seconds between), stall-seconds"
                ));
            }
        };
        if !(0.0..=max).contains(&value) {
            return Err(format!("{part}: must lie between 0 and {max}"));
        }
        *slot = value;
        Ok(())
    }
}

/// Which connections an order is for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub(crate) enum Selector {
    Index(u32),
    Word(Word),
    By(By),
    #[default]
    #[serde(skip)]
    Everyone,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    All,
}

/// Every field that is given must fit.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct By {
    index: Option<u32>,
    key_id: Option<String>,
    agent: Option<String>,
}

impl Selector {
    pub(crate) fn selects(&self, index: u32, key_id: &str, agent: &str) -> bool {
        match self {
            Self::Everyone | Self::Word(Word::All) => true,
            Self::Index(wanted) => *wanted == index,
            Self::By(by) => {
                by.index.is_none_or(|wanted| wanted == index)
                    && by.key_id.as_deref().is_none_or(|wanted| wanted == key_id)
                    && by.agent.as_deref().is_none_or(|wanted| wanted == agent)
            }
        }
    }
}

/// A fault ordered by `POST /sim/faults`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Order {
    Cut {
        #[serde(default)]
        connection: Selector,
        #[serde(default)]
        close: bool,
    },
    Drop(Frames),
    Repeat(Frames),
    Corrupt(Frames),
    Reorder(Frames),
    Stall {
        #[serde(default)]
        connection: Selector,
        seconds: f64,
    },
    Slow {
        #[serde(default)]
        connection: Selector,
        bytes_per_sec: u64,
        seconds: f64,
    },
    Error {
        code: u16,
        #[serde(default)]
        connection: Selector,
        #[serde(default = "book_channel")]
        channel: String,
    },
    Refuse {
        status: u16,
        seconds: f64,
    },
    /// REST answers 429 to everything.
    Limit {
        seconds: f64,
    },
    /// REST answers 401 to everything: the key was withdrawn.
    Forbid {
        seconds: f64,
    },
    Maintenance {
        seconds: f64,
    },
    Lie {
        #[serde(default)]
        connection: Selector,
        how: How,
        seconds: f64,
    },
    Schema {
        change: Change,
        field: Option<String>,
        seconds: f64,
    },
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Frames {
    #[serde(default)]
    pub(crate) connection: Selector,
    #[serde(default = "one")]
    pub(crate) frames: u32,
}

fn one() -> u32 {
    1
}

fn book_channel() -> String {
    "orderbook_delta".to_owned()
}

/// How a connection lies about the book.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    /// Deltas stand one tick beside the true level.
    Price,
    /// Deltas are one contract more than the truth.
    Size,
    /// Deltas are withheld, and `seq` does not show it.
    Stale,
}

/// How the messages' form changes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Rename,
    Missing,
    New,
    Type,
}

impl Order {
    /// The name under which it is counted.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cut { .. } => "cut",
            Self::Drop(_) => "drop",
            Self::Repeat(_) => "repeat",
            Self::Corrupt(_) => "corrupt",
            Self::Reorder(_) => "reorder",
            Self::Stall { .. } => "stall",
            Self::Slow { .. } => "slow",
            Self::Error { .. } => "error",
            Self::Refuse { .. } => "refuse",
            Self::Limit { .. } => "limit",
            Self::Forbid { .. } => "forbid",
            Self::Maintenance { .. } => "maintenance",
            Self::Lie { .. } => "lie",
            Self::Schema { .. } => "schema",
        }
    }
}

/// Rewrites one flat field of a body, as a venue that changes its schema would.
pub(crate) fn rewrite(body: &mut Vec<u8>, change: Change, field: Option<&str>) {
    let field = field.unwrap_or(match change {
        Change::Missing => "delta_fp",
        _ => "price_dollars",
    });
    let Ok(text) = std::str::from_utf8(body) else { return };
    if change == Change::New {
        let name = if field == "price_dollars" { "last_update_reason" } else { field };
        let grown = format!("{},\"{name}\":\"Amend\"}}", text.trim_end_matches('}'));
        *body = grown.into_bytes();
        return;
    }
    let key = format!("\"{field}\":");
    let Some(at) = text.find(&key) else { return };
    let value_at = at + key.len();
    let end = value_at + text[value_at..].find([',', '}']).unwrap_or(0);
    let value = &text[value_at..end];
    let replaced = match change {
        Change::Rename => format!("{}\"{field}_v2\":{}", &text[..at], &text[value_at..]),
        Change::Missing => {
            let (before, after) = (text[..at].trim_end_matches(','), &text[end..]);
            let after = if before == "{" { after.trim_start_matches(',') } else { after };
            format!("{before}{after}")
        }
        _ => {
            let other = match value.strip_prefix('"') {
                Some(quoted) => quoted.trim_end_matches('"').to_owned(),
                None => format!("\"{value}\""),
            };
            format!("{}{other}{}", &text[..value_at], &text[end..])
        }
    };
    *body = replaced.into_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_all_mistakes_are_named() {
        let rates = Rates::parse("drop=0.0005, cut=60").unwrap();
        assert_eq!((rates.drop, rates.cut_every_s, rates.repeat), (0.0005, 60.0, 0.0));
        let problems = Rates::parse("drop=2,tea=1,cut=x,stall").unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn orders_are_read_with_every_way_to_select_a_connection() {
        let selected = |text: &str| match serde_json::from_str::<Order>(text).unwrap() {
            Order::Cut { connection, .. } => connection.selects(3, "key", "kalshi-gatherer/east"),
            other => panic!("{other:?}"),
        };
        assert!(selected(r#"{"kind":"cut"}"#));
        assert!(selected(r#"{"kind":"cut","connection":"all","close":true}"#));
        assert!(selected(r#"{"kind":"cut","connection":3}"#));
        assert!(!selected(r#"{"kind":"cut","connection":4}"#));
        assert!(selected(r#"{"kind":"cut","connection":{"agent":"kalshi-gatherer/east"}}"#));
        assert!(!selected(r#"{"kind":"cut","connection":{"agent":"kalshi-gatherer/west"}}"#));
        assert!(selected(r#"{"kind":"cut","connection":{"key_id":"key","index":3}}"#));
        assert!(serde_json::from_str::<Order>(r#"{"kind":"cut","connection":"some"}"#).is_err());
        let drop: Order = serde_json::from_str(r#"{"kind":"drop","frames":5}"#).unwrap();
        assert_eq!(drop, Order::Drop(Frames { connection: Selector::Everyone, frames: 5 }));
    }

    #[test]
    fn a_field_can_be_renamed_left_out_added_or_change_its_type() {
        for (change, field, expected) in [
            (Change::Rename, None, r#"{"clock":1,"price_dollars_v2":"0.4300","ts_ms":5}"#),
            (Change::Missing, Some("clock"), r#"{"price_dollars":"0.4300","ts_ms":5}"#),
            (Change::Missing, Some("ts_ms"), r#"{"clock":1,"price_dollars":"0.4300"}"#),
            (Change::Type, None, r#"{"clock":1,"price_dollars":0.4300,"ts_ms":5}"#),
            (Change::Type, Some("clock"), r#"{"clock":"1","price_dollars":"0.4300","ts_ms":5}"#),
        ] {
            let mut body = br#"{"clock":1,"price_dollars":"0.4300","ts_ms":5}"#.to_vec();
            rewrite(&mut body, change, field);
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
        let mut body = br#"{"clock":1}"#.to_vec();
        rewrite(&mut body, Change::New, None);
        assert_eq!(body, br#"{"clock":1,"last_update_reason":"Amend"}"#);
    }
}
