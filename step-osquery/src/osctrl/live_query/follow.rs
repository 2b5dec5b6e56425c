//! Waiting for the answers to a query.

use std::time::Duration;

use super::answers::Answers;
use super::distributed_query::Started;
use super::{CLOSING, LiveQuery, NodeUuid};
use crate::contract::{Failure, Kind};
use crate::contract::{Level, Services};
use crate::live_query::Answer;
use crate::osctrl::wire::QueryShown;

/// The shortest pause between two looks: each one costs the server a row in its audit log.
const BRISK: Duration = Duration::from_secs(2);

/// The longest pause.
const CALM: Duration = Duration::from_secs(5);

/// How long an answer that was counted may take until it can be read, and how often to look for it.
const STORING: Duration = Duration::from_secs(1);
const STORING_LOOKS: usize = 3;

/// Looks in a row that may bring nonsense before the step gives up.
const NONSENSE: usize = 3;

/// Why nothing more is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Every node has answered.
    Everybody,
    /// The server says that it is over: completed, or ended by somebody else.
    Closed(&'static str),
    /// As many answers were counted as are expected, and some cannot be read.
    Counted,
    /// The time was up.
    Deadline,
}

/// What is known of a query.
#[derive(Default)]
struct Watch {
    answers: Answers,
    shown: Option<QueryShown>,
}

/// Waits until every node has answered or nothing more is to come, ends the query where that is needed, and counts the
/// answers.
pub(super) async fn to_the_end<S: Services>(
    query: &LiveQuery<'_, S>,
    started: &Started,
    nodes: &[NodeUuid],
) -> Result<(), Failure> {
    let mut watch = Watch::default();
    let waited = query.unless_cancelled(watch.wait(query, started, nodes.len())).await;
    let end = match waited {
        Ok(end) => end,
        Err(failure) => {
            started.expire(query).await;
            if watch.answers.nodes() == 0 || failure.kind == Kind::Cancelled {
                return Err(failure);
            }
            let reason = failure.message;
            watch.count(query, nodes, |_| Answer::Failed(reason.clone()));
            return Ok(());
        }
    };
    if end == End::Deadline {
        query.session.grant(CLOSING);
        // Reading needs no open query; both have little time.
        let ((), last) = futures::join!(started.expire(query), watch.settle(query, started));
        if let Err(failure) = last {
            query.services.log(
                Level::Warn,
                &format!("the last answers could not be read: {}", failure.message),
            );
            if watch.shown.is_none() {
                return Err(failure);
            }
        }
    } else if end == End::Counted {
        started.expire(query).await;
    }
    watch.diagnose(nodes.len())?;
    let missing = nodes.len() - watch.answers.nodes();
    let lost = watch.lost_errors();
    watch.count(query, nodes, move |excuse| match end {
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

impl Watch {
    async fn wait<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S>,
        started: &Started,
        nodes: usize,
    ) -> Result<End, Failure> {
        let mut pause = BRISK;
        let mut nonsense = 0;
        loop {
            let left = query.deadline.left(query.services);
            query.services.sleep(pause.min(left)).await;
            if pause >= left {
                return Ok(End::Deadline);
            }
            let before = self.answers.nodes();
            match self.look(query, started).await {
                Ok(()) => nonsense = 0,
                Err(failure) => match failure.kind {
                    // The time may be up in the middle of a look.
                    Kind::Unavailable | Kind::RateLimited | Kind::Timeout => trouble(query, &failure),
                    Kind::Protocol if nonsense + 1 < NONSENSE => {
                        nonsense += 1;
                        trouble(query, &failure);
                    }
                    _ => return Err(failure),
                },
            }
            if let Some(end) = self.end(query, started, nodes).await? {
                return Ok(end);
            }
            if self.answers.nodes() > before {
                pause = BRISK;
                query.tell(self.answers.nodes(), nodes);
            } else {
                pause = CALM.min(pause.mul_f32(1.25));
            }
        }
    }

    /// Reads the counters, and the answers if there must be new ones.
    async fn look<S: Services>(&mut self, query: &LiveQuery<'_, S>, started: &Started) -> Result<(), Failure> {
        let shown = self.shown.insert(started.show(query).await?);
        if counted(shown) > self.answers.voices() {
            self.answers.read(query, started, false).await?;
        }
        Ok(())
    }

    /// Looks until everything that was counted can be read, or must be given up.
    async fn settle<S: Services>(&mut self, query: &LiveQuery<'_, S>, started: &Started) -> Result<(), Failure> {
        for look in 0..STORING_LOOKS {
            if look > 0 {
                query.services.sleep(STORING).await;
            }
            let shown = self.shown.insert(started.show(query).await?);
            let (counted, expected) = (counted(shown), shown.expected);
            self.answers.read(query, started, true).await?;
            if self.answers.voices() >= counted || self.answers.nodes() == expected {
                break;
            }
        }
        Ok(())
    }

    /// Whether there is nothing more to wait for.
    async fn end<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S>,
        started: &Started,
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

    /// How many failures were counted of which there is no answer to read.
    fn lost_errors(&self) -> usize {
        let counted = self.shown.as_ref().map_or(0, |shown| shown.errors);
        counted.saturating_sub(self.answers.errors())
    }

    /// Fails when answers were counted and none can be read.
    fn diagnose(&self, nodes: usize) -> Result<(), Failure> {
        let executions = self.shown.as_ref().map_or(0, |shown| shown.executions);
        if executions == 0 || self.answers.read_so_far() > 0 {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Unavailable,
            format!("{executions} answers to the query for {nodes} hosts were counted, and osctrl shows none of them"),
        )
        .hint(
            "osctrl-tls logs answers elsewhere than where osctrl-api reads them: set its logger to the same database, \
             or ALWAYS_LOG",
        ))
    }

    /// Enters the answers; `missing` says what becomes of a host without one, given its excuse.
    fn count<S: Services>(self, query: &LiveQuery<'_, S>, nodes: &[NodeUuid], missing: impl Fn(&str) -> Answer) {
        let mut tally = query.tally.borrow_mut();
        for (node, answer) in self.answers.into_last() {
            tally.answer(&node, answer);
        }
        for node in nodes {
            if let Some(excuse) = tally.excuse(node).map(str::to_owned) {
                tally.answer(node, missing(&excuse));
            }
        }
    }
}

/// Tells of a look that brought nothing.
fn trouble<S: Services>(query: &LiveQuery<'_, S>, failure: &Failure) {
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
