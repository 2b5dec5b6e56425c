//! The stream `hosts`: an event for each host whose posture has changed. Knows nothing of reports and live queries.

mod event;
mod poll;
mod scan;
mod unknown;

pub(super) use self::poll::poll;
