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
    Lines,
}

impl Screen {
    /// Takes what there is: without a terminal nothing can be drawn.
    pub(crate) fn open(is_compact: bool) -> io::Result<Self> {
        match (io::stdout().is_terminal(), is_compact) {
            (false, _) => Ok(Self::Lines),
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
            Self::Lines if matches!(news, Some(News::First | News::Changed)) => {
                writeln!(io::stdout().lock(), "{}", compact::line(state))
            }
            Self::Lines => Ok(()),
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

impl Drop for Screen {
    fn drop(&mut self) {
        match self {
            Self::Ladder(_) => ratatui::restore(),
            // A closed terminal has no line to end.
            Self::OneLine => writeln!(io::stdout().lock()).unwrap_or_default(),
            Self::Lines => {}
        }
    }
}
