//! Times as people type and read them: UTC, milliseconds.

use jiff::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// `2026-11-21T08:03:06.123Z`
pub(crate) fn shown(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// `2026-11-21`
pub(crate) fn day(ms: i64) -> String {
    shown(ms).split('T').next().unwrap_or_default().to_owned()
}

/// Reads a time: RFC 3339, a day, an age, or `now`.
pub(crate) fn parse(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim();
    if text == "now" {
        return Some(now_ms);
    }
    exchange::parse_rfc3339_ms(text)
        .or_else(|| exchange::parse_rfc3339_ms(&format!("{text}T00:00:00Z")))
        .or_else(|| now_ms.checked_sub(length_ms(text)?))
}

/// Reads a length of time: `90s`, `30m`, `24h`, `7d`.
pub(crate) fn length_ms(text: &str) -> Option<i64> {
    let (at, unit) = text.char_indices().last()?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => DAY_MS,
        _ => return None,
    };
    let number: u32 = text[..at].parse().ok()?;
    i64::from(number).checked_mul(unit_ms)
}

/// How long something took, for people: `64 ms`, `12.3 s`, `4 min 5 s`, `3 h 2 min`.
pub(crate) fn length(ms: i64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        ..60 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_four_forms_and_shown_in_one() {
        let now = 1_786_085_188_978;
        assert_eq!(shown(now), "2026-08-07T06:46:28.978Z");
        assert_eq!(day(now), "2026-08-07");
        for (text, ms) in [
            ("2026-08-07T06:46:28.978Z", now),
            ("2026-08-07T08:46:28.978+02:00", now),
            ("2026-08-07", 1_786_060_800_000),
            ("90s", now - 90_000),
            ("7d", now - 7 * DAY_MS),
            ("now", now),
        ] {
            assert_eq!(parse(text, now), Some(ms), "{text}");
        }
        for wrong in ["", "yesterday", "2026-13-01", "5", "-1h", "1.5h", "h", "µ"] {
            assert_eq!(parse(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn lengths_are_told_in_the_unit_that_fits() {
        for (ms, text) in
            [(64, "64 ms"), (12_345, "12.3 s"), (245_000, "4 min 5 s"), (10_920_000, "3 h 2 min")]
        {
            assert_eq!(length(ms), text);
        }
    }
}
