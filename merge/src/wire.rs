//! How the exchange's small types lie in a record: as their integers.
//!
//! One place, so that journalled bytes do not depend on another crate's derives.

/// A price as 1/10,000 dollars.
pub(crate) mod price {
    use exchange::Price;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(price: &Price, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u16(price.units())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Price, D::Error> {
        let units = u16::deserialize(d)?;
        Price::from_units(units).ok_or_else(|| D::Error::custom("a price above one dollar"))
    }
}

/// A size as 1/100 contracts.
pub(crate) mod size {
    use exchange::Size;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(size: &Size, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(size.units())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Size, D::Error> {
        i64::deserialize(d).map(Size::from_units)
    }
}

/// A side as "is it no".
pub(crate) mod side {
    use exchange::Side;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(side: &Side, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bool(*side == Side::No)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Side, D::Error> {
        bool::deserialize(d).map(|no| if no { Side::No } else { Side::Yes })
    }
}

/// Levels as (price, size).
pub(crate) mod levels {
    use exchange::{Level, Price, Size};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(levels: &[Level], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(levels.iter().map(|level| (level.price.units(), level.size.units())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Level>, D::Error> {
        let raw = Vec::<(u16, i64)>::deserialize(d)?;
        raw.into_iter()
            .map(|(price, size)| {
                let price = Price::from_units(price)?;
                Some(Level { price, size: Size::from_units(size) })
            })
            .collect::<Option<_>>()
            .ok_or_else(|| D::Error::custom("a price above one dollar"))
    }
}

/// Places in the book as (is it no, price).
pub(crate) mod places {
    use exchange::{Price, Side};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(
        places: &[(Side, Price)],
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_seq(places.iter().map(|(side, price)| (*side == Side::No, price.units())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Vec<(Side, Price)>, D::Error> {
        let raw = Vec::<(bool, u16)>::deserialize(d)?;
        raw.into_iter()
            .map(|(no, price)| {
                Some((if no { Side::No } else { Side::Yes }, Price::from_units(price)?))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| D::Error::custom("a price above one dollar"))
    }
}
