//! See `wire::messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kalshi_fuzz::wire::messages(bytes));
