//! Times in the past, as people write them.

use jiff::{Timestamp, civil::Date, tz::Offset};

/// A description of the accepted times.
pub(super) const ACCEPTS: &str =
    "a time in the past such as 2026-01-31T12:00:00Z, 2026-01-31 (midnight UTC), or 90m, 24h, 7d, that long ago";

/// Parses a time, in seconds since 1970 and not after `now`, or describes the problem.
///
/// A duration is a number with one of the units s, m, h, d and w, and means that long before `now`.
pub(super) fn parse(text: &str, now: Timestamp) -> Result<i64, &'static str> {
    let now = now.as_second();
    let moment = match duration(text) {
        Some(seconds) => now - seconds,
        None => absolute(text)?,
    };
    if moment > now {
        return Err("lies in the future");
    }
    if moment < 0 {
        return Err("lies before 1970");
    }
    Ok(moment)
}

/// Parses a number of one to six digits, not starting with 0, with a unit.
fn duration(text: &str) -> Option<i64> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 60 * 60,
        b'd' => 24 * 60 * 60,
        b'w' => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let number =
        (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    Some(digits.parse::<i64>().ok().filter(|_| number)? * unit)
}

/// Parses a date or an RFC 3339 time. jiff accepts more than RFC 3339 does, so the shape is checked first.
fn absolute(text: &str) -> Result<i64, &'static str> {
    const NEITHER: &str = "is neither a time nor a duration";
    const NO_SUCH: &str = "names a day or an hour that does not exist";
    let shape: String = text
        .chars()
        .map(|char| if char.is_ascii_digit() { '0' } else { char })
        .collect();
    if shape == "0000-00-00" {
        let date: Date = text.parse().map_err(|_| NO_SUCH)?;
        let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| NO_SUCH)?;
        return Ok(midnight.as_second());
    }
    let clock = ["0000-00-00T00:00:00", "0000-00-00t00:00:00", "0000-00-00 00:00:00"]
        .iter()
        .find_map(|prefix| shape.strip_prefix(prefix))
        .ok_or(NEITHER)?;
    let zone = match clock.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches('0');
            if !(1..=9).contains(&(fraction.len() - zone.len())) {
                return Err(NEITHER);
            }
            zone
        }
        None => clock,
    };
    match zone {
        "Z" | "z" | "+00:00" | "-00:00" => Ok(text.parse::<Timestamp>().map_err(|_| NO_SUCH)?.as_second()),
        "" => Err("has no time zone: add Z, or an offset such as +02:00"),
        _ => Err(NEITHER),
    }
}
