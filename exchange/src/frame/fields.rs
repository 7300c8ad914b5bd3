//! How the fields of one `msg` are read: typed, at most once, unknown ones counted.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use uuid::Uuid;

use crate::frame::BadFrame;
use crate::units::{Price, Side, Size};

/// Makes a struct of optional fields that reads a JSON object: null is absent, a field that stands
/// twice or has the wrong type is an error that names it, and what is not listed is counted.
macro_rules! fields {
    ($(#[$doc:meta])* struct $name:ident<$lt:lifetime> { $($field:ident: $ty:ty,)* }
     ignored { $($ignored:ident)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name<$lt> {
            $($field: Option<$ty>,)*
            unknown: u16,
            borrows: std::marker::PhantomData<&$lt ()>,
        }

        impl<$lt> serde::Deserialize<$lt> for $name<$lt> {
            fn deserialize<D: serde::Deserializer<$lt>>(deserializer: D) -> Result<Self, D::Error> {
                #[expect(non_camel_case_types, reason = "variants are named as the fields are")]
                #[allow(dead_code, reason = "some types have nothing to ignore")]
                enum Key { $($field,)* Ignored, Unknown }

                impl $crate::frame::fields::FromText for Key {
                    const EXPECTED: &'static str = "a field name";

                    fn from_text(text: &str) -> Result<Self, String> {
                        Ok(match text {
                            $(stringify!($field) => Self::$field,)*
                            $(stringify!($ignored) => Self::Ignored,)*
                            _ => Self::Unknown,
                        })
                    }
                }

                struct Reader;

                impl<$lt> serde::de::Visitor<$lt> for Reader {
                    type Value = $name<$lt>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object in msg")
                    }

                    fn visit_map<A: serde::de::MapAccess<$lt>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        use $crate::frame::fields::{Text, read};
                        let mut all = $name::default();
                        while let Some(Text(key)) = map.next_key::<Text<Key>>()? {
                            match key {
                                $(Key::$field => read(&mut map, stringify!($field), &mut all.$field)?,)*
                                Key::Ignored => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                                Key::Unknown => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                    all.unknown = all.unknown.saturating_add(1);
                                }
                            }
                        }
                        Ok(all)
                    }
                }

                deserializer.deserialize_map(Reader)
            }
        }
    };
}

pub(super) use fields;

/// Reads one value into its place; null leaves the place empty.
#[inline]
pub(super) fn read<'a, A, T>(
    map: &mut A,
    name: &'static str,
    place: &mut Option<T>,
) -> Result<(), A::Error>
where
    A: serde::de::MapAccess<'a>,
    T: Deserialize<'a>,
{
    if place.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *place = map.next_value().map_err(|error| named(name, &error))?;
    Ok(())
}

#[cold]
fn named<E: Error>(name: &str, error: &E) -> E {
    E::custom(format_args!("{name}: {error}"))
}

/// A required field, or the error that names it.
#[inline]
pub(super) fn need<T>(value: Option<T>, kind: &str, field: &'static str) -> Result<T, BadFrame> {
    match value {
        Some(value) => Ok(value),
        None => Err(BadFrame::missing(kind, field)),
    }
}

/// A value that stands as a JSON string.
pub(crate) struct Text<T>(pub(crate) T);

/// What can be made from the text of a JSON string.
pub(crate) trait FromText: Sized {
    /// What the error says was expected.
    const EXPECTED: &'static str;

    /// Reads the text, or says why not.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl FromText for Price {
    const EXPECTED: &'static str = "a price as a string of dollars";

    #[inline]
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}

impl FromText for Size {
    const EXPECTED: &'static str = "a number of contracts as a string";

    #[inline]
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}

impl FromText for Side {
    const EXPECTED: &'static str = "yes or no";

    #[inline]
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("{text:?} is neither yes nor no"))
    }
}

impl FromText for Uuid {
    const EXPECTED: &'static str = "a UUID";

    #[inline]
    fn from_text(text: &str) -> Result<Self, String> {
        Self::try_parse(text).map_err(|error| error.to_string())
    }
}

impl<'a, T: FromText> Deserialize<'a> for Text<T> {
    #[inline]
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<T: FromText> Visitor<'_> for Reader<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            #[inline]
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
                T::from_text(text).map(Text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Reader(PhantomData))
    }
}
