//! Which markets this merge keeps, where several deduplicators divide them.

use exchange::Message;

/// CRC-32 as in zip files, the polynomial reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// One part of so many. A market belongs to part `1 + CRC32(ticker) mod of`, which is also
/// ClickHouse's `CRC32(market_ticker)`, so that a Distributed table finds its server by the same sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    part: u32,
    of: u32,
}

impl Default for Share {
    /// Everything.
    fn default() -> Self {
        Self { part: 1, of: 1 }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').map(|(part, of)| (part.parse(), of.parse()));
        match numbers {
            Some((Ok(part), Ok(of))) if (1..=of).contains(&part) && of <= Self::PARTS_MAX => {
                Ok(Self { part, of })
            }
            _ => {
                Err(format!("{text:?} is no share: write it as 2/3, at most /{}", Self::PARTS_MAX))
            }
        }
    }
}

impl Share {
    /// More servers than anybody will divide the exchange's markets among.
    pub const PARTS_MAX: u32 = 64;

    /// Whether all markets are kept.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Whether a market is kept.
    pub fn keeps(self, ticker: &str) -> bool {
        self.is_whole() || crc32(ticker.as_bytes()) % self.of == self.part - 1
    }

    /// Whether a message is: by its market, else all answers of the exchange, and in one part only what
    /// tells of no market.
    pub(crate) fn keeps_message(self, message: &Message<'_>) -> bool {
        match message {
            Message::Delta(delta) => self.keeps(delta.market_ticker),
            Message::Snapshot(snapshot) => self.keeps(snapshot.market_ticker),
            Message::Trade(trade) => self.keeps(trade.market_ticker),
            Message::Ticker(ticker) => self.keeps(ticker.market_ticker),
            Message::Lifecycle(message) => {
                message.market_ticker.map_or(self.part == 1, |ticker| self.keeps(ticker))
            }
            _ => true,
        }
    }
}

const TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| sum >> 8 ^ TABLE[usize::from(sum as u8 ^ byte)];
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_never_changes() {
        // The check value of CRC-32/ISO-HDLC, and what ClickHouse's CRC32 answers.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn every_market_belongs_to_one_part_and_parts_are_alike() {
        for of in 1..=5 {
            let parts: Vec<Share> =
                (1..=of).map(|part| format!("{part}/{of}").parse().expect("a share")).collect();
            let mut kept = vec![0_u32; parts.len()];
            for number in 0..4_000 {
                let ticker = format!("KXHIGHNY-26S{number:05}-T{}", number % 9);
                let of_it: Vec<usize> =
                    (0..parts.len()).filter(|&part| parts[part].keeps(&ticker)).collect();
                assert_eq!(of_it.len(), 1, "{ticker} of {of}");
                kept[of_it[0]] += 1;
            }
            let even = 4_000 / of;
            assert!(kept.iter().all(|&kept| kept.abs_diff(even) < even / 5), "{kept:?}");
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "1", "0/1", "2/1", "1/65", "1/0", "-1/2", "a/b", "1/2/3"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!("2/3".parse::<Share>().expect("a share").to_string(), "2/3");
        assert!("1/1".parse::<Share>().expect("all").is_whole());
    }
}
