//! How much memory a JSON document takes once it is read, found out before it is.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What an allocation costs besides its bytes.
const ALLOCATION: usize = 16;

/// What an entry of a map costs besides its key and value: its hash, and its place in the index.
const ENTRY: usize = 32;

/// How many entries the smallest list or map has room for.
const SMALLEST: usize = 4;

/// Why a document is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// It is not JSON.
    #[error(transparent)]
    Json(serde_json::Error),
    /// It would take more memory than allowed.
    #[error("it would take more than {} MiB of memory", limit >> 20)]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Reads a JSON document if it takes no more memory than this. Returns also how much it takes, about.
pub(crate) fn read(json: &str, limit: usize) -> Result<(Value, usize), Unread> {
    let weight = of(json.as_bytes(), limit)?;
    let value = serde_json::from_str(json).map_err(Unread::Json)?;
    Ok((value, weight))
}

/// How much memory a JSON document takes once it is read, about, if that is no more than this.
pub(crate) fn of(json: &[u8], limit: usize) -> Result<usize, Unread> {
    let mut scale = Scale { weight: 0, limit };
    let mut reader = serde_json::Deserializer::from_slice(json);
    match scale.deserialize(&mut reader).and_then(|()| reader.end()) {
        Ok(()) => Ok(scale.weight),
        Err(_) if scale.weight > limit => Err(Unread::TooLarge { limit }),
        Err(error) => Err(Unread::Json(error)),
    }
}

struct Scale {
    weight: usize,
    limit: usize,
}

impl Scale {
    fn add<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.weight = self.weight.saturating_add(bytes);
        if self.weight > self.limit {
            return Err(E::custom("too large"));
        }
        Ok(())
    }

    /// Counts the room that a list takes which grows to this many entries: it doubles.
    fn room<E: serde::de::Error>(&mut self, count: usize, each: usize) -> Result<(), E> {
        match count {
            1 => self.add(SMALLEST * each + ALLOCATION),
            more if more > SMALLEST && (more - 1).is_power_of_two() => self.add((more - 1) * each),
            _ => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Scale {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Scale {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.add(text.len() + ALLOCATION)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut count = 0;
        while items.next_element_seed(&mut *self)?.is_some() {
            count += 1;
            self.room(count, size_of::<Value>())?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.add(size_of::<Map<String, Value>>())?;
        let mut count = 0;
        while entries.next_key_seed(&mut *self)?.is_some() {
            entries.next_value_seed(&mut *self)?;
            count += 1;
            self.room(count, size_of::<String>() + size_of::<Value>() + ENTRY)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_take_more_memory_than_allowed_is_not_read() {
        for (json, times) in [
            (format!("[{}0]", "0,".repeat(100_000)), 30),
            (format!("[{}0]", "[0],".repeat(100_000)), 70),
            (format!("[{}0]", "{\"a\":0},".repeat(100_000)), 60),
            (format!("\"{}\"", "x".repeat(100_000)), 1),
        ] {
            let limit = json.len() * times;
            assert!(
                matches!(read(&json, limit / 2), Err(Unread::TooLarge { .. })),
                "{times}"
            );
            let (value, weight) = read(&json, limit * 2).unwrap();
            assert!(value == serde_json::from_str::<Value>(&json).unwrap() && weight > limit / 2);
        }
        assert!(matches!(read("{\"a\": ", 100_000), Err(Unread::Json(_))));
        assert!(matches!(read("0 1", 100_000), Err(Unread::Json(_))));
        assert_eq!(
            read("{\"a\": [null, 1.5, -1, true, \"x\"]}", 100_000).unwrap().0["a"][2],
            -1
        );
    }
}
