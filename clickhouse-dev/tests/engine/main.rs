//! The engine as its users see it: from a test binary, through the official client, and as a program.

mod common;
mod fetching;
mod life;
mod stored;
