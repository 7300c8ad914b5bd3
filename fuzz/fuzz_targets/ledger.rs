//! See `targets::ledger`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kalshi_fuzz::targets::ledger(bytes));
