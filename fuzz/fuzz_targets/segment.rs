//! See `disk::segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kalshi_fuzz::disk::segment(bytes));
