//! See `venue::rest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kalshi_fuzz::venue::rest(bytes));
