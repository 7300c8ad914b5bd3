//! The book on one line.

use exchange::Level;

use crate::book::spread_text;
use crate::state::State;

/// `06:46:28.978 KXA-1 seq 7  bid 0.4300 x 120.00  ask 0.4500 x 33.00  spread 0.0200  levels 12/9`
pub(crate) fn line(state: &State) -> String {
    let Some(book) = &state.book else {
        let why = state.problem.as_deref().unwrap_or("no book yet");
        return why.to_owned();
    };
    let best = |level: Option<&Level>| match level {
        Some(level) => format!("{} x {}", level.price, level.size),
        None => "-".to_owned(),
    };
    let spread = book.spread_units().map_or_else(|| "-".to_owned(), spread_text);
    let mut line = format!(
        "{} {} seq {}  bid {}  ask {}  spread {spread}  levels {}/{}",
        time_of_day(book.ts_ms),
        book.ticker,
        book.seq,
        best(book.bids.first()),
        best(book.asks.first()),
        book.bids.len(),
        book.asks.len()
    );
    if let Some(problem) = &state.problem {
        line += &format!("  ({problem})");
    }
    line
}

/// Exchange time, UTC.
pub(crate) fn time_of_day(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| ms.to_string(), |time| time.strftime("%H:%M:%S%.3f").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::{Book, tests::answer};

    #[test]
    fn a_line_tells_the_best_of_both_sides() {
        let mut state = State::default();
        assert_eq!(line(&state), "no book yet");
        state.fail("connection refused".to_owned(), 0);
        assert_eq!(line(&state), "connection refused");
        let two = answer(7, &[("0.4300", "120.00")], &[("0.4500", "33.00")]);
        state.take(Book::read(&two).unwrap(), 0);
        assert_eq!(
            line(&state),
            "06:46:28.978 KXA-1 seq 7  bid 0.4300 x 120.00  ask 0.4500 x 33.00  spread 0.0200  levels 1/1"
        );
        state.take(Book::read(&answer(8, &[], &[])).unwrap(), 0);
        assert_eq!(line(&state), "06:46:28.978 KXA-1 seq 8  bid -  ask -  spread -  levels 0/0");
    }
}
