//! Reads the exchange's RFC 3339 timestamps as Unix milliseconds, by hand.

/// Unix milliseconds, rounded down; `None` when the text is not `YYYY-MM-DDTHH:MM:SS[.f](Z|±HH:MM)`.
pub fn parse_rfc3339_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (head, tail) = bytes.split_at_checked(19)?;
    let shape = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if shape.iter().any(|(at, byte)| head[*at] != *byte) || !matches!(head[10], b'T' | b't' | b' ')
    {
        return None;
    }
    let year = digits(&head[..4])?;
    let (month, day) = (digits(&head[5..7])?, digits(&head[8..10])?);
    let (hour, minute) = (digits(&head[11..13])?, digits(&head[14..16])?);
    let second = digits(&head[17..])?;
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let (millis, zone) = fraction_ms(tail)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - zone_seconds(zone)?) * 1000 + millis)
}

/// The fraction after the seconds in ms, rounded down, and what follows it.
fn fraction_ms(tail: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = tail else {
        return Some((0, tail));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let (fraction, zone) = rest.split_at(length);
    let kept = &fraction[..length.min(3)];
    let millis = kept.iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    Some((millis * [1000, 100, 10, 1][kept.len()], zone))
}

fn zone_seconds(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hour_1, hour_2, b':', minutes @ ..] if minutes.len() == 2 => {
            let (hours, minutes) = (digits(&[*hour_1, *hour_2])?, digits(minutes)?);
            let seconds = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, by Hinnant's method: years begin in March, so the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_of_every_precision_are_read() {
        let rows = [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.9999Z", 999),
            ("2022-11-22T20:44:01Z", 1_669_149_841_000),
            ("2026-08-07T06:46:28.97871Z", 1_786_085_188_978),
            ("2026-08-07T06:46:28.9Z", 1_786_085_188_900),
            ("2026-08-07T06:46:28.978712345Z", 1_786_085_188_978),
            ("2026-08-07T08:46:28.978+02:00", 1_786_085_188_978),
            ("2024-02-29T12:00:00-05:30", 1_709_227_800_000),
            ("1969-12-31T23:59:59.5Z", -500),
        ];
        for (text, ms) in rows {
            assert_eq!(parse_rfc3339_ms(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        let rows = "|2026|2026-08-07|2026-08-07T06:46:28|2026-08-07T06:46:28.Z|2026-13-01T00:00:00Z|\
                    2026-02-29T00:00:00Z|2026-08-07T24:00:00Z|2026-08-07T06:46:28.9Zx|\
                    2026-08-07T06:46:28+0200|2026_08-07T06:46:28Z|2026-08-07T06:46:éé";
        for text in rows.split('|') {
            assert_eq!(parse_rfc3339_ms(text), None, "{text}");
        }
    }
}
