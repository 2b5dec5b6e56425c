//! Waits for the answers to a query.

use std::time::Duration;

use super::collected::CollectedAnswers;
use super::distributed_query::{CLOSING, DistributedQuery};
use crate::contract::{Failure, FailureKind, Level, Services};
use crate::live_query::{Answer, LiveQuery};
use crate::osctrl::api::OsctrlApi;
use crate::osctrl::node_uuid::NodeUuid;
use crate::osctrl::wire::QueryShown;

/// The shortest pause between two looks: each one costs the server a row in its audit log.
const BRISK: Duration = Duration::from_secs(2);

/// The longest pause.
const CALM: Duration = Duration::from_secs(5);

/// The time between attempts to read an answer that was counted.
const STORING: Duration = Duration::from_secs(1);

/// The number of those attempts.
const STORING_LOOKS: usize = 3;

/// The number of looks in a row that may bring nonsense before the step gives up.
const NONSENSE: usize = 3;

/// The reason why waiting has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Every node has answered.
    Everybody,
    /// The query is over on the server: completed, or ended by somebody else.
    Closed(&'static str),
    /// The server has counted as many answers as it expects, and some cannot be read.
    Counted,
    /// The time is up.
    Deadline,
}

/// The progress of a query.
#[derive(Default)]
struct Progress {
    answers: CollectedAnswers,
    shown: Option<QueryShown>,
}

/// Waits until every node has answered or no more answers can come, ends the query if it is still open, and counts the
/// answers.
pub(crate) async fn follow<S: Services>(
    query: &LiveQuery<'_, S, OsctrlApi>,
    started: &DistributedQuery,
    nodes: &[NodeUuid],
) -> Result<(), Failure> {
    let mut progress = Progress::default();
    let waited = query.unless_cancelled(progress.wait(query, started, nodes.len())).await;
    let end = match waited {
        Ok(end) => end,
        Err(failure) => {
            started.expire(query).await;
            if progress.answers.nodes() == 0 || failure.kind == FailureKind::Cancelled {
                return Err(failure);
            }
            let reason = failure.message;
            progress.count(query, nodes, |_| Answer::Failed(reason.clone()));
            return Ok(());
        }
    };
    match end {
        End::Deadline => progress.close(query, started).await?,
        End::Counted => started.expire(query).await,
        End::Everybody | End::Closed(_) => {}
    }
    progress.diagnose(nodes.len())?;
    let missing = nodes.len() - progress.answers.nodes();
    let lost = progress.lost_errors();
    progress.count(query, nodes, move |excuse| match end {
        _ if lost >= missing => {
            Answer::Failed("the query failed on this host; osctrl counted the failure and kept no message".into())
        }
        End::Closed(what) => Answer::TimedOut(format!("the query was {what} on the server before this host answered")),
        _ if lost > 0 => Answer::TimedOut(format!(
            "{excuse}; or it is one of the {lost} hosts whose failure osctrl counted without saying whose it was"
        )),
        End::Counted => Answer::TimedOut("osctrl counted more answers than it shows, and none of this host".into()),
        End::Everybody | End::Deadline => Answer::TimedOut(excuse.to_owned()),
    });
    Ok(())
}

