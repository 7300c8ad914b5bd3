//! Lanes that do not tell the truth, one alone and one of two: what is asked, what is believed, what is taken back.

mod disputed;
mod lanes;
mod late;
mod refuted;
