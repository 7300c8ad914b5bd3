//! What the program needs, made from what was typed; every mistake is reported at once.

use std::path::PathBuf;

use catalog::CatalogUrl;
use schema::rows::GapState;
use service::redacted::Secret;
use store::StoreConfig;
use url::Url;

use crate::args::{Args, Command, Which};
use crate::hole::{Selector, is_ticker};
use crate::parse::Problems;
use crate::times;

/// Everything the program needs.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) task: Task,
    pub(crate) is_json: bool,
    pub(crate) store: StoreConfig,
    pub(crate) rest: RestConfig,
    pub(crate) gatherers: Vec<(String, Url)>,
    pub(crate) admin_token: Secret,
    /// `None`: there is none, and the command writes nothing that must be audited.
    pub(crate) catalog: Option<CatalogUrl>,
    pub(crate) by: String,
    pub(crate) margin_ms: i64,
}

/// How the exchange's REST interface is asked.
#[derive(Clone, Debug)]
pub(crate) struct RestConfig {
    pub(crate) url: Url,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) requests_per_second: u32,
}

/// Which holes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) holes: Vec<Selector>,
    /// Empty: all.
    pub(crate) states: Vec<GapState>,
    pub(crate) since_ms: Option<i64>,
    pub(crate) until_ms: Option<i64>,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Task {
    List(Filter),
    Show(Filter),
    Poll {
        tickers: Vec<String>,
        dry_run: bool,
    },
    Repair {
        filter: Filter,
        dry_run: bool,
    },
    /// Trades of these markets in a span, whether there is a hole or not.
    Refetch {
        tickers: Vec<String>,
        span_ms: (i64, i64),
        dry_run: bool,
    },
    Verify(Filter),
    Report {
        filter: Filter,
        out: Option<PathBuf>,
    },
}

impl Config {
    /// Checks what was typed; ages are counted back from `now_ms`.
    ///
    /// # Errors
    /// Every problem at once, so that one more try is enough.
    pub fn from_args(args: Args, now_ms: i64) -> Result<Self, Vec<String>> {
        let mut problems = Problems::default();
        let task = task(&args.command, now_ms, &mut problems);
        let config = Self {
            is_json: args.json,
            store: store(&args, &mut problems),
            rest: RestConfig {
                url: problems.url("REST_URL", &args.rest_url),
                ca_file: Some(PathBuf::from(&args.ca_file))
                    .filter(|path| !path.as_os_str().is_empty()),
                requests_per_second: rate(&args.rest_rate, &mut problems),
            },
            gatherers: problems.gatherers("GATHERER_ADMIN", &args.gatherer_admin),
            admin_token: args.admin_token.clone(),
            catalog: catalog(&args, is_audited(&task), &mut problems),
            by: args.by.trim().to_owned(),
            margin_ms: times::length_ms(args.margin.trim()).unwrap_or_else(|| {
                let text = &args.margin;
                problems.add("RECOVERY_MARGIN", format_args!("{text:?} is not a time such as 60s"));
                0
            }),
            task,
        };
        if config.by.is_empty() {
            problems.add("USER (--by)", "empty: say who does it");
        }
        if !config.gatherers.is_empty() && config.admin_token.is_empty() {
            problems.add("ADMIN_TOKEN", "not set: the gatherers of GATHERER_ADMIN ask for it");
        }
        problems.none_or(config)
    }
}

/// Whether the command changes anything that the audit must know of.
fn is_audited(task: &Task) -> bool {
    matches!(
        task,
        Task::Poll { dry_run: false, .. }
            | Task::Repair { dry_run: false, .. }
            | Task::Refetch { dry_run: false, .. }
    )
}

fn task(command: &Command, now_ms: i64, problems: &mut Problems) -> Task {
    let mut filter = |which: &Which, states: &str| Filter {
        holes: problems.selectors("HOLE", &which.holes),
        states: problems.states("--state", states),
        since_ms: problems.time("--since", &which.since, now_ms),
        until_ms: problems.time("--until", &which.until, now_ms),
    };
    match command {
        Command::List { which, state } => Task::List(filter(which, state)),
        Command::Show { which } => Task::Show(filter(which, "all")),
        Command::Verify { which } => Task::Verify(filter(which, "repaired")),
        Command::Report { which, out } => {
            Task::Report { filter: filter(which, "all"), out: out.clone() }
        }
        Command::Poll { tickers, dry_run } => {
            for wrong in tickers.iter().filter(|ticker| !is_ticker(ticker)) {
                problems.add("TICKER", format_args!("{wrong:?} is not a ticker"));
            }
            Task::Poll { tickers: tickers.clone(), dry_run: *dry_run }
        }
        Command::Trades { which, state, span, dry_run } => {
            let named =
                !which.holes.is_empty() && which.holes.iter().all(|hole| hole.contains('@'));
            // Who names a hole means it, whatever its state.
            let filter = filter(which, if named { "all" } else { state });
            match problems.span("--span", span, now_ms) {
                None => Task::Repair { filter, dry_run: *dry_run },
                Some(span_ms) => refetch(filter, span_ms, *dry_run, problems),
            }
        }
    }
}

fn refetch(filter: Filter, span_ms: (i64, i64), dry_run: bool, problems: &mut Problems) -> Task {
    if filter.holes.is_empty() || filter.holes.iter().any(|hole| hole.place.is_some()) {
        problems.add("--span", "name the markets (tickers) whose trades are wanted");
    }
    let tickers = filter.holes.into_iter().map(|hole| hole.ticker).collect();
    Task::Refetch { tickers, span_ms, dry_run }
}

