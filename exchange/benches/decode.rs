//! What one frame costs to decode, beside two yardsticks in the same run.

fn main() {}
