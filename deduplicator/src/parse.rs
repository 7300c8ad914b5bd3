//! Reads single settings; what is wrong with one goes to `note`, and a harmless value comes back.

use std::time::Duration;

use proto::tls::{self, Tls};

use crate::config::GathererAddress;

/// As many as a `GathererIndex` can number.
const GATHERERS_MAX: usize = 200;

/// `250ms`, `30s`, `5m`, `24h`, `7d`.
pub(crate) fn duration(name: &str, text: &str, note: &mut impl FnMut(String)) -> Duration {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let ms = number.parse::<u64>().ok().zip(unit_ms).and_then(|(n, unit)| n.checked_mul(unit));
    match ms.filter(|ms| *ms > 0) {
        Some(ms) => Duration::from_millis(ms),
        None => {
            note(format!("{name}: {text:?} is not a duration such as 250ms, 30s, 5m or 24h"));
            Duration::ZERO
        }
    }
}

/// A whole number above zero.
pub(crate) fn positive(name: &str, text: &str, note: &mut impl FnMut(String)) -> u64 {
    match text.parse::<u64>() {
        Ok(number) if number > 0 && number < 1 << 48 => number,
        _ => {
            note(format!("{name}: {text:?} is not a whole number above 0"));
            1
        }
    }
}

/// A name of letters, digits, `-`, `_` and `.`, up to 64 of them.
pub(crate) fn word(name: &str, text: &str, note: &mut impl FnMut(String)) -> String {
    if !is_word(text) {
        note(format!("{name}: {text:?} is not a name of 1 to 64 letters, digits, - _ ."));
    }
    text.to_owned()
}

/// `east=http://host:port,west=...`
pub(crate) fn gatherers(
    text: &str,
    (tls, settings): (Option<&Tls>, &tls::Settings<'_>),
    note: &mut impl FnMut(String),
) -> Vec<GathererAddress> {
    let mut known: Vec<GathererAddress> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let Some((name, url)) = item.split_once('=') else {
            note(format!("GATHERERS: {item:?} is not NAME=http://host:port"));
            continue;
        };
        if !is_word(name) {
            note(format!("GATHERERS: {name:?} is not a name of 1 to 64 letters, digits, - _ ."));
        }
        if url.contains('@') {
            note(format!("GATHERERS: the address of {name:?} has a user in it"));
        } else if !(url.starts_with("http://") || url.starts_with("https://"))
            || proto::rpc::endpoint(url.to_owned(), tls).is_err()
        {
            note(format!("GATHERERS: {url:?} of {name:?} is not http://host:port"));
        } else if let Some(why) = tls::url_refused(url, tls, settings) {
            note(format!("GATHERERS: the address of {name:?} {why}"));
        }
        if known.iter().any(|gatherer| gatherer.name == name) {
            note(format!("GATHERERS: {name:?} is named twice"));
        }
        known.push(GathererAddress { name: name.to_owned(), url: url.to_owned() });
    }
    if known.is_empty() {
        note("GATHERERS: name at least one gatherer, as east=http://10.0.1.10:7070".to_owned());
    }
    if known.len() > GATHERERS_MAX {
        note(format!("GATHERERS: {} are more than {GATHERERS_MAX}", known.len()));
    }
    known
}

fn is_word(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        let good = [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1d", 86_400_000)];
        for (text, ms) in good {
            let read = duration("x", text, &mut |problem| panic!("{problem}"));
            assert_eq!(read, Duration::from_millis(ms), "{text}");
        }
        for text in ["", "5", "s", "-5s", "1.5s", "0s", "5 s", "99999999999999999999s"] {
            let mut problems = 0;
            duration("x", text, &mut |_| problems += 1);
            assert_eq!(problems, 1, "{text}");
        }
    }
}
