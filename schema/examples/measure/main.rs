//! Loads synthetic events into variants of our tables and prints what each costs.
//!
//! `cargo run -p schema --example measure [rows]`. The figures in README.md come from here.

mod events;
mod load;
mod tables;

use std::io::{self, Write};

use clickhouse_dev::{ClickHouse, Options};

const ROWS_DEFAULT: usize = 3_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    clickhouse_dev::run_engine_if_asked();
    let rows = std::env::args().nth(1).map_or(Ok(ROWS_DEFAULT), |rows| rows.parse())?;
    let engine = ClickHouse::start(Options { memory_bytes: Some(4 << 30), ..Options::default() })?;
    let database = load::Database::new(&engine).await?;
    let events = events::make(rows);
    say(&format!("{} events of {} markets in one day", events.len(), events::MARKETS))?;

    say("\ninserted by the client, lz4, validation on, into the shipped orderbook_events")?;
    for batch in [2_000, 20_000, 200_000] {
        say(&load::insert_rate(&database, &events, batch).await?)?;
    }
    say(
        "\nvariants of orderbook_events: engine insert, bytes/row, merged; queries, ms (best of 9)",
    )?;
    for variant in tables::variants() {
        say(&load::variant(&database, &variant, rows).await?)?;
    }
    say("\nbytes/row of each column as shipped")?;
    say(&load::columns(&database).await?)?;
    say("\nlatest_levels")?;
    for line in load::levels(&database).await? {
        say(&line)?;
    }
    say("\ngaps")?;
    say(&load::gaps(&database).await?)?;
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
