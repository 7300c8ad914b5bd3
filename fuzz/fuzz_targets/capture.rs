//! See `wire::capture`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kalshi_fuzz::wire::capture(bytes));
