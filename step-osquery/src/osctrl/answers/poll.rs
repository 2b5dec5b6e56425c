//! One poll of the stream.

use std::collections::{BTreeSet, HashSet};

use futures::StreamExt as _;
use futures::lock::Mutex;
use futures::stream;

use super::context::{AnswersPoll, STORED_ELSEWHERE};
use super::counts::Counts;
use super::cursor::{AnswersCursor, PREFIX, key};
use super::earlier;
use super::list::list;
use super::listed_query::AnswersOutcome;
use crate::contract::{Change, Failure, Level, PollServices};
use crate::osctrl::api::OsctrlApi;
use crate::osctrl::environment::Environment;
use crate::osctrl::wire::QueryListed;
use crate::polling::{Initial, Poll, Summary, forget, remember};

/// Present once a first poll has read every query.
const BASELINE: &str = "answers/baseline";

/// The number of queries that are read at once.
const CONCURRENT: usize = 4;

/// Polls once.
pub(crate) async fn poll<S: PollServices>(
    poll: &Poll<'_, S, OsctrlApi>,
    environment: &Environment,
) -> Result<Summary, Failure> {
    let (queries, now) = list(poll, environment).await?;
    let first = poll.recall(BASELINE).await.is_none();
    let answers_poll = AnswersPoll {
        poll,
        environment,
        first,
        elsewhere: poll.recall(STORED_ELSEWHERE).await.is_some(),
        quiet: first && poll.options.initial == Initial::Skip,
        now,
        hostnames: Mutex::new(None),
        earlier: Mutex::default(),
    };
    let (counts, failures) = read_all(&answers_poll, &queries).await?;
    answers_poll.check_storage(&counts).await?;
    let mut changes = forget_unlisted(poll, &queries).await;
    if first {
        changes.push(remember(BASELINE.to_owned(), &true));
    }
    poll.deliver(&[], changes).await?;
    if counts.errors > 0 {
        let message = format!("{} answers were errors of their nodes and have no rows", counts.errors);
        poll.services.log(Level::Warn, &message);
    }
    Ok(Summary {
        message: format!(
            "{} queries, {} new answers, {} rows",
            queries.len(),
            counts.answers,
            counts.rows
        ),
        failures,
    })
}

/// Reads all queries. Returns the counts of their new answers, and which queries could not be read.
async fn read_all<S: PollServices>(
    answers_poll: &AnswersPoll<'_, '_, S>,
    queries: &[QueryListed],
) -> Result<(Counts, Vec<String>), Failure> {
    let mut read = stream::iter(queries)
        .map(|query| answers_poll.query(query))
        .buffer_unordered(CONCURRENT);
    let (mut counts, mut done, mut failed) = (Counts::default(), 0, Vec::new());
    while let Some(outcome) = read.next().await {
        done += 1;
        match outcome? {
            AnswersOutcome::Read(read) => counts.add(&read),
            AnswersOutcome::Failed(query, cursor, failure) => failed.push((query, cursor, failure)),
        }
        answers_poll
            .poll
            .services
            .progress(done, queries.len(), "reading answers");
    }
    drop(read);
    if failed.len() == queries.len()
        && let Some((_, _, failure)) = failed.pop()
    {
        // Then the server is failing, and not the queries.
        return Err(failure);
    }
    let mut failures = Vec::new();
    for (query, cursor, failure) in failed {
        failures.push(format!("the answers to `{}` could not be read: {failure}", query.name));
        answers_poll.count_failure(query, *cursor, &failure).await?;
    }
    Ok((counts, failures))
}

/// Marks the cursors of queries that are no longer listed, and forgets those that were marked before.
async fn forget_unlisted<S: PollServices>(poll: &Poll<'_, S, OsctrlApi>, queries: &[QueryListed]) -> Vec<Change> {
    let listed: BTreeSet<&str> = queries.iter().map(|query| query.name.as_str()).collect();
    let unlisted = poll.entries(PREFIX, |name, text| {
        (!listed.contains(name)).then(|| (name.to_owned(), text))
    });
    let changes = unlisted
        .await
        .into_iter()
        .map(|(name, text)| match serde_json::from_str::<AnswersCursor>(&text) {
            Ok(cursor) if !cursor.unlisted => remember(
                key(&name),
                &AnswersCursor {
                    unlisted: true,
                    ..cursor
                },
            ),
            _ => forget(key(&name)),
        });
    let mut changes: Vec<_> = changes.collect();
    if changes.iter().any(|change| change.value.is_none()) {
        let statements = queries.iter().map(|query| query.query.as_str());
        changes.extend(forget_answers(poll, statements).await);
    }
    changes
}

/// Forgets the answers to all statements but these, which queries still have.
async fn forget_answers<'s, S: PollServices>(
    poll: &Poll<'_, S, OsctrlApi>,
    statements: impl Iterator<Item = &'s str>,
) -> Vec<Change> {
    let known: HashSet<String> = statements.map(earlier::prefix).collect();
    let others = poll.entries(earlier::PREFIX, |key, _| {
        let key = format!("{}{key}", earlier::PREFIX);
        let (prefix, _) = key.rsplit_once('/')?;
        (!known.contains(&format!("{prefix}/"))).then_some(key)
    });
    others.await.into_iter().map(forget).collect()
}
