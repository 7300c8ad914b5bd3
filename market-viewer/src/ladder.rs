//! The book as a ladder: asks above, bids below, the best of both in the middle.
//!
//! Pure: draws a state into a frame, of whatever size.

use std::collections::BTreeMap;

use exchange::{Level, Price};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::book::{Book, spread_text};
use crate::compact::time_of_day;
use crate::state::{State, change_text};

/// A bar of this many cells stands for the largest size shown.
const BAR_CELLS: i64 = 20;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State) {
    let rows = [Constraint::Length(2), Constraint::Min(0), Constraint::Length(1)];
    let [head, middle, foot] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Paragraph::new(header(state)), head);
    if let Some(book) = &state.book {
        frame.render_widget(Paragraph::new(ladder(state, book, middle)), middle);
    }
    frame.render_widget(Paragraph::new(footer(state)), foot);
}

fn header(state: &State) -> Vec<Line<'static>> {
    let Some(book) = &state.book else { return vec![Line::from("no book yet")] };
    let clock = book.clock.map_or_else(|| "-".to_owned(), |clock| clock.to_string());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let place = format!("  seq {}  era {}  clock {clock}", book.seq, book.era);
    let age = (state.now_ms - book.ts_ms).max(0);
    vec![
        Line::from(vec![Span::styled(book.ticker.clone(), bold), Span::from(place)]),
        Line::from(format!(
            "{} UTC, {}.{} s ago  {} changes seen",
            time_of_day(book.ts_ms),
            age / 1_000,
            age % 1_000 / 100,
            state.changes
        )),
    ]
}

fn footer(state: &State) -> Line<'static> {
    match &state.problem {
        Some(problem) => Line::styled(problem.clone(), Style::new().fg(Color::Yellow)),
        None => Line::styled("q: end", Style::new().add_modifier(Modifier::DIM)),
    }
}

/// As many levels of each side as fit, the spread between them.
fn ladder(state: &State, book: &Book, area: Rect) -> Vec<Line<'static>> {
    let rows = usize::from(area.height).saturating_sub(1);
    let asks_shown =
        book.asks.len().min(rows - rows / 2 + (rows / 2).saturating_sub(book.bids.len()));
    let bids_shown = book.bids.len().min(rows.saturating_sub(asks_shown));
    let (asks, bids) = (&book.asks[..asks_shown], &book.bids[..bids_shown]);
    let largest = asks.iter().chain(bids).map(|level| level.size.units()).max().unwrap_or(1).max(1);
    let row = |level: &Level, changed: &BTreeMap<Price, i64>, color: Color| {
        let cells = usize::try_from(level.size.units() * BAR_CELLS / largest).unwrap_or(0);
        let change = changed.get(&level.price).map(|units| change_text(*units));
        Line::from(vec![
            Span::styled(format!("{:>8}", level.price.to_string()), Style::new().fg(color)),
            Span::from(format!("{:>16}  ", level.size.to_string())),
            Span::styled("#".repeat(cells.max(1)), Style::new().fg(color)),
            Span::from(" ".repeat(BAR_CELLS as usize + 1 - cells.max(1))),
            Span::styled(change.unwrap_or_default(), Style::new().add_modifier(Modifier::BOLD)),
        ])
    };
    let spread = book.spread_units().map_or_else(|| "-".to_owned(), spread_text);
    let hidden = (book.asks.len() - asks_shown, book.bids.len() - bids_shown);
    let mut lines: Vec<Line<'static>> = Vec::new();
    lines.extend(asks.iter().rev().map(|level| row(level, &state.asks_changed, Color::Red)));
    lines.push(Line::from(format!(
        "-------- spread {spread}, not shown: {} asks, {} bids",
        hidden.0, hidden.1
    )));
    lines.extend(bids.iter().map(|level| row(level, &state.bids_changed, Color::Green)));
    lines
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::book::tests::answer;

    /// What a terminal of this size shows, line by line.
    fn shown(state: &State, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        let buffer = terminal.backend().buffer();
        let cell = |x, y| buffer.cell((x, y)).unwrap().symbol().to_owned();
        let line = |y| (0..width).map(|x| cell(x, y)).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect()
    }

    fn state() -> State {
        let mut state = State::default();
        let asks = [("0.4500", "33.00"), ("0.4600", "66.00"), ("0.9900", "1.00")];
        let first = answer(7, &[("0.4000", "5.00"), ("0.4300", "100.00")], &asks);
        state.take(Book::read(&first).unwrap(), 0);
        let next = answer(8, &[("0.4000", "5.00"), ("0.4300", "132.00")], &asks);
        state.take(Book::read(&next).unwrap(), 1_786_085_190_178);
        state
    }

    #[test]
    fn the_ladder_has_asks_above_bids_and_marks_what_changed() {
        let expected = [
            "KXA-1  seq 8  era 0  clock 41",
            "06:46:28.978 UTC, 1.2 s ago  1 changes seen",
            "  0.9900            1.00  #",
            "  0.4600           66.00  ##########",
            "  0.4500           33.00  #####",
            "-------- spread 0.0200, not shown: 0 asks, 0 bids",
            "  0.4300          132.00  #################### +32.00",
            "  0.4000            5.00  #",
            "q: end",
        ];
        assert_eq!(shown(&state(), 60, 9), expected);
    }

    #[test]
    fn a_small_terminal_keeps_the_best_levels_and_says_what_it_hides() {
        let lines = shown(&state(), 60, 6);
        assert_eq!(lines[2], "  0.4500           33.00  #####");
        assert_eq!(lines[3], "-------- spread 0.0200, not shown: 2 asks, 1 bids");
        assert_eq!(lines[4], "  0.4300          132.00  #################### +32.00");
        for height in 0..6 {
            for width in [0, 1, 10] {
                shown(&state(), width, height);
            }
        }
    }

    #[test]
    fn what_goes_wrong_is_shown_below_the_last_book() {
        let mut state = state();
        state.fail("no answer from the deduplicator".to_owned(), 1_786_085_190_178);
        let lines = shown(&state, 60, 9);
        assert_eq!(lines[8], "no answer from the deduplicator");
        assert_eq!(lines[4], "  0.4500           33.00  #####");
        assert_eq!(shown(&State::default(), 20, 4)[0], "no book yet");
    }
}
