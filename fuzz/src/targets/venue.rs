//! What the exchange says, on the socket and over REST.

/// A WebSocket message of the exchange.
pub fn frame(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(exchange::decode_bytes(bytes).is_err(), "a frame that is no text");
        return;
    };
    let decoded = exchange::decode(text);
    assert_eq!(exchange::decode_bytes(bytes), decoded, "the same bytes mean the same");
    if let Ok(frame) = decoded {
        let peeked = exchange::peek_envelope(text).map(|peeked| peeked.seq);
        assert_eq!(peeked, Some(frame.seq), "whoever looks at the envelope only sees the same");
    }
}

/// A body of the exchange's REST interface.
pub fn rest(bytes: &[u8]) {
    let Ok(body) = std::str::from_utf8(bytes) else { return };
    drop(exchange::rest::exchange_status(body));
    drop(exchange::rest::markets_page(body));
    drop(exchange::rest::market(body));
    drop(exchange::rest::trades_page(body));
    drop(exchange::rest::orderbook(body).map(exchange::rest::RestBook::to_yes_leg));
    drop(exchange::rest::orderbooks(body));
    for status in [200, 400, 401, 404, 429, 500, 503] {
        drop(exchange::RestError::of(status, body).to_string());
    }
    drop(exchange::rest_error_text(body));
}
