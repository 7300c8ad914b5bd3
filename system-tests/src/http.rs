//! A request to a program on this machine, as plain as it can be: for tests that look at what is answered.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A browser that starts on a busy machine is the slowest to answer.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// Header lines.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {}", self.body))
    }
}

/// `GET path`.
///
/// # Errors
/// When there is no answer.
pub async fn get(address: &str, path: &str) -> anyhow::Result<Answer> {
    ask(address, "GET", path, None).await
}

/// Any request; the body is JSON.
///
/// # Errors
/// When there is no answer, or not HTTP.
pub async fn ask(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<Answer> {
    let body = body.map_or_else(String::new, Value::to_string);
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        read(&mut stream).await
    };
    let text = tokio::time::timeout(ANSWER_MAX, asked)
        .await
        .with_context(|| format!("{address}{path} did not answer within {ANSWER_MAX:?}"))?
        .with_context(|| format!("asking {address}{path}"))?;
    let (head, body) = text.split_once("\r\n\r\n").context("an answer without an end")?;
    let code = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        code: code.context("an answer without a status")?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Up to the length that the head tells, or to the end: some servers keep the connection all the same.
async fn read(stream: &mut TcpStream) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 65_536];
        let got = stream.read(&mut piece).await?;
        bytes.extend_from_slice(&piece[..got]);
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let told = at.and_then(|at| {
            let head = String::from_utf8_lossy(&bytes[..at]).to_lowercase();
            let line = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
            Some(at + 4 + line.trim().parse::<usize>().ok()?)
        });
        if got == 0 || told.is_some_and(|end| bytes.len() >= end) {
            break;
        }
    }
    ensure!(!bytes.is_empty(), "the connection was closed without an answer");
    Ok(String::from_utf8(bytes)?)
}
