//! Reports that stand still although their queries go on running.
//!
//! Fleet counts the runs of a query, and stores the rows of each run. A count that grows without newer rows means
//! little by itself: hosts without rows are in no report, and the hosts of the report may be away. Rows are overdue
//! when a host of the report has been online for several intervals, and its rows are older than that.

use jiff::{SignedDuration, Timestamp};

use super::cursor::ReportCursor;
use crate::contract::PollServices;
use crate::fleet::api::FleetApi;
use crate::fleet::posture::{self, Posture};
use crate::fleet::wire::SavedQuery;
use crate::polling::Poll;

/// The number of intervals after which the rows of a host that is online should have been renewed.
const INTERVALS: i32 = 3;

/// The shortest wait: hosts send their rows some time later, and Fleet counts later still.
const LEAST: SignedDuration = SignedDuration::from_hours(1);

/// The number of a report's hosts that are examined.
const MOST_EXAMINED: usize = 1_000;

/// Returns the name of a host whose rows should have been renewed, if Fleet has counted runs since the report moved.
pub(super) async fn overdue<S: PollServices>(
    poll: &Poll<'_, S, FleetApi>,
    query: &SavedQuery,
    cursor: &ReportCursor,
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
    let keys = cursor.hosts.keys().take(MOST_EXAMINED);
    let postures = poll.services.recall(keys.map(|id| posture::key(*id)).collect()).await;
    let mut postures = postures
        .into_iter()
        .filter_map(|posture| serde_json::from_str::<Posture>(&posture?).ok());
    let online = postures.find(|posture| posture.is_online_since(then))?;
    Some(online.name.into())
}
