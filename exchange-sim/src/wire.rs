//! WebSocket frames as bytes: what the server writes, and what it reads from a client.
//!
//! Written by hand, since faults must be able to damage, split and withhold exactly these bytes.

/// A client's message may not be longer: ten thousand tickers fit many times.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

pub(crate) fn push_text(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, TEXT, payload);
}

pub(crate) fn push_ping(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, PING, payload);
}

pub(crate) fn push_pong(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, PONG, payload);
}

pub(crate) fn push_close(out: &mut Vec<u8>, code: u16) {
    push(out, CLOSE, &code.to_be_bytes());
}

fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..126 => out.push(short as u8),
        middle @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// One message of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// Why a client's bytes cannot be read on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadFrame {
    #[error("a client frame without a mask")]
    Unmasked,
    #[error("a message longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    #[error("an opcode or flag that is not known: {0:#04x}")]
    Unknown(u8),
    #[error("text that is not UTF-8")]
    NotText,
}

/// Collects a client's bytes until messages are whole.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    /// Fragments of a message whose last frame has not come.
    message: Vec<u8>,
}

impl Decoder {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, BadFrame> {
        while let Some((first, payload)) = self.frame()? {
            let is_last = first & 0x80 != 0;
            match first & 0x7F {
                0 | TEXT | BINARY => {
                    self.message.extend_from_slice(&payload);
                    if self.message.len() > MESSAGE_BYTES_MAX {
                        return Err(BadFrame::TooLong);
                    }
                    if is_last {
                        let message = std::mem::take(&mut self.message);
                        let text = String::from_utf8(message).map_err(|_| BadFrame::NotText)?;
                        return Ok(Some(Incoming::Text(text)));
                    }
                }
                CLOSE => return Ok(Some(Incoming::Close)),
                PING => return Ok(Some(Incoming::Ping(payload))),
                PONG => return Ok(Some(Incoming::Pong)),
                _ => return Err(BadFrame::Unknown(first)),
            }
        }
        Ok(None)
    }

    /// First byte and unmasked payload of the next whole frame.
    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, BadFrame> {
        let [first, second, ..] = self.bytes[..] else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(BadFrame::Unmasked);
        }
        let extended = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let header = 2 + extended + 4;
        if self.bytes.len() < header {
            return Ok(None);
        }
        let length = match extended {
            0 => u64::from(second & 0x7F),
            _ => {
                self.bytes[2..2 + extended].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
            }
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= MESSAGE_BYTES_MAX);
        let length = length.ok_or(BadFrame::TooLong)?;
        if self.bytes.len() < header + length {
            return Ok(None);
        }
        let mask = &self.bytes[header - 4..header];
        let masked = self.bytes[header..header + length].iter().zip(mask.iter().cycle());
        let payload = masked.map(|(byte, mask)| byte ^ mask).collect();
        self.bytes.drain(..header + length);
        Ok(Some((first, payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x12, 0x34, 0x56, 0x78];
        let mut bytes = vec![first];
        if payload.len() < 126 {
            bytes.push(0x80 | payload.len() as u8);
        } else {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        bytes.extend_from_slice(&mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    #[test]
    fn messages_are_read_however_the_bytes_arrive() {
        let long = "x".repeat(300);
        let mut bytes = masked(0x81, b"hello");
        bytes.extend(masked(0x01, b"two "));
        bytes.extend(masked(0x89, b"ping"));
        bytes.extend(masked(0x80, b"parts"));
        bytes.extend(masked(0x81, long.as_bytes()));
        bytes.extend(masked(0x88, &[]));
        let expected = [
            Incoming::Text("hello".to_owned()),
            Incoming::Ping(b"ping".to_vec()),
            Incoming::Text("two parts".to_owned()),
            Incoming::Text(long),
            Incoming::Close,
        ];
        for step in [1, 3, 7, 1000] {
            let (mut decoder, mut heard) = (Decoder::default(), Vec::new());
            for chunk in bytes.chunks(step) {
                decoder.feed(chunk);
                while let Some(message) = decoder.next().unwrap() {
                    heard.push(message);
                }
            }
            assert_eq!(heard, expected, "step {step}");
        }
    }

    #[test]
    fn what_a_client_may_not_send_is_refused() {
        for (bytes, expected) in [
            (vec![0x81, 0x01, b'a'], BadFrame::Unmasked),
            (masked(0x83, b"a"), BadFrame::Unknown(0x83)),
            (masked(0x81, &[0xFF]), BadFrame::NotText),
            (vec![0x81, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4], BadFrame::TooLong),
        ] {
            let mut decoder = Decoder::default();
            decoder.feed(&bytes);
            assert_eq!(decoder.next(), Err(expected));
        }
    }
}
