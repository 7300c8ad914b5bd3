//! What may be typed: flags, their environment variables and defaults. What they mean is `config`'s.

use std::path::PathBuf;

use clap::Parser;
use service::redacted::Secret;

/// Shows one market's canonical book, live: a ladder, or one line. `q` or Ctrl-C ends it.
///
/// Without a terminal it prints one line for each change that it sees, as with --compact. It sees the
/// book at its --rate: what changed and changed back in between, and each single step, it does not.
///
/// Exit codes: 0 stopped as asked, 1 failed, 64 told wrong things.
#[derive(Parser, Clone, Debug)]
#[command(name = "market-viewer", version)]
pub struct Args {
    /// The market.
    #[arg(long)]
    pub ticker: String,

    /// One line instead of a ladder.
    #[arg(long)]
    pub compact: bool,

    /// How often a second the book is asked for.
    #[arg(long, default_value = "5", value_name = "N")]
    pub rate: String,

    /// Appends the book to this file whenever it differs from the one seen before, one JSON object a
    /// line: a sample at --rate, not every change. Every change is in the record.
    #[arg(long, value_name = "FILE")]
    pub ndjson: Option<PathBuf>,

    /// Ends after so many changes were seen; 0: never.
    #[arg(long, default_value = "0", value_name = "N")]
    pub changes: String,

    /// The deduplicator's HTTP address.
    #[arg(long, env = "DEDUPLICATOR_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,

    /// Bearer token of the deduplicator's /book, where one is set.
    #[arg(long, env = "ADMIN_TOKEN", default_value = "", hide_env_values = true)]
    pub admin_token: Secret,
}
