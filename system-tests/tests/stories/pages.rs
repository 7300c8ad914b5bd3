//! docs/metrics.md and docs/logging.md say what the code says, no more and no less.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use service::metrics::{Kind, Metric};

/// Crates that are part of a running gatherer or deduplicator.
const CRATES: [&str; 12] = [
    "catalog",
    "clickhouse-dev",
    "deduplicator",
    "exchange",
    "failpoint",
    "gatherer",
    "merge",
    "proto",
    "schema",
    "service",
    "spool",
    "store",
];

const METRICS_HEAD: &str = "\
# Metrics

Both programs serve Prometheus text on `GET /metrics` at METRICS_ADDR (port 9090 unless set). The tables are made of the
lists in the code (`*/src/exported.rs`, `service/src/metrics.rs`): `METRICS_PAGE=write cargo test -p system-tests --test
stories metrics_page` writes them again, and without the variable that test fails when they differ. Another test
scrapes a running gatherer and deduplicator and compares both ways: nothing is exported that does not stand here, and
nothing stands here that is not exported.

Rules: a name ends in its unit or in `_total`; a metric has at most one label; no label's values come from the feed (no
market is a label: ask ClickHouse, `lane_minutes`, or the status page). Counters of the merge are part of its state and go
on after a restart; all others begin at 0 with the process. A counter whose labels are fixed stands at 0 from the start,
so that `increase()` sees its first step.
";

fn lists() -> [(&'static str, &'static [Metric]); 4] {
    [
        ("Both programs: the process", service::metrics::METRICS),
        ("Both programs: the ClickHouse sink", store::METRICS),
        ("Gatherer", gatherer::METRICS),
        ("Deduplicator", deduplicator::METRICS),
    ]
}

#[test]
fn the_metrics_page_is_made_of_the_lists() {
    let mut page = METRICS_HEAD.to_owned();
    for (title, list) in lists() {
        write!(page, "\n## {title}\n\n| metric | type | label | says |\n|---|---|---|---|\n")
            .expect("text");
        for Metric { name, kind, label, help, .. } in list {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let label = label.map_or_else(String::new, |(label, values)| match values {
                [] => format!("`{label}`"),
                values => format!("`{label}`: {}", values.join(", ")),
            });
            writeln!(page, "| `{name}` | {kind} | {label} | {help} |").expect("text");
        }
    }
    let path = root().join("docs/metrics.md");
    #[expect(clippy::disallowed_methods, reason = "a way to write the page again")]
    if std::env::var("METRICS_PAGE").is_ok_and(|what| what == "write") {
        fs::write(&path, &page).expect("docs can be written");
    }
    let written = fs::read_to_string(&path).expect("the page exists");
    for (line, (is, should)) in written.lines().zip(page.lines()).enumerate() {
        assert_eq!(is, should, "docs/metrics.md line {}: METRICS_PAGE=write mends it", line + 1);
    }
    assert_eq!(written.lines().count(), page.lines().count(), "METRICS_PAGE=write mends it");
}

#[test]
fn every_metric_of_the_lists_is_set_and_every_metric_that_is_set_is_listed() {
    let listed: BTreeSet<&str> =
        lists().iter().flat_map(|(_, list)| list.iter().map(|metric| metric.name)).collect();
    assert_eq!(
        listed.len(),
        lists().iter().map(|(_, list)| list.len()).sum::<usize>(),
        "a name twice"
    );
    let mut named = BTreeSet::new();
    for (path, code) in sources() {
        // The lists themselves prove nothing.
        if path.ends_with("exported.rs") {
            continue;
        }
        let code = code.split("pub const METRICS").next().unwrap_or_default().to_owned()
            + code
                .split_once("\n];\n")
                .filter(|_| code.contains("pub const METRICS"))
                .map_or("", |(_, rest)| rest);
        for text in code.split('"') {
            if listed.contains(text) {
                named.insert(text.to_owned());
            }
        }
        for kind in ["counter!(", "gauge!(", "histogram!("] {
            for rest in code.split(kind).skip(1) {
                let name =
                    rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                let Some(name) = name else { continue };
                assert!(listed.contains(name), "{}: {name} is in no list", path.display());
            }
        }
    }
    let unset: Vec<_> = listed.iter().filter(|name| !named.contains(**name)).collect();
    assert!(unset.is_empty(), "listed and never set: {unset:?}");
}

#[test]
fn names_follow_the_rules() {
    for metric in lists().iter().flat_map(|(_, list)| list.iter()) {
        let Metric { name, kind, .. } = metric;
        let is_total = name.ends_with("_total");
        assert_eq!(is_total, *kind == Kind::Counter, "{name}");
        // Set by the configuration, the build or the code.
        let bounded = ["connection", "gatherer", "version", "dataset"];
        let is_bounded =
            |(label, values): (&str, &[&str])| !values.is_empty() || bounded.contains(&label);
        assert!(metric.label.is_none_or(is_bounded), "{name}: what bounds its label?");
    }
}

/// What the code says about an event: its levels and components.
type Events = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_logging_page_has_every_event_with_its_levels() {
    let page = fs::read_to_string(root().join("docs/logging.md")).expect("the page exists");
    let mut told = Events::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let levels = cells[2].split(", ").map(str::to_owned).collect();
        told.insert(cells[1].trim_matches('`').to_owned(), levels);
    }
    told.remove("library").expect("the page tells what other libraries' lines are");
    // The table of settings stands in front of that of events.
    told.retain(|name, _| name.starts_with(|c: char| c.is_ascii_lowercase()));
    let said = events();
    let missing: Vec<_> = said.keys().filter(|event| !told.contains_key(*event)).collect();
    assert!(missing.is_empty(), "docs/logging.md lacks {missing:?}");
    for (event, levels) in &told {
        assert_eq!(said.get(event), Some(levels), "docs/logging.md on {event}");
    }
}

/// Every event that the code can log; asserts that each call names its component and event.
fn events() -> Events {
    let mut events = Events::new();
    for (path, code) in sources() {
        for level in ["trace", "debug", "info", "warn", "error"] {
            for rest in code.split(&format!("tracing::{level}!(")).skip(1) {
                let call = until_closed(rest);
                let word = |name: &str| {
                    let rest = call.split_once(&format!("{name} = \""))?.1;
                    Some(rest.split('"').next()?.to_owned())
                };
                let said = (word("component"), word("event"));
                let (Some(_), Some(event)) = said else {
                    panic!("{}: a log line without component or event: {call}", path.display());
                };
                events.entry(event).or_default().insert(level.to_uppercase());
            }
        }
    }
    assert!(events.len() > 40, "the code was not read: {events:?}");
    events
}

/// The text up to the parenthesis that closes the one before it.
fn until_closed(rest: &str) -> &str {
    let (mut depth, mut is_text, mut is_escaped) = (1, false, false);
    for (at, c) in rest.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &rest[..at];
        }
    }
    rest
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// Production code of the programs, tests cut off.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for name in CRATES {
        read(&root().join(name).join("src"), &mut found);
    }
    assert!(found.len() > 100, "only {} files were found", found.len());
    found
}

fn read(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && name != "tests" {
            read(&path, found);
        } else if name.ends_with(".rs") && !name.contains("tests") {
            let code = fs::read_to_string(&path).expect("readable");
            let code = code.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            found.push((path, code));
        }
    }
}
