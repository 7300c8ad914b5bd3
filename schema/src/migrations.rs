//! Which statements make a database ours, and which of them are still due.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use sha2::{Digest, Sha256};

/// Where applied migrations are recorded; run it first, every time.
pub const CREATE_MIGRATIONS_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS schema_migrations
(
    `number` UInt32 COMMENT 'number of the migration',
    `name` String COMMENT 'its name',
    `checksum` String COMMENT 'of its statements: an applied migration never changes',
    `applied_at` DateTime64(3, 'UTC') COMMENT 'when it was applied'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY number
COMMENT 'Migrations this database has seen'";

/// Number and checksum of what was applied: the answer, as a map, is what [`due`] asks for.
pub const APPLIED_MIGRATIONS: &str =
    "SELECT number, checksum FROM schema_migrations FINAL ORDER BY number";

/// Reads the one `rows::SinkCursor` that counts; bind the sink's name.
pub const SINK_CURSOR: &str = "SELECT ?fields FROM sink_cursor FINAL WHERE sink = ? \
     ORDER BY position_incarnation DESC, position_offset DESC LIMIT 1";

/// Whose database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The deduplicator's: every event once.
    Canonical,
    /// A gatherer's: every event as that gatherer saw it.
    Gatherer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canonical => "canonical",
            Self::Gatherer => "gatherer",
        })
    }
}

/// One step of a database's history. Each statement may run again without harm.
#[derive(Debug)]
pub struct Migration {
    /// Place in the history of its role, from 1.
    pub number: u32,
    /// What it makes, in a word.
    pub name: &'static str,
    /// Whose history it belongs to.
    pub role: Role,
    /// To be run in order, one at a time; none names a database.
    pub statements: Vec<String>,
    /// Of the statements; comments between them do not count.
    pub checksum: String,
}

/// Why a database cannot be brought up to date.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SchemaError {
    /// A newer program has been here.
    #[error(
        "the {role} database has migration {found}, this program knows {newest} at most: \
         run the newer version of the program, or point this one at another database"
    )]
    Newer {
        /// Whose database.
        role: Role,
        /// The number we do not know.
        found: u32,
        /// The highest number we know.
        newest: u32,
    },
    /// What was applied is not what we have under that number.
    #[error(
        "migration {number} ({name}) of the {role} database was applied with other statements \
         (checksum {applied}, ours {ours}): the database was made by another build; use the \
         version that made it, or another database"
    )]
    Changed {
        /// Whose database.
        role: Role,
        /// The migration.
        number: u32,
        /// Its name here.
        name: &'static str,
        /// The checksum the database holds.
        applied: String,
        /// The checksum of our statements.
        ours: String,
    },
}

/// The whole history of a role, oldest first. Append only: a released migration never changes.
pub fn migrations(role: Role) -> &'static [Migration] {
    static CANONICAL: LazyLock<Vec<Migration>> =
        LazyLock::new(|| history(Role::Canonical, CANONICAL_FILES));
    static GATHERER: LazyLock<Vec<Migration>> =
        LazyLock::new(|| history(Role::Gatherer, GATHERER_FILES));
    match role {
        Role::Canonical => &CANONICAL,
        Role::Gatherer => &GATHERER,
    }
}

/// What is still to be run on a database that has seen `applied` (number to checksum), in order.
///
/// # Errors
/// If the database was made by a newer program, or by other statements under the same number.
pub fn due(
    role: Role,
    applied: &BTreeMap<u32, String>,
) -> Result<Vec<&'static Migration>, SchemaError> {
    let known = migrations(role);
    let newest = known.last().map_or(0, |migration| migration.number);
    if let Some((&found, _)) = applied.last_key_value()
        && found > newest
    {
        return Err(SchemaError::Newer { role, found, newest });
    }
    let mut due = Vec::new();
    for migration in known {
        match applied.get(&migration.number) {
            None => due.push(migration),
            Some(checksum) if *checksum == migration.checksum => {}
            Some(checksum) => {
                return Err(SchemaError::Changed {
                    role,
                    number: migration.number,
                    name: migration.name,
                    applied: checksum.clone(),
                    ours: migration.checksum.clone(),
                });
            }
        }
    }
    Ok(due)
}

type File = (&'static str, &'static str);

const TRADES: File = ("trades", include_str!("../migrations/shared/trades.sql"));
const TICKERS: File = ("tickers", include_str!("../migrations/shared/tickers.sql"));
const LIFECYCLE: File =
    ("market_lifecycle", include_str!("../migrations/shared/market_lifecycle.sql"));
const SNAPSHOTS: File =
    ("orderbook_snapshots", include_str!("../migrations/shared/orderbook_snapshots.sql"));
const CURSOR: File = ("sink_cursor", include_str!("../migrations/shared/sink_cursor.sql"));

