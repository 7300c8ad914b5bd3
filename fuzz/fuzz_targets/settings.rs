//! See `programs::settings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kalshi_fuzz::programs::settings(bytes));
