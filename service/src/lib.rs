//! What every long-running program of ours needs around its work: a clock, parts that are waited
//! for, signals, logs, metrics, a small HTTP server, exit codes. It knows nothing of the venue,
//! the log or the stores.

pub mod clock;
pub mod dotenv;
pub mod exit;
pub mod http;
pub mod lifecycle;
pub mod listen;
pub mod logs;
pub mod metrics;
pub mod parts;
pub mod ports;
pub mod probe;
mod process;
pub mod redacted;
pub mod sd_notify;
pub mod stop;
