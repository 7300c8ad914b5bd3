//! What the operator asked to be captured.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// How the tickers of multivariate markets begin.
const COMBINATION: &str = "KXMVE";

/// What the operator asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Choice {
    /// Every open market.
    pub all: bool,
    /// These markets.
    pub tickers: BTreeSet<String>,
    /// Open markets whose ticker begins with one of these.
    pub prefixes: BTreeSet<String>,
    /// But none of these: the operator's `-KXFED*`.
    pub except: BTreeSet<String>,
    /// Combinations that users put together (multivariate markets) too, of which there are thousands.
    pub combinations: bool,
}

impl Choice {
    /// Whether markets come and go without the operator.
    pub fn is_open_ended(&self) -> bool {
        self.all || !self.prefixes.is_empty()
    }

    /// Whether `ticker` is among what is asked for beyond the list.
    pub(crate) fn wants(&self, ticker: &str) -> bool {
        let begins = |prefix: &String| ticker.starts_with(prefix.as_str());
        let asked = self.all || self.prefixes.iter().any(begins);
        asked
            && !self.except.iter().any(begins)
            && (!ticker.starts_with(COMBINATION) || self.takes_combinations())
    }

    /// Whether multivariate markets are among what is asked for: by the flag, or because a series of them is named.
    pub(crate) fn takes_combinations(&self) -> bool {
        self.combinations || self.prefixes.iter().any(|prefix| prefix.starts_with(COMBINATION))
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut choice = Self::default();
        for word in text.split([',', ' ', '\n']).filter(|word| !word.is_empty()) {
            let (name, is_except) = match word.strip_prefix('-') {
                Some(name) => (name, true),
                None => (word, false),
            };
            let (name, is_prefix) = match name.strip_suffix('*') {
                Some(prefix) => (prefix, true),
                None => (name, false),
            };
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if name.is_empty() || name.len() > proto::limits::TICKER_BYTES_MAX {
                return Err(format!("{word:?} is not a ticker (all open markets are `all`)"));
            }
            if !name.bytes().all(allowed) {
                return Err(format!("{word:?} is neither a ticker nor a series as KXBTC*"));
            }
            match (name, is_prefix, is_except) {
                (prefix, true, true) => drop(choice.except.insert(prefix.to_owned())),
                (_, false, true) => return Err(format!("{word:?}: only series can be left out")),
                ("all" | "ALL", false, false) => choice.all = true,
                (prefix, true, false) => drop(choice.prefixes.insert(prefix.to_owned())),
                (ticker, false, false) => drop(choice.tickers.insert(ticker.to_owned())),
            }
        }
        if !choice.is_open_ended() && choice.tickers.is_empty() {
            return Err("not set: tickers separated by commas, `all`, or series as KXBTC*".into());
        }
        Ok(choice)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all.then(|| "all".to_owned());
        let series = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let except = self.except.iter().map(|prefix| format!("-{prefix}*"));
        let tickers = self.tickers.iter().take(5).cloned();
        let words: Vec<String> =
            all.into_iter().chain(series).chain(except).chain(tickers).collect();
        f.write_str(&words.join(","))?;
        match self.tickers.len().saturating_sub(5) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_series_and_all_are_told_apart() {
        let read = |text: &str| text.parse::<Choice>().map(|choice| choice.to_string());
        assert_eq!(read("B,A A"), Ok("A,B".to_owned()));
        assert_eq!(read("KXBTC*, KXETH*"), Ok("KXBTC*,KXETH*".to_owned()));
        assert_eq!(read("all"), Ok("all".to_owned()));
        assert_eq!(read("a,b,c,d,e,f,g"), Ok("a,b,c,d,e and 2 more".to_owned()));
        assert_eq!(read("all,-KXMVE*"), Ok("all,-KXMVE*".to_owned()));
        for wrong in ["", " , ", "*", "A*B", "A/B", "A;B", "-A*", "all,-A", "-*"] {
            assert!(read(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn combinations_are_taken_by_flag_or_by_name() {
        let mut all: Choice = "all".parse().expect("all");
        assert!(!all.wants("KXMVECROSS-1") && !all.takes_combinations());
        all.combinations = true;
        assert!(all.wants("KXMVECROSS-1"));
        let named: Choice = "KXMVECROSS*".parse().expect("a series");
        assert!(named.wants("KXMVECROSS-1") && !named.wants("KXBTC-1"));
    }

    #[test]
    fn a_series_is_a_prefix() {
        let choice: Choice = "KXBTC*".parse().expect("a series");
        assert!(choice.wants("KXBTC15M-26NOV21") && choice.wants("KXBTC-1"));
        assert!(!choice.wants("KXETH-1"));
        assert!(choice.is_open_ended());
        let but: Choice = "all,-KXFED*".parse().expect("all but some");
        assert!(but.wants("KXBTC-1") && !but.wants("KXFED-1"));
        assert!(!"KXBTC-1".parse::<Choice>().expect("a ticker").is_open_ended());
    }
}
