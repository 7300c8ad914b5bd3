//! Fixed-point numbers as the exchange writes them.
//!
//! A price is an integer of 1/10,000 dollar, a size an integer of 1/100 contract. No floats.

/// One dollar, as a price.
pub(crate) const DOLLAR: u16 = 10_000;

pub(crate) fn push_int(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_uint(out, value.unsigned_abs());
}

pub(crate) fn push_uint(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// `0.4300`
pub(crate) fn push_price(out: &mut Vec<u8>, price: u16) {
    push_uint(out, u64::from(price / DOLLAR));
    let rest = price % DOLLAR;
    out.extend_from_slice(&[
        b'.',
        b'0' + (rest / 1000) as u8,
        b'0' + (rest / 100 % 10) as u8,
        b'0' + (rest / 10 % 10) as u8,
        b'0' + (rest % 10) as u8,
    ]);
}

/// `-54.00`
pub(crate) fn push_size(out: &mut Vec<u8>, size: i64) {
    if size < 0 {
        out.push(b'-');
    }
    let size = size.unsigned_abs();
    push_uint(out, size / 100);
    out.extend_from_slice(&[b'.', b'0' + (size / 10 % 10) as u8, b'0' + (size % 10) as u8]);
}

pub(crate) fn price_text(price: u16) -> String {
    text(|out| push_price(out, price))
}

pub(crate) fn size_text(size: i64) -> String {
    text(|out| push_size(out, size))
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(24);
    write(&mut out);
    String::from_utf8(out).expect("only ASCII digits are written")
}

/// Reads a price exactly; `None` if it does not fit 1/10,000 dollar.
pub(crate) fn parse_price(text: &str) -> Option<u16> {
    u16::try_from(parse(text, 4)?).ok().filter(|price| *price <= DOLLAR)
}

/// Reads a size exactly; `None` if it does not fit 1/100 contract.
pub(crate) fn parse_size(text: &str) -> Option<i64> {
    parse(text, 2)
}

fn parse(text: &str, places: usize) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > places || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let scale = 10_i64.checked_pow(u32::try_from(places - fraction.len()).ok()?)?;
    let value = format!("{whole}{fraction}").parse::<i64>().ok()?.checked_mul(scale)?;
    Some(if negative { -value } else { value })
}

/// `2026-08-07T06:46:28.978Z`, trailing zeros trimmed as the exchange does.
pub(crate) fn push_rfc3339(out: &mut Vec<u8>, unix_ms: i64) {
    let (days, of_day) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let padded = |out: &mut Vec<u8>, value: i64| {
        out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
    };
    push_int(out, year);
    out.push(b'-');
    padded(out, month);
    out.push(b'-');
    padded(out, day);
    out.push(b'T');
    padded(out, of_day / 3_600_000);
    out.push(b':');
    padded(out, of_day / 60_000 % 60);
    out.push(b':');
    padded(out, of_day / 1000 % 60);
    let ms = of_day % 1000;
    if ms != 0 {
        let digits = [b'0' + (ms / 100) as u8, b'0' + (ms / 10 % 10) as u8, b'0' + (ms % 10) as u8];
        let kept = if ms % 100 == 0 { 1 } else { 3 - usize::from(ms % 10 == 0) };
        out.push(b'.');
        out.extend_from_slice(&digits[..kept]);
    }
    out.push(b'Z');
}

pub(crate) fn rfc3339(unix_ms: i64) -> String {
    text(|out| push_rfc3339(out, unix_ms))
}

/// Year, month and day of a day counted from 1970-01-01 (Hinnant's algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_and_sizes_are_written_as_the_exchange_writes_them() {
        assert_eq!(price_text(4300), "0.4300");
        assert_eq!(price_text(1), "0.0001");
        assert_eq!(price_text(10_000), "1.0000");
        assert_eq!(size_text(-5400), "-54.00");
        assert_eq!(size_text(7), "0.07");
        assert_eq!(size_text(-7), "-0.07");
    }

    #[test]
    fn what_does_not_fit_exactly_is_refused() {
        assert_eq!(parse_price("0.4300"), Some(4300));
        assert_eq!(parse_price("0.43001"), None);
        assert_eq!(parse_price("1.0001"), None);
        assert_eq!(parse_price("-0.1000"), None);
        assert_eq!(parse_size("-54.00"), Some(-5400));
        assert_eq!(parse_size("119.5"), Some(11_950));
        assert_eq!(parse_size("0.001"), None);
        assert_eq!(parse_size(""), None);
        assert_eq!(parse_size("1e5"), None);
    }

    #[test]
    fn times_are_trimmed_to_what_they_need() {
        assert_eq!(rfc3339(1_786_085_188_978), "2026-08-07T06:46:28.978Z");
        assert_eq!(rfc3339(1_786_085_188_970), "2026-08-07T06:46:28.97Z");
        assert_eq!(rfc3339(1_786_085_188_900), "2026-08-07T06:46:28.9Z");
        assert_eq!(rfc3339(1_786_085_188_005), "2026-08-07T06:46:28.005Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00Z");
    }
}
