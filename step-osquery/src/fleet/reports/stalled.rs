//! Reports that stand still although their queries go on running.
//!
//! Fleet counts how often a query has run, and stores of each run the rows. That the count grows and no row is newer means
//! little by itself: hosts without rows are in no report, and those that are in it may be away. It is news that does not
//! arrive when a host of the report has been there for several intervals, and its rows are older than that.

use jiff::{SignedDuration, Timestamp};

use super::{Cursor, Poll};
use crate::contract::Feeds;
use crate::fleet::hosts::{HOST, Remembered};
use crate::fleet::wire::SavedQuery;

/// Intervals after which rows of a host that is there should have been renewed.
const INTERVALS: i32 = 3;

/// What is waited in any case: hosts send what they found some time later, and Fleet counts later still.
const LEAST: SignedDuration = SignedDuration::from_hours(1);

/// Hosts that are looked at, of reports that have more.
const LOOKED_AT: usize = 1_000;

/// The name of a host whose rows should have been renewed, if Fleet has counted runs since the report moved.
pub(super) async fn overdue<S: Feeds>(
    poll: &Poll<'_, S>,
    query: &SavedQuery,
    cursor: &Cursor,
    now: Timestamp,
) -> Option<String> {
    let interval = i64::try_from(query.interval).ok().filter(|interval| *interval > 0)?;
    if query.runs() <= cursor.runs {
        return None;
    }
    let wait = SignedDuration::from_secs(interval).checked_mul(INTERVALS)?.max(LEAST);
    let then = now.saturating_sub(wait).ok()?;
    if cursor.hosts.values().any(|read| *read > then.as_microsecond()) {
        return None;
    }
    let keys = cursor.hosts.keys().take(LOOKED_AT);
    let hosts = poll
        .services
        .recall(keys.map(|id| format!("{HOST}{id}")).collect())
        .await;
    let mut hosts = hosts
        .into_iter()
        .filter_map(|host| serde_json::from_str::<Remembered>(&host?).ok());
    let host = hosts.find(|host| host.is_online_since(then))?;
    Some(host.name.into())
}
