//! Lifecycle messages have no identity and no time of their own: the same content within a window is one event.
//!
//! A market may be deactivated twice in the same words. What a gatherer tells that has not told the event yet is a copy of
//! it; what it tells again, or tells long after, happened again. A lane never repeats a message: the same `seq` twice was
//! sorted out before. Two sessions of one gatherer may overlap for a moment, and tell one event both.
//!
//! What cannot be known: an event that comes again within the window and is told by a gatherer only that missed it before.

use crate::{
    memory::{First, Memory, Seen},
    record::Provenance,
    seen::fingerprint,
};

/// Receipts of one event are closer than this; hosts whose clocks differ by more raise an alert long before.
const WINDOW_MS: i64 = 60_000;
const WINDOW_NS: u64 = WINDOW_MS.unsigned_abs() * 1_000_000;

/// Receipts of one event by two sessions of one gatherer are closer than this: they have one clock.
const OVERLAP_NS: u64 = 2_000_000_000;
/// Of one content in one window; more are a flood, and copies.
const IN_WINDOW_MAX: u32 = 64;

/// What the memory says of a message, and the key under which it is kept if it is new.
pub(crate) fn look(memory: &mut Memory, content: u128, from: &Provenance) -> (Seen, u128) {
    let ms = from.wall_ns.div_euclid(1_000_000);
    let window = ms.div_euclid(WINDOW_MS);
    let (mut nearest, mut free): (Option<(u64, First, u128)>, _) = (None, None);
    for near in [window - 1, window, window + 1] {
        for number in 0..IN_WINDOW_MAX {
            let key = fingerprint(&(content, near, number));
            let Some(first) = memory.first(key) else {
                free = free.or((near == window).then_some(key));
                break;
            };
            if first.is(from) {
                return (Seen::Again, key);
            }
            let apart = from.wall_ns.abs_diff(first.wall_ns);
            let overlaps = apart <= OVERLAP_NS && !first.is_of_lane(from);
            let is_copy = apart <= WINDOW_NS && (overlaps || !first.is_told_by(from));
            if is_copy && nearest.is_none_or(|(least, ..)| apart < least) {
                nearest = Some((apart, first, key));
            }
        }
    }
    match (nearest, free) {
        (Some((_, first, key)), _) => {
            memory.tell(key, from);
            (Seen::before(first, from), key)
        }
        (None, Some(key)) => (memory.look(key, ms, i64::MAX, from), key),
        (None, None) => (Seen::Before { skew_us: 0 }, 0),
    }
}

/// The key under which an event that is known to have happened is kept; `None`: it is kept already, or a flood.
pub(crate) fn place(memory: &mut Memory, content: u128, from: &Provenance) -> Option<u128> {
    let window = from.wall_ns.div_euclid(1_000_000).div_euclid(WINDOW_MS);
    for number in 0..IN_WINDOW_MAX {
        let key = fingerprint(&(content, window, number));
        match memory.first(key) {
            None => return Some(key),
            Some(first) if first.is(from) => return None,
            Some(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::GathererIndex;

    const S: i64 = 1_000_000_000;

    /// Takes messages of one content in: (gatherer, session, receipt in seconds). How many were new.
    fn new(memory: &mut Memory, told: &[(u8, u64, i64)]) -> usize {
        let mut new = 0;
        for &(gatherer, session, at_s) in told {
            let gatherer = GathererIndex(gatherer);
            let from = Provenance { gatherer, session, wall_ns: at_s * S, ..Provenance::default() };
            let (seen, key) = look(memory, 7, &from);
            if seen == Seen::New {
                memory.keep(key, at_s * 1_000, &from, 100);
                new += 1;
            }
        }
        new
    }

    #[test]
    fn what_other_lanes_tell_within_the_window_is_a_copy() {
        let mut memory = Memory::default();
        assert_eq!(new(&mut memory, &[(0, 1, 59), (1, 1, 60), (2, 1, 1), (3, 1, 119)]), 1);
        // Told again after a restart.
        assert_eq!(new(&mut memory, &[(0, 1, 59), (1, 1, 60)]), 0);
    }

    #[test]
    fn what_comes_again_happened_again() {
        let mut memory = Memory::default();
        assert_eq!(new(&mut memory, &[(0, 1, 100), (1, 1, 100), (0, 1, 110), (1, 1, 110)]), 2);
        assert_eq!(new(&mut memory, &[(1, 1, 171), (0, 1, 172)]), 1, "the window is over");
        // A lane that comes late finds each of them.
        assert_eq!(new(&mut memory, &[(2, 1, 101), (2, 1, 111), (2, 1, 171)]), 0);
        let mut memory = Memory::default();
        assert_eq!(new(&mut memory, &[(0, 1, 100), (1, 1, 170)]), 2, "told by others, too late");
    }

    #[test]
    fn a_gatherer_that_told_it_tells_it_again_by_another_session() {
        let mut memory = Memory::default();
        // The first to tell is gone.
        assert_eq!(new(&mut memory, &[(0, 1, 100), (1, 1, 100), (1, 2, 101), (1, 2, 110)]), 2);
        assert_eq!(new(&mut memory, &[(2, 1, 100), (2, 1, 110)]), 0);
    }

    #[test]
    fn what_a_store_holds_is_told_once_more_by_everyone() {
        let mut memory = Memory::default();
        for at_s in [100, 110] {
            // Rounded, and said by nobody that is known.
            let from = Provenance { wall_ns: at_s * S - 7, ..Provenance::default() };
            let key = place(&mut memory, 7, &from).expect("two events");
            memory.keep(key, at_s * 1_000, &from, 100);
            memory.forget_tellers(key);
        }
        let all = [(0, 0, 100), (0, 0, 110), (1, 1, 100), (1, 1, 110), (2, 1, 104), (2, 1, 114)];
        assert_eq!(new(&mut memory, &all), 0);
        assert_eq!(new(&mut memory, &[(1, 1, 120)]), 1, "a third time");
    }

    #[test]
    fn a_flood_ends() {
        let mut memory = Memory::default();
        let mut new = 0;
        for wall_ns in 600 * S..600 * S + 500 {
            let from = Provenance { wall_ns, ..Provenance::default() };
            let (seen, key) = look(&mut memory, 7, &from);
            if seen == Seen::New {
                memory.keep(key, wall_ns / 1_000_000, &from, 1_000);
                new += 1;
            }
        }
        assert_eq!(new, IN_WINDOW_MAX);
    }
}
