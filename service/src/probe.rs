//! `PROGRAM health`: asks the running program how it is, for containers, systemd and people. It starts nothing.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::Value;

/// An answer longer than this is not ours.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Asks the running program how it is.
///
/// Exit codes: 0 ok or degraded (with --strict: ok only; with --ready: ready), 1 not so or no answer, 64 told wrong
/// things.
#[derive(Parser, Debug)]
struct Args {
    /// Where the running program serves /health.
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080")]
    http_addr: SocketAddr,

    /// The running program's port file; tells the port where HTTP_ADDR leaves it to the system.
    #[arg(long, env = "PORT_FILE", default_value = "")]
    port_file: OsString,

    /// Fail when it is degraded, too.
    #[arg(long)]
    strict: bool,

    /// Ask /ready, as a load balancer does, in place of /health.
    #[arg(long)]
    ready: bool,

    /// Seconds to wait for the answer.
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout_seconds: u64,
}

/// What was answered.
#[derive(PartialEq, Debug)]
struct Answer {
    status: u16,
    body: String,
}

/// If the first argument is `health`: asks, prints, and gives the exit code. Else `None`.
pub fn asked(program: &'static str, args: &[OsString]) -> Option<ExitCode> {
    if args.get(1).is_none_or(|word| word != "health") {
        return None;
    }
    let own = std::iter::once(OsString::from(format!("{program} health")));
    let args = match Args::try_parse_from(own.chain(args.iter().skip(2).cloned())) {
        Ok(args) => args,
        Err(told) => {
            let code = if told.use_stderr() { crate::exit::TOLD_WRONG } else { 0 };
            told.print().unwrap_or_default();
            return Some(ExitCode::from(code));
        }
    };
    let (line, is_well) = match args.ask() {
        Ok(answer) => args.judge(&answer),
        Err(error) => (format!("no answer: {error:#}"), false),
    };
    // A closed pipe must not turn a healthy program into a failed check.
    writeln!(io::stdout().lock(), "{line}").unwrap_or_default();
    Some(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    fn ask(&self) -> anyhow::Result<Answer> {
        let limit = Duration::from_secs(self.timeout_seconds);
        let addr = self.address()?;
        let path = if self.ready { "/ready" } else { "/health" };
        let asked = || -> io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect_timeout(&addr, limit)?;
            stream.set_read_timeout(Some(limit))?;
            stream.set_write_timeout(Some(limit))?;
            // 1.0: the answer ends with the connection and comes in one piece.
            write!(stream, "GET {path} HTTP/1.0\r\nhost: {addr}\r\n\r\n")?;
            let mut bytes = Vec::new();
            stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = asked().with_context(|| format!("http://{addr}{path}"))?;
        parse(&bytes).with_context(|| format!("http://{addr}{path} does not speak HTTP"))
    }

    fn address(&self) -> anyhow::Result<SocketAddr> {
        let mut addr = self.http_addr;
        if addr.port() == 0 {
            let path = Path::new(&self.port_file).display();
            let text = fs::read_to_string(&self.port_file).with_context(|| {
                format!("HTTP_ADDR names no port, and the port file {path:?} cannot be read")
            })?;
            let ports: Value =
                serde_json::from_str(&text).with_context(|| format!("{path} is not JSON"))?;
            let told = ports["http"].as_str().and_then(|told| told.parse().ok());
            addr = told.with_context(|| format!("{path} tells no address of `http`"))?;
        }
        // "Every address of this machine" is none that can be dialled.
        match addr.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Ok(addr)
    }

    /// The line to print, and whether the answer is a good one.
    fn judge(&self, answer: &Answer) -> (String, bool) {
        if self.ready {
            let said = answer.body.lines().next().unwrap_or_default();
            return (said.to_owned(), answer.status == 200);
        }
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let Some(word) = body["status"].as_str() else {
            return (format!("/health answered {} without a status", answer.status), false);
        };
        let reasons: Vec<&str> =
            body["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let line = match reasons.is_empty() {
            true => word.to_owned(),
            false => format!("{word}: {}", reasons.join("; ")),
        };
        let is_well = match word {
            "ok" => true,
            "degraded" => !self.strict,
            _ => false,
        };
        (line, is_well && answer.status == 200)
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<Answer> {
    let text = std::str::from_utf8(bytes).context("the answer is not text")?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { bail!("the answer has no end") };
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    Ok(Answer { status: status.context("the answer has no status")?, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: &[&str], status: u16, body: &str, line: &str, is_well: bool) {
        let args = Args::parse_from(["health"].iter().chain(flags));
        let answer = Answer { status, body: body.to_owned() };
        assert_eq!(args.judge(&answer), (line.to_owned(), is_well), "{flags:?} {body}");
    }

    #[test]
    fn degraded_is_well_unless_asked_strictly_and_down_never_is() {
        let degraded = r#"{"status":"degraded","reasons":["west is not connected","slow"]}"#;
        check(&[], 200, r#"{"status":"ok","reasons":[]}"#, "ok", true);
        check(&[], 200, degraded, "degraded: west is not connected; slow", true);
        check(&["--strict"], 200, degraded, "degraded: west is not connected; slow", false);
        check(&[], 503, r#"{"status":"down","reasons":["x"]}"#, "down: x", false);
        check(&[], 200, "hello", "/health answered 200 without a status", false);
        check(&["--ready"], 200, "ready\n", "ready", true);
        check(&["--ready"], 503, "no gatherer is connected\n", "no gatherer is connected", false);
    }

    #[test]
    fn an_address_of_the_whole_machine_is_asked_on_the_loopback() {
        let at = |addr: &str| {
            Args::parse_from(["health", "--http-addr", addr]).address().expect("a port is given")
        };
        assert_eq!(at("0.0.0.0:8080").to_string(), "127.0.0.1:8080");
        assert_eq!(at("[::]:8080").to_string(), "[::1]:8080");
        assert_eq!(at("10.0.0.1:80").to_string(), "10.0.0.1:80");
    }

    #[test]
    fn an_answer_is_taken_apart_and_garbage_is_refused() {
        let answer = parse(b"HTTP/1.0 503 Service Unavailable\r\na: b\r\n\r\n{}").expect("HTTP");
        assert_eq!(answer, Answer { status: 503, body: "{}".to_owned() });
        assert!(parse(b"SSH-2.0-OpenSSH\r\n").is_err());
        assert!(parse(b"\xff\xfe\r\n\r\n").is_err());
    }

    #[test]
    fn the_port_comes_from_the_port_file_where_the_system_chose_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ports.json");
        std::fs::write(&file, r#"{"http":"127.0.0.1:4711"}"#).unwrap();
        let file = file.display().to_string();
        let flags = ["health", "--http-addr", "127.0.0.1:0", "--port-file", &file];
        assert_eq!(Args::parse_from(flags).address().unwrap().port(), 4711);
        let missing = Args::parse_from(["health", "--http-addr", "127.0.0.1:0"]).address();
        assert!(missing.unwrap_err().to_string().contains("port file"));
    }

    #[test]
    fn only_the_word_health_asks() {
        assert!(asked("p", &["p".into(), "--help".into()]).is_none());
        assert!(asked("p", &["p".into()]).is_none());
    }
}