impl Progress {
    async fn wait<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S, OsctrlApi>,
        started: &DistributedQuery,
        nodes: usize,
    ) -> Result<End, Failure> {
        let mut pause = BRISK;
        let mut nonsense = 0;
        loop {
            let left = query.time_left();
            query.services.sleep(pause.min(left)).await;
            if pause >= left {
                return Ok(End::Deadline);
            }
            let before = self.answers.nodes();
            match self.look(query, started).await {
                Ok(()) => nonsense = 0,
                Err(failure) => match failure.kind {
                    // The time may run out in the middle of a look.
                    FailureKind::Unavailable | FailureKind::RateLimited | FailureKind::Timeout => warn(query, &failure),
                    FailureKind::Protocol if nonsense + 1 < NONSENSE => {
                        nonsense += 1;
                        warn(query, &failure);
                    }
                    _ => return Err(failure),
                },
            }
            if let Some(end) = self.end(query, started, nodes).await? {
                return Ok(end);
            }
            if self.answers.nodes() > before {
                pause = BRISK;
                query.report_progress(self.answers.nodes(), nodes);
            } else {
                pause = CALM.min(pause.mul_f32(1.25));
            }
        }
    }

    /// Reads the counters, and the answers if there must be new ones.
    async fn look<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S, OsctrlApi>,
        started: &DistributedQuery,
    ) -> Result<(), Failure> {
        let shown = self.shown.insert(started.show(query).await?);
        if counted(shown) > self.answers.all_nodes() {
            self.answers.read(query, &started.results, false).await?;
        }
        Ok(())
    }

    /// Looks until every answer that was counted can be read, or must be given up.
    async fn settle<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S, OsctrlApi>,
        started: &DistributedQuery,
    ) -> Result<(), Failure> {
        for look in 0..STORING_LOOKS {
            if look > 0 {
                query.services.sleep(STORING).await;
            }
            let shown = self.shown.insert(started.show(query).await?);
            let (counted, expected) = (counted(shown), shown.expected);
            self.answers.read(query, &started.results, true).await?;
            if self.answers.all_nodes() >= counted || self.answers.nodes() == expected {
                break;
            }
        }
        Ok(())
    }

    /// Expires the query when the time is up, and reads the last answers.
    async fn close<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S, OsctrlApi>,
        started: &DistributedQuery,
    ) -> Result<(), Failure> {
        query.session.grant(CLOSING);
        // Reading does not need the query to be open, and neither has much time.
        let ((), last) = futures::join!(started.expire(query), self.settle(query, started));
        if let Err(failure) = last {
            query.services.log(
                Level::Warn,
                &format!("the last answers could not be read: {}", failure.message),
            );
            if self.shown.is_none() {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Returns the reason why there is nothing more to wait for, if there is one.
    async fn end<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S, OsctrlApi>,
        started: &DistributedQuery,
        nodes: usize,
    ) -> Result<Option<End>, Failure> {
        if self.answers.nodes() == nodes {
            return Ok(Some(End::Everybody));
        }
        let Some(shown) = self.shown.clone() else {
            return Ok(None);
        };
        let closed = match () {
            () if shown.deleted => Some("deleted"),
            () if shown.expired => Some("expired"),
            () if shown.completed => Some("completed"),
            () if !shown.active => Some("ended"),
            () => None,
        };
        // A node that answers twice is counted twice, so the counters alone prove nothing.
        let unread = counted(&shown) > self.answers.read_so_far();
        let full = counted(&shown) >= shown.expected && unread;
        if closed.is_none() && !full {
            return Ok(None);
        }
        if unread {
            self.settle(query, started).await?;
        }
        Ok(match closed {
            _ if self.answers.nodes() == nodes => Some(End::Everybody),
            Some(what) => Some(End::Closed(what)),
            None if counted(&shown) > self.answers.read_so_far() => Some(End::Counted),
            None => None,
        })
    }

    /// Returns how many failures were counted whose answers cannot be read.
    fn lost_errors(&self) -> usize {
        let counted = self.shown.as_ref().map_or(0, |shown| shown.errors);
        counted.saturating_sub(self.answers.errors())
    }

    /// Fails if answers were counted and none can be read.
    fn diagnose(&self, nodes: usize) -> Result<(), Failure> {
        let executions = self.shown.as_ref().map_or(0, |shown| shown.executions);
        if executions == 0 || self.answers.read_so_far() > 0 {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Unavailable,
            format!("{executions} answers to the query for {nodes} hosts were counted, and osctrl shows none of them"),
        )
        .hint(
            "osctrl-tls logs answers elsewhere than where osctrl-api reads them: set its logger to the same database, \
             or ALWAYS_LOG",
        ))
    }

    /// Enters who has answered; `missing` returns the answer of a host without one, given its excuse.
    fn count<S: Services>(
        self,
        query: &LiveQuery<'_, S, OsctrlApi>,
        nodes: &[NodeUuid],
        missing: impl Fn(&str) -> Answer,
    ) {
        for node in self.answers.answered() {
            query.tally.borrow_mut().answered_by(node);
        }
        for node in nodes {
            let excuse = query.tally.borrow().excuse(node).map(str::to_owned);
            if let Some(excuse) = excuse {
                query.count(node, missing(&excuse));
            }
        }
    }
}

/// Warns of a look that failed.
fn warn<S: Services>(query: &LiveQuery<'_, S, OsctrlApi>, failure: &Failure) {
    query.services.log(
        Level::Warn,
        &format!(
            "osctrl could not be asked for answers, trying again: {}",
            failure.message
        ),
    );
}

fn counted(shown: &QueryShown) -> usize {
    shown.executions.saturating_add(shown.errors)
}
