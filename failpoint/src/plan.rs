//! What `FAILPOINTS` says: pure.

use std::str::FromStr;
use std::time::Duration;

/// What happens at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// The process ends by SIGKILL.
    Kill,
    /// The thread waits.
    Hold(Duration),
    /// The operation fails with this number of the system.
    Fail(i32),
}

/// One order: what, at which place, from the how-manieth time, how often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) action: Action,
    pub(crate) from: u64,
    pub(crate) count: u64,
}

impl Order {
    /// What happens at the `nth` time.
    pub(crate) fn at(&self, nth: u64) -> Option<Action> {
        (nth >= self.from && nth - self.from < self.count).then_some(self.action)
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not NAME=ACTION@FROM[+COUNT]");
        let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
        let (action, when) = rest.split_once('@').ok_or_else(wrong)?;
        let (from, count) = when.split_once('+').unwrap_or((when, "1"));
        let action = match action.split_once(':') {
            Some(("hold", ms)) => {
                Action::Hold(Duration::from_millis(ms.parse().map_err(|_| wrong())?))
            }
            None if action == "kill" => Action::Kill,
            None => Action::Fail(errno(action).ok_or_else(wrong)?),
            Some(_) => return Err(wrong()),
        };
        Ok(Self {
            name: name.trim().to_owned(),
            action,
            from: from.parse().map_err(|_| wrong())?,
            count: count.parse().map_err(|_| wrong())?,
        })
    }
}

/// All orders of a text.
pub(crate) fn orders(text: &str) -> Result<Vec<Order>, String> {
    text.split(';').map(str::trim).filter(|one| !one.is_empty()).map(str::parse).collect()
}

fn errno(word: &str) -> Option<i32> {
    match word {
        "eio" => Some(5),
        "enospc" => Some(28),
        "erofs" => Some(30),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_happens_so_often_from_then_on() {
        let orders = orders("a.b=kill@3; c=eio@2+2;d=hold:250@1").expect("right");
        assert_eq!(orders.len(), 3);
        let at = |nth| orders[1].at(nth);
        assert_eq!(
            [at(1), at(2), at(3), at(4)],
            [None, Some(Action::Fail(5)), Some(Action::Fail(5)), None]
        );
        assert_eq!(orders[0].at(3), Some(Action::Kill));
        assert_eq!(orders[2].action, Action::Hold(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for wrong in ["a", "a=kill", "a=burn@1", "a=hold:x@1", "a=kill@x", "a=kill@1+x"] {
            assert!(orders(wrong).is_err(), "{wrong}");
        }
    }
}
