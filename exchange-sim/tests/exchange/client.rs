//! A client that signs, subscribes, and rebuilds the books it is told.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Message, client::IntoClientRequest as _, handshake::client::Request,
        http::HeaderValue,
    },
};

use crate::world::{LIMIT, Levels, World};

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Every text frame so far, as it came.
    pub(crate) frames: Vec<String>,
    pub(crate) pings: Vec<Vec<u8>>,
}

/// What ended a connection, or the next text.
#[derive(Debug)]
pub(crate) enum Heard {
    Text(String),
    Closed,
    Reset,
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

pub(crate) fn request(
    url: &str,
    (key_id, agent): (&str, &str),
    at_ms: i64,
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> Request {
    let mut request = url.into_client_request().unwrap();
    let signature = STANDARD.encode(sign(format!("{at_ms}GET/trade-api/ws/v2").as_bytes()));
    for (name, value) in [
        ("kalshi-access-key", key_id),
        ("kalshi-access-timestamp", &at_ms.to_string()),
        ("kalshi-access-signature", &signature),
        ("user-agent", agent),
    ] {
        request.headers_mut().insert(
            tungstenite::http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    request
}

impl Client {
    pub(crate) async fn connect(world: &World, agent: &str) -> Self {
        Self::try_connect(world, agent).await.unwrap()
    }

    pub(crate) async fn try_connect(
        world: &World,
        agent: &str,
    ) -> Result<Self, tungstenite::Error> {
        let url = format!("ws://{}/trade-api/ws/v2", world.address);
        let sign = |text: &[u8]| world.key.sign(text).as_ref().to_vec();
        let (socket, _) = connect_async(request(&url, ("key", agent), now_ms(), sign)).await?;
        Ok(Self { socket, frames: Vec::new(), pings: Vec::new() })
    }

    pub(crate) async fn send(&mut self, command: Value) {
        self.send_text(&command.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: u64, channels: &[&str], tickers: &[String]) {
        let mut params = json!({"channels": channels, "use_yes_price": true});
        if !tickers.is_empty() {
            params["market_tickers"] = json!(tickers);
        }
        self.send(json!({"id": id, "cmd": "subscribe", "params": params})).await;
    }

    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            let next = tokio::time::timeout(LIMIT, self.socket.next()).await;
            match next.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => {
                    self.frames.push(text.to_string());
                    return Heard::Text(text.to_string());
                }
                Some(Ok(Message::Ping(payload))) => self.pings.push(payload.to_vec()),
                Some(Ok(Message::Close(_))) => return Heard::Closed,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Reset,
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        match self.hear().await {
            Heard::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} after {:?}", self.frames.last()),
        }
    }

    /// Reads on until a frame is as wanted.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }

    pub(crate) async fn answer(&mut self, id: u64) -> Value {
        self.until(|frame| frame["id"] == id).await
    }

    /// Reads until nothing more can come (the exchange is paused): a list command's answer is last.
    pub(crate) async fn settle(&mut self) {
        self.send(json!({"id": 999_999, "cmd": "list_subscriptions"})).await;
        self.answer(999_999).await;
    }

    pub(crate) fn values(&self) -> Vec<Value> {
        self.frames.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }
}

/// The books that frames lead to: ticker to (clock, levels, prices as sent).
pub(crate) fn rebuild(frames: &[Value]) -> BTreeMap<String, (i64, Levels)> {
    let mut books: BTreeMap<String, (i64, Levels)> = BTreeMap::new();
    for frame in frames {
        let msg = &frame["msg"];
        let kind = frame["type"].as_str().unwrap();
        if !kind.starts_with("orderbook") {
            continue;
        }
        let (clock, levels) =
            books.entry(msg["market_ticker"].as_str().unwrap().to_owned()).or_default();
        let told = msg["clock"].as_i64().unwrap_or(-1);
        if kind == "orderbook_snapshot" {
            *levels = levels_of(msg);
        } else {
            assert!(told >= *clock, "a clock fell: {frame}");
            let key = (msg["side"].as_str().unwrap().to_owned(), scaled(&msg["price_dollars"], 4));
            *levels.entry(key).or_default() += scaled(&msg["delta_fp"], 2);
        }
        *clock = told;
        levels.retain(|_, total| *total != 0);
    }
    books
}

pub(crate) fn levels_of(msg: &Value) -> Levels {
    let mut levels = Levels::new();
    for side in ["yes", "no"] {
        for level in msg[format!("{side}_dollars_fp")].as_array().into_iter().flatten() {
            levels.insert((side.to_owned(), scaled(&level[0], 4)), scaled(&level[1], 2));
        }
    }
    levels
}

/// An exact decimal as an integer; its places must be as many as the exchange writes.
pub(crate) fn scaled(value: &Value, places: usize) -> i64 {
    let text = value.as_str().unwrap();
    let (whole, fraction) = text.split_once('.').unwrap();
    assert_eq!(fraction.len(), places, "{text}");
    format!("{whole}{fraction}").parse().unwrap()
}

/// `seq` of every frame of a sid, in the order of arrival.
pub(crate) fn seqs(frames: &[Value], sid: u64) -> Vec<u64> {
    let mine = frames.iter().filter(|frame| frame["sid"] == sid);
    mine.filter_map(|frame| frame["seq"].as_u64()).collect()
}
