//! The capture record: its bytes never change, it survives the way there and back, and nothing else passes for it.

use proptest::prelude::*;
use proto::{BadCapture, Capture, Stamp};

const STAMP: Stamp = Stamp { wall_ns: 0x0102_0304_0506_0708, mono_ns: 0x1112_1314_1516_1718 };
const SESSION: u64 = 3 << 32 | 7;

fn one_of_each() -> Vec<Capture<'static>> {
    vec![
        Capture::SessionOpened { session: SESSION, stamp: STAMP, about: "{}" },
        Capture::Frame { session: SESSION, stamp: STAMP, bytes: b"{\"type\":\"ok\"}\n" },
        Capture::SessionClosed { session: SESSION, stamp: STAMP, reason: "cut" },
        Capture::Status { stamp: STAMP, exchange_active: false, trading_active: true },
    ]
}

fn encoded(capture: &Capture<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    capture.encode(&mut bytes);
    bytes
}

#[test]
fn version_1_bytes_never_change() {
    let all: Vec<u8> = one_of_each().iter().flat_map(encoded).collect();
    let fixture = include_bytes!("fixtures/v1/one_of_each.bin");
    assert_eq!(all, fixture, "released programs wrote these bytes; a new layout is a new version");
}

#[test]
fn polled_books_have_a_kind_of_their_own_since_the_first_poller() {
    let books = Capture::RestBooks { stamp: STAMP, body: "{}" };
    let drawn = b"\x01\x05\0\0\0\0\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01\
                  \x18\x17\x16\x15\x14\x13\x12\x11\x02\0\0\0{}";
    assert_eq!(encoded(&books), drawn);
    assert_eq!(Capture::decode(drawn), Ok(books));
}

#[test]
fn the_drawing_holds() {
    let frame = Capture::Frame { session: SESSION, stamp: STAMP, bytes: b"123456789" };
    let drawn = b"\x01\x02\x07\0\0\0\x03\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01\
                  \x18\x17\x16\x15\x14\x13\x12\x11\x09\0\0\x00123456789";
    assert_eq!(encoded(&frame), drawn);
}

/// Found by the fuzz target `capture`: a record must have one form only.
#[test]
fn what_belongs_to_no_session_names_none() {
    let status = Capture::Status { stamp: STAMP, exchange_active: true, trading_active: true };
    for capture in [status, Capture::RestBooks { stamp: STAMP, body: "{}" }] {
        let mut bytes = encoded(&capture);
        bytes[9] = 8;
        let kind = bytes[1];
        assert_eq!(Capture::decode(&bytes), Err(BadCapture::Session { kind, session: 8 << 56 }));
    }
}

#[test]
fn every_cut_and_every_surplus_is_refused() {
    for capture in one_of_each() {
        let mut bytes = encoded(&capture);
        for cut in 0..bytes.len() {
            let read = Capture::decode(&bytes[..cut]);
            assert!(matches!(read, Err(BadCapture::Cut { .. })), "{capture:?} cut at {cut}");
        }
        bytes.push(0);
        assert_eq!(Capture::decode(&bytes), Err(BadCapture::Trailing { extra: 1 }));
    }
}

#[test]
fn what_we_do_not_know_is_refused_by_name() {
    let with = |at: usize, byte: u8| {
        let mut bytes = encoded(&one_of_each()[3]);
        bytes[at] = byte;
        Capture::decode(&bytes).expect_err("must be refused").to_string()
    };
    assert_eq!(with(0, 2), "a record has version 2, we read version 1");
    assert_eq!(with(1, 9), "a record has kind 9, we know 1 to 5");
    assert_eq!(with(29, 1), "a record has 16777217 bytes, the limit is 4194304");
    assert_eq!(with(30, 4), "the body of a status is [4], it must be one byte from 0 to 3");
    let mut opened = encoded(&one_of_each()[0]);
    opened[30] = 0xff;
    assert_eq!(Capture::decode(&opened), Err(BadCapture::NotText("about")));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        kind in 0..5, session: u64, wall_ns: i64, mono_ns: u64, bytes: Vec<u8>, text: String, a: bool, b: bool,
    ) {
        let stamp = Stamp { wall_ns, mono_ns };
        let capture = match kind {
            0 => Capture::SessionOpened { session, stamp, about: &text },
            1 => Capture::Frame { session, stamp, bytes: &bytes },
            2 => Capture::SessionClosed { session, stamp, reason: &text },
            3 => Capture::RestBooks { stamp, body: &text },
            _ => Capture::Status { stamp, exchange_active: a, trading_active: b },
        };
        let bytes = encoded(&capture);
        prop_assert_eq!(Capture::decode(&bytes), Ok(capture));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        if let Ok(capture) = Capture::decode(&bytes) {
            prop_assert_eq!(encoded(&capture), bytes);
        }
    }
}
