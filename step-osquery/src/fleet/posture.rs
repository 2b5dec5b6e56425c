//! The posture of a host, as the stream `hosts` remembers it. The stream `reports` takes hostnames from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The beginning of the keys under which postures are remembered.
pub(super) const PREFIX: &str = "host/";

/// Returns the key under which the posture of a host is remembered.
pub(super) fn key(host: u64) -> String {
    format!("{PREFIX}{host}")
}

/// The posture of a host, as it is remembered between polls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Posture {
    pub(super) status: Box<str>,
    /// The number of changes of the status, the first sight included.
    pub(super) seq: u32,
    /// The time of the last change, in milliseconds since 1970, by the server's clock.
    pub(super) at: i64,
    /// The hostname, for events of rows, which lack it.
    pub(super) name: Box<str>,
    /// True while it changes too often for an event each time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) flapping: bool,
}

impl Posture {
    /// Returns true if the host has been online since then, as far as polls have seen.
    pub(super) fn is_online_since(&self, then: Timestamp) -> bool {
        &*self.status == "online" && !self.flapping && self.at <= then.as_millisecond()
    }

    /// Returns the posture to remember now, if it is new. A change that gives an event has a new sequence number.
    pub(super) fn next(before: Option<&Self>, status: &str, name: &str, now: i64, window: i64) -> Option<Self> {
        let changed = |seq, flapping| {
            Some(Self {
                status: status.into(),
                seq,
                at: now,
                name: name.into(),
                flapping,
            })
        };
        let Some(before) = before else { return changed(1, false) };
        let recent = now - before.at < window;
        match (*before.status == *status, before.flapping) {
            // It has kept its status for as long as a host must to count as settled.
            (true, true) if !recent => changed(before.seq + 1, false),
            (true, _) if *before.name == *name => None,
            (true, _) => Some(Self {
                name: name.into(),
                ..before.clone()
            }),
            (false, true) if recent => changed(before.seq, true),
            // The first sight of a host is no change of its status.
            (false, false) if recent && before.seq > 1 => changed(before.seq + 1, true),
            (false, _) => changed(before.seq + 1, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Posture;

    #[test]
    fn every_change_is_numbered_and_a_flapping_host_is_reported_once() {
        // With a window of 60 s: the second and the status; then the number that is remembered, and whether the host
        // flaps.
        let steps = [
            (0, "online", Some((1, false))),
            (10, "online", None),
            (30, "offline", Some((2, false))),
            (60, "online", Some((3, true))),
            (80, "offline", Some((3, true))),
            (100, "offline", None),
            (139, "offline", None),
            (140, "offline", Some((4, false))),
            (150, "online", Some((5, true))),
            (400, "offline", Some((6, false))),
            (500, "missing", Some((7, false))),
        ];
        let mut host: Option<Posture> = None;
        for (second, status, expected) in steps {
            let after = Posture::next(host.as_ref(), status, "web-01", second * 1_000, 60_000);
            let seen = after.as_ref().map(|after| (after.seq, after.flapping));
            assert_eq!(seen, expected, "at {second} s");
            host = after.or(host);
        }
    }

    #[test]
    fn without_a_window_nothing_flaps() {
        let mut host = None;
        for (number, status) in (1..).zip(["online", "offline", "online", "missing"]) {
            let after = Posture::next(host.as_ref(), status, "web-01", i64::from(number), 0).unwrap();
            assert_eq!((after.seq, after.flapping), (number, false));
            host = Some(after);
        }
        let renamed = Posture::next(host.as_ref(), "missing", "web-02", 9, 0).unwrap();
        assert_eq!((renamed.seq, &*renamed.name), (4, "web-02"));
    }
}
