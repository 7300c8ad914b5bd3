//! What the book is shown on: a full terminal, one line of a terminal, or plain lines.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::state::{News, State};
use crate::{compact, ladder};

/// The output. Dropping it leaves the terminal as it was.
pub(crate) enum Screen {
    Ladder(DefaultTerminal),
    OneLine,
    Lines {
        /// Whether the reader was told that nobody answers.
        is_told: bool,
    },
}

impl Screen {
    /// Takes what there is: without a terminal nothing can be drawn.
    pub(crate) fn open(is_compact: bool) -> io::Result<Self> {
        match (io::stdout().is_terminal(), is_compact) {
            (false, _) => Ok(Self::Lines { is_told: false }),
            (true, true) => Ok(Self::OneLine),
            // Also restores the terminal when the program panics.
            (true, false) => Ok(Self::Ladder(ratatui::try_init()?)),
        }
    }

    pub(crate) fn show(&mut self, state: &State, news: Option<News>) -> io::Result<()> {
        match self {
            Self::Ladder(terminal) => terminal.draw(|frame| ladder::draw(frame, state)).map(drop),
            Self::OneLine => {
                let mut out = io::stdout().lock();
                write!(out, "\r\x1b[K{}", compact::line(state))?;
                out.flush()
            }
            Self::Lines { is_told } => {
                if let Some(told) = turn(is_told, state.problem.as_deref()) {
                    // Who closed our stderr does not want to know.
                    writeln!(io::stderr().lock(), "{told}").unwrap_or_default();
                }
                match news {
                    Some(News::First | News::Changed) => {
                        writeln!(io::stdout().lock(), "{}", compact::line(state))
                    }
                    Some(News::Same) | None => Ok(()),
                }
            }
        }
    }

    /// Whether `q` or Ctrl-C was pressed; the latter is a key while a terminal is drawn on.
    pub(crate) fn is_ended(&self) -> io::Result<bool> {
        if !matches!(self, Self::Ladder(_)) {
            return Ok(false);
        }
        while event::poll(Duration::ZERO)? {
            let Event::Key(key) = event::read()? else { continue };
            let ctrl_c =
                key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            let ends = ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
            if key.kind == KeyEventKind::Press && ends {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a reader of lines, who sees no screen, is told once when answers stop and once when they come again.
fn turn(is_told: &mut bool, problem: Option<&str>) -> Option<String> {
    let was_told = std::mem::replace(is_told, problem.is_some());
    match problem {
        Some(problem) if !was_told => Some(format!("{problem}; asking on")),
        None if was_told => Some("answered again".to_owned()),
        _ => None,
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        match self {
            Self::Ladder(_) => ratatui::restore(),
            // A closed terminal has no line to end.
            Self::OneLine => writeln!(io::stdout().lock()).unwrap_or_default(),
            Self::Lines { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_of_lines_is_told_once_that_answers_stopped_and_once_that_they_came_again() {
        let mut is_told = false;
        let problems = [None, Some("cannot connect"), Some("cannot connect"), None, None];
        let told = problems.map(|problem| turn(&mut is_told, problem));
        let due = [None, Some("cannot connect; asking on"), None, Some("answered again"), None];
        assert_eq!(told.map(|text| text.unwrap_or_default()), due.map(Option::unwrap_or_default));
    }
}
