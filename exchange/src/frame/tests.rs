//! Every form of message, and what must be refused.

mod refused;
mod understood;