fn store(args: &Args, problems: &mut Problems) -> StoreConfig {
    let url = args.clickhouse_url.trim().to_owned();
    if url.is_empty() || url == "none" {
        let how = "the canonical ClickHouse, as the deduplicator has it (http://host:8123)";
        problems.add("CLICKHOUSE_URL", format_args!("not set: {how}"));
    } else {
        problems.url("CLICKHOUSE_URL", &url);
    }
    let database = args.clickhouse_database.trim().to_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if database.is_empty() || !database.bytes().all(plain) {
        let problem = format_args!("{database:?} must be letters, digits and underscores");
        problems.add("CLICKHOUSE_DATABASE", problem);
    }
    let (user, password) = (args.clickhouse_user.clone(), args.clickhouse_password.clone());
    StoreConfig { url, user, password, database }
}

/// An audit in a file that nobody else has would be none, so an absent catalog is not made here.
fn catalog(args: &Args, is_needed: bool, problems: &mut Problems) -> Option<CatalogUrl> {
    let url = args.catalog_url.trim();
    if !url.is_empty() {
        return url.parse().map_err(|why: String| problems.add("CATALOG_URL", why)).ok();
    }
    let file = args.data_dir.join("catalog.sqlite");
    if file.is_file() {
        return Some(CatalogUrl::sqlite(file));
    }
    if is_needed {
        let shown = file.display();
        problems.add("CATALOG_URL", format_args!("not set, and there is no {shown} (DATA_DIR)"));
    }
    None
}

fn rate(text: &str, problems: &mut Problems) -> u32 {
    match text.trim().parse::<u32>() {
        Ok(rate) if (1..=1_000).contains(&rate) => rate,
        _ => {
            problems.add("REST_RATE", format_args!("{text:?} is not a number from 1 to 1000"));
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const NOW: i64 = 1_786_085_188_978;

    fn config(typed: &[&str]) -> Result<Config, Vec<String>> {
        let right = ["gap-recovery", "--clickhouse-url=http://db:8123"];
        let catalog = ["--catalog-url=sqlite:x"];
        let has = typed.iter().any(|flag| flag.starts_with("--catalog-url"));
        let catalog = if has { &[][..] } else { &catalog };
        let args = Args::try_parse_from(right.iter().chain(catalog).chain(typed));
        let args = args.expect("known flags");
        Config::from_args(args, NOW)
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let typed = [
            "--clickhouse-url=",
            "--clickhouse-database=a`b",
            "--rest-url=ftp://x",
            "--rest-rate=0",
            "--gatherer-admin=east,west=http://x,west=http://y",
            "--margin=soon",
            "--by= ",
            "--catalog-url=",
            "--data-dir=/no/such",
            "trades",
            "a b",
            "--since=yesterday",
            "--state=broken",
            "--span=2026-01-02..2026-01-01",
        ];
        let args = Args::try_parse_from(["gap-recovery"].iter().chain(&typed)).expect("flags");
        let problems = Config::from_args(args, NOW).expect_err("all wrong").join("\n");
        for name in [
            "CLICKHOUSE_URL: not set",
            "CLICKHOUSE_DATABASE",
            "REST_URL",
            "REST_RATE",
            "GATHERER_ADMIN: is not a list",
            "GATHERER_ADMIN: \"west\"",
            "ADMIN_TOKEN",
            "RECOVERY_MARGIN",
            "USER",
            "CATALOG_URL",
            "HOLE",
            "--since",
            "--state",
            "--span: \"2026-01-02..2026-01-01\" ends before",
        ] {
            assert!(problems.contains(name), "{name} is not named in\n{problems}");
        }
    }

    #[test]
    fn only_a_command_that_writes_needs_a_catalog() {
        for (typed, right) in
            [(&["list"][..], true), (&["trades", "--dry-run"], true), (&["trades"], false)]
        {
            let typed = [&["--catalog-url=", "--data-dir=/no/such"], typed].concat();
            assert_eq!(config(&typed).is_ok(), right, "{typed:?}");
        }
    }

    #[test]
    fn who_names_a_hole_means_it_whatever_its_state() {
        let states = |typed: &[&str]| match config(typed).unwrap().task {
            Task::Repair { filter, .. } => filter.states.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(states(&["trades"]), 1);
        assert_eq!(states(&["trades", "KXA"]), 1);
        assert_eq!(states(&["trades", "KXA@0:7"]), 3);
        let span = config(&["trades", "KXA", "--span", "2h..1h"]).unwrap().task;
        let span_ms = (NOW - 7_200_000, NOW - 3_600_000);
        let tickers = vec!["KXA".to_owned()];
        assert_eq!(span, Task::Refetch { tickers, span_ms, dry_run: false });
    }

    #[test]
    fn a_url_with_a_password_is_refused_without_it() {
        let typed = [
            "--rest-url=https://me:hunter2@x",
            "--gatherer-admin=hunter2@x,east=http://me:hunter3@x",
            "--admin-token=t",
            "list",
        ];
        let problems = config(&typed).expect_err("wrong").join("\n");
        assert!(!problems.contains("hunter"), "{problems}");
        assert_eq!(problems.lines().count(), 3, "{problems}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = config(&["--admin-token=hunter2", "--clickhouse-password=hunter3", "list"]);
        let shown = format!("{:?}", config.unwrap());
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
