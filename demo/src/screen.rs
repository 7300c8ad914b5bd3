//! Where the live status goes: redrawn in place on a terminal, appended anywhere else.

use std::io::{self, IsTerminal as _, Write as _};

/// A terminal is redrawn this often, a log gets a block this often.
const SECONDS_TERMINAL: u64 = 1;
const SECONDS_LOG: u64 = 5;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: bool,
    drawn_lines: usize,
}

impl Screen {
    /// Looks at what standard output is.
    pub(crate) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn_lines: 0 }
    }

    /// Seconds between two statuses.
    pub(crate) fn every_seconds(&self) -> u64 {
        if self.terminal { SECONDS_TERMINAL } else { SECONDS_LOG }
    }

    /// Shows a status in the place of the last one.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn draw(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.terminal && self.drawn_lines > 0 {
            // Up to the first line of the last status, and nothing below the cursor.
            write!(out, "\x1b[{}A\x1b[J", self.drawn_lines)?;
        }
        self.drawn_lines = text.lines().count();
        write!(out, "{text}")?;
        out.flush()
    }

    /// Says something that stays.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.drawn_lines = 0;
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}
