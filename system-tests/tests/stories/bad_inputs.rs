//! What is told wrong is answered with one clear line and the right exit code, and nothing half-made.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use system_tests::Story;

use crate::{PROGRAMS, market};

/// What cannot work is noticed at once; a program that tries for long is not clear.
const ENDED_MAX: Duration = Duration::from_secs(25);
/// A program that is right to wait still does so after this.
const GOES_ON: Duration = Duration::from_secs(4);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How a start ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

/// Starts a hosted program with these settings and waits for its end.
pub(crate) fn start(
    hosted: &str,
    args: &[&str],
    settings: &[(&str, &str)],
    folder: &Path,
) -> Ended {
    start_for(ENDED_MAX, hosted, args, settings, folder)
}

fn start_for(
    limit: Duration,
    hosted: &str,
    args: &[&str],
    settings: &[(&str, &str)],
    folder: &Path,
) -> Ended {
    let mut command = Command::new(PROGRAMS);
    command.arg(hosted).args(args).env_clear().current_dir(folder);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(settings.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the programs' binary starts");
    // Held open: a hosted program whose parent is gone ends itself.
    let stdin = child.stdin.take();
    for _ in 0..limit.as_millis() / LOOK_AGAIN.as_millis() {
        if child.try_wait().expect("it can be asked").is_some() {
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    // No matter if it has ended: one that has not is to be seen by its lack of a code.
    child.kill().unwrap_or_default();
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    let said = [output.stdout, output.stderr].concat();
    Ended { code: output.status.code(), said: String::from_utf8_lossy(&said).into_owned() }
}

/// The lines that are neither of the log, which has the time in front, nor of progress.
fn complaints(said: &str) -> Vec<&str> {
    let is_log = |line: &str| {
        line.starts_with(|first: char| first.is_ascii_digit()) || line.starts_with("fetching ")
    };
    said.lines().filter(|line| !line.trim().is_empty() && !is_log(line)).collect()
}

/// What is not as it must be, if anything.
fn check(what: &str, ended: &Ended, codes: &[i32], named: &str) -> Option<String> {
    let Ended { code, said } = ended;
    let complaints = complaints(said);
    let waits = codes.is_empty();
    let problem = if code.map_or(!waits, |code| !codes.contains(&code)) {
        format!("ended with {code:?}")
    } else if said.contains("panicked") || !waits && complaints.len() != 1 {
        "not one clear line".to_owned()
    } else if !(complaints.iter().any(|line| line.contains(named)) || waits && said.contains(named))
    {
        format!("{named} is not named")
    } else {
        return None;
    };
    Some(format!("{what}: {problem}:\n{said}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gatherer_says_in_one_line_what_is_wrong() -> anyhow::Result<()> {
    let story = Story::of(PROGRAMS, market(18), 1, |_| ()).await?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("nonsense.pem"), "this is no key\n")?;
    fs::write(path("file"), "")?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.to_string();
    let right = story.fleet.sim()?.settings("east");
    // What is changed, how it may end, and what the line must name.
    let (no_key, bad_key, under_file) = (path("no.pem"), path("nonsense.pem"), path("file/under"));
    let rows: [(&str, &str, &[i32], &str); 7] = [
        ("PROD_KEYFILE", &no_key, &[1, 64], "no.pem"),
        ("PROD_KEYFILE", &bad_key, &[1, 64], "nonsense.pem"),
        ("PROD_KEYID", "", &[64], "PROD_KEYID"),
        ("WS_URL", "https://127.0.0.1:1/x", &[64], "WS_URL"),
        ("HTTP_ADDR", &taken, &[1], "HTTP_ADDR"),
        ("DATA_DIR", &under_file, &[1, 64], "file/under"),
        ("MARKET_TICKERS", "NOSUCH-MARKET", &[1, 64], "NOSUCH-MARKET"),
    ];
    // Who may come back is waited for, and said: a capture must outlive its exchange and its store.
    let waits = [
        ("REST_URL", "http://127.0.0.1:1/trade-api/v2", "http://127.0.0.1:1"),
        ("CLICKHOUSE_URL", "http://127.0.0.1:1", "connection_refused"),
    ];
    let waits = waits.map(|(key, value, named)| (key, value, &[][..], named));
    let mut problems = String::new();
    for (key, value, codes, named) in rows.into_iter().chain(waits) {
        let data = path("data");
        let mut settings: Vec<(&str, &str)> = vec![
            ("DATA_DIR", &data),
            ("CLICKHOUSE_URL", "none"),
            ("GRPC_ADDR", "127.0.0.1:0"),
            ("HTTP_ADDR", "127.0.0.1:0"),
            ("METRICS_ADDR", "127.0.0.1:0"),
        ];
        settings.extend(right.iter().map(|(key, value)| (*key, value.as_str())));
        settings.retain(|(name, _)| *name != key);
        settings.push((key, value));
        let limit = if codes.is_empty() { GOES_ON } else { ENDED_MAX };
        let ended = start_for(limit, "__gatherer", &[], &settings, folder.path());
        problems.extend(check(&format!("{key}={value}"), &ended, codes, named));
    }
    story.fleet.stop().await?;
    assert!(problems.is_empty(), "{problems}");
    Ok(())
}

#[test]
fn the_deduplicator_and_the_engine_say_in_one_line_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("file"), "").expect("a file");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    let (data, under_file) = (path("data"), path("file/under"));
    let rows: [(&str, &str, &[i32], &str); 5] = [
        ("GATHERERS", "", &[64], "GATHERERS"),
        ("GATHERERS", "east,west=http://127.0.0.1:1", &[64], "east"),
        ("HTTP_ADDR", &taken, &[1], &taken),
        ("DATA_DIR", &under_file, &[1, 64], "file/under"),
        ("CLICKHOUSE_URL", "http://127.0.0.1:1", &[1], "127.0.0.1:1"),
    ];
    let mut problems = String::new();
    for (key, value, codes, named) in rows {
        let mut settings = vec![
            ("GATHERERS", "east=http://127.0.0.1:1"),
            ("DATA_DIR", data.as_str()),
            ("CLICKHOUSE_URL", "http://127.0.0.1:1"),
            ("HTTP_ADDR", "127.0.0.1:0"),
            ("METRICS_ADDR", "127.0.0.1:0"),
        ];
        settings.retain(|(name, _)| *name != key);
        settings.push((key, value));
        let ended = start("__deduplicator", &[], &settings, folder.path());
        problems.extend(check(&format!("{key}={value}"), &ended, codes, named));
    }

    let (cache, missing) = (path("cache"), path("no.pem"));
    let no_npm = [("PATH", "/nonexistent"), ("HOME", folder.path().to_str().unwrap_or_default())];
    let args = ["--listen", "127.0.0.1:0", "--cache", &cache];
    let ended = start("__clickhouse", &args, &no_npm, folder.path());
    problems.extend(check("no npm", &ended, &[1], "npm"));
    let args = ["--listen", "127.0.0.1:0", "--public-key", &missing];
    let ended = start("__exchange-sim", &args, &[], folder.path());
    problems.extend(check("the simulator's key", &ended, &[64], "no.pem"));
    assert!(problems.is_empty(), "{problems}");
    let args = ["--replay", &missing, "--public-key", &missing];
    let ended = start("__exchange-sim", &args, &[], folder.path());
    assert_eq!((ended.code, complaints(&ended.said).len()), (Some(64), 2), "{}", ended.said);
}

/// The lines of a JSON log.
fn json_lines(said: &str) -> Vec<serde_json::Value> {
    said.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Whether it is the last word of a program.
fn check_last(line: &serde_json::Value, event: &str) {
    assert!(line["ts"].as_str().is_some_and(|ts| ts.ends_with('Z')), "{line}");
    assert_eq!((&line["level"], &line["component"]), (&"ERROR".into(), &"program".into()));
    assert_eq!(line["event"], event, "{line}");
}

#[test]
fn what_ends_a_program_is_a_line_of_its_json_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = ("LOG_FORMAT", "json");
    let refused = |ended: &Ended, named: &[&str]| {
        let lines = json_lines(&ended.said);
        assert_eq!((ended.code, lines.len()), (Some(64), named.len()), "{}", ended.said);
        lines.iter().for_each(|line| check_last(line, "settings_refused"));
        for name in named {
            assert!(lines.iter().any(|line| line["problem"].to_string().contains(name)), "{name}");
        }
    };
    refused(&start("__deduplicator", &[], &[json], folder.path()), &["GATHERERS"]);
    refused(&start("__gatherer", &["--nonsense", "1"], &[json], folder.path()), &["--nonsense"]);
    let flags = ["--log-format=json", "--batch-rows=0", "--hole-wait=never"];
    let settings = [("GATHERERS", "x,west=http://127.0.0.1:1")];
    let names = ["GATHERERS", "BATCH_ROWS", "--hole-wait"];
    refused(&start("__deduplicator", &flags, &settings, folder.path()), &names);

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (data, logs) = (path("data"), path("logs"));
    let settings: [(&str, &str); 8] = [
        json,
        ("LOG_LEVEL", "off"),
        ("LOG_DIR", &logs),
        ("GATHERERS", "east=http://127.0.0.1:1"),
        ("DATA_DIR", &data),
        ("HTTP_ADDR", &taken),
        ("METRICS_ADDR", "127.0.0.1:0"),
        ("CLICKHOUSE_URL", "http://127.0.0.1:1"),
    ];
    let ended = start("__deduplicator", &[], &settings, folder.path());
    let file = fs::read_dir(&logs).expect("LOG_DIR").next().expect("a file").expect("readable");
    let written = fs::read_to_string(file.path()).expect("text");
    // The console was told to be silent; the last word is said nevertheless, and once.
    assert_eq!((ended.code, ended.said.lines().count()), (Some(1), 1), "{}", ended.said);
    for last in [&ended.said, &written].map(|text| json_lines(text).pop().expect("a line")) {
        check_last(&last, "failed");
        assert!(last["error"].to_string().contains(&taken), "{last}");
    }
}
