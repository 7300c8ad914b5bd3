//! A session and a tiny venue in one box, with a clock of their own.

mod losses;
mod subscribing;
mod venue;