/// The place in the list is the number, from 1.
const CANONICAL_FILES: &[File] = &[
    ("orderbook_events", include_str!("../migrations/canonical/0001_orderbook_events.sql")),
    ("latest_levels", include_str!("../migrations/canonical/0002_latest_levels.sql")),
    ("gaps", include_str!("../migrations/canonical/0003_gaps.sql")),
    ("lane_minutes", include_str!("../migrations/canonical/0004_lane_minutes.sql")),
    TRADES,
    TICKERS,
    LIFECYCLE,
    SNAPSHOTS,
    CURSOR,
    ("lane_minutes_fates", include_str!("../migrations/canonical/0010_lane_minutes_fates.sql")),
    ("book_at", include_str!("../migrations/canonical/0011_book_at.sql")),
    ("lane_minutes_holes", include_str!("../migrations/canonical/0012_lane_minutes_holes.sql")),
    ("book_at_refuted", include_str!("../migrations/canonical/0013_book_at_refuted.sql")),
];

const GATHERER_FILES: &[File] = &[
    ("raw_frames", include_str!("../migrations/gatherer/0001_raw_frames.sql")),
    ("orderbook_events", include_str!("../migrations/gatherer/0002_orderbook_events.sql")),
    TRADES,
    TICKERS,
    LIFECYCLE,
    SNAPSHOTS,
    CURSOR,
    ("a_week", include_str!("../migrations/gatherer/0008_a_week.sql")),
];

fn history(role: Role, files: &[File]) -> Vec<Migration> {
    (1..)
        .zip(files)
        .map(|(number, &(name, text))| {
            let statements = statements(text);
            let checksum = checksum(&statements);
            Migration { number, name, role, statements, checksum }
        })
        .collect()
}

/// A statement ends with a semicolon at a line's end; lines that are comments are left out.
fn statements(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    code.join("\n")
        .split_inclusive(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// Half of a SHA-256 in hex: it tells versions apart, nobody attacks it.
fn checksum(statements: &[String]) -> String {
    let mut hasher = Sha256::new();
    for statement in statements {
        hasher.update(statement.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 2] = [Role::Canonical, Role::Gatherer];

    fn all_applied(role: Role) -> BTreeMap<u32, String> {
        migrations(role).iter().map(|m| (m.number, m.checksum.clone())).collect()
    }

    #[test]
    fn an_empty_database_is_due_everything_and_a_current_one_nothing() {
        for role in ROLES {
            let everything = due(role, &BTreeMap::new()).expect("nothing applied");
            assert_eq!(everything.len(), migrations(role).len());
            assert!(due(role, &all_applied(role)).expect("all applied").is_empty());
        }
    }

    #[test]
    fn a_database_that_stopped_half_way_is_due_the_rest_in_order() {
        let mut applied = all_applied(Role::Canonical);
        let rest = applied.split_off(&3);
        let due: Vec<u32> =
            due(Role::Canonical, &applied).expect("a prefix").iter().map(|m| m.number).collect();
        assert_eq!(due, rest.into_keys().collect::<Vec<_>>());
    }

    #[test]
    fn a_newer_database_is_refused() {
        let mut applied = all_applied(Role::Gatherer);
        applied.insert(900, "x".to_owned());
        let error = due(Role::Gatherer, &applied).expect_err("900 is unknown");
        assert!(matches!(error, SchemaError::Newer { found: 900, newest: 8, .. }), "{error}");
    }

    #[test]
    fn a_changed_migration_is_refused_by_name() {
        let mut applied = all_applied(Role::Canonical);
        applied.insert(2, "other".to_owned());
        let error = due(Role::Canonical, &applied).expect_err("2 differs").to_string();
        assert!(error.contains("migration 2 (latest_levels) of the canonical"), "{error}");
    }

    #[test]
    fn every_statement_can_run_twice_and_names_no_database() {
        for migration in ROLES.iter().flat_map(|&role| migrations(role)) {
            assert!(!migration.statements.is_empty(), "{} is empty", migration.name);
            for statement in &migration.statements {
                let (head, _) = statement.split_once('\n').unwrap_or((statement, ""));
                let harmless = [
                    " IF NOT EXISTS ",
                    " IF EXISTS ",
                    " OR REPLACE ",
                    " MODIFY TTL ",
                    " MODIFY SETTING ",
                ];
                assert!(harmless.iter().any(|word| head.contains(word)), "{head}");
                assert!(!head.contains('.'), "{head}");
                // The client takes every question mark for a place to bind a value.
                assert!(!statement.contains('?'), "{head}");
            }
        }
    }

    #[test]
    fn comments_between_statements_do_not_change_the_checksum() {
        let bare = statements("CREATE a;\nCREATE b;\n");
        let told = statements("-- why; because\nCREATE a;\n\n-- more\nCREATE b;\n");
        assert_eq!(bare, ["CREATE a", "CREATE b"]);
        assert_eq!(checksum(&bare), checksum(&told));
        assert_ne!(checksum(&bare), checksum(&statements("CREATE a;\n")));
    }
}
