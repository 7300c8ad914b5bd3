//! What a program shows a person: its stderr is a terminal.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use nix::pty::{Winsize, openpty};

/// Runs a program that must succeed; what it drew on the terminal, escapes and all.
pub(crate) fn drawn(mut command: Command) -> anyhow::Result<String> {
    let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).context("a terminal")?;
    command.env("TERM", "xterm").stdout(Stdio::null()).stderr(terminal.slave);
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    // Its side of the terminal is closed when it ends, unless we hold one too.
    drop(command);
    let (mut screen, mut drawn, mut piece) = (File::from(terminal.master), Vec::new(), [0; 4_096]);
    // At the end Linux answers with an error (EIO), not with nothing.
    while let Ok(length @ 1..) = screen.read(&mut piece) {
        drawn.extend_from_slice(&piece[..length]);
    }
    let ended = child.wait()?;
    let drawn = String::from_utf8_lossy(&drawn).into_owned();
    ensure!(ended.success(), "{ended}: {drawn}");
    Ok(drawn)
}
