//! What a lying connection does to a message.

use exchange::{Message, Price, Size};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Makes a message false; `false` when the lie is to leave it out.
pub(crate) fn lie(message: &mut Message<'static>, rng: &mut ChaCha8Rng) -> bool {
    match message {
        Message::Delta(delta) => match rng.random_range(0..3) {
            0 => delta.delta = Size::from_units(delta.delta.units() + 1),
            1 => delta.price = Price::from_units(delta.price.units() + 1).expect("small"),
            _ => return false,
        },
        Message::Snapshot(snapshot) => match rng.random_range(0..3) {
            0 => snapshot.yes.clear(),
            1 => snapshot.clock = snapshot.clock.map(|clock| clock + 3),
            _ => snapshot.no.extend(snapshot.yes.clone()),
        },
        _ => {}
    }
    true
}
