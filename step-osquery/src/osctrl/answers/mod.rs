//! The stream `answers`: an event for each row of each answer to a distributed query.
//!
//! An answer is stamped and counted before it can be read, and comes whenever its node checks in, which may be long after the
//! query was made. So a query is read again when its counters have moved, and goes on being read until they have stood
//! still for as long as an answer may take to be stored.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use futures::StreamExt as _;
use futures::lock::Mutex;
use futures::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::earlier::Earlier;
use self::owed::{News, Owed};
use super::api::OsctrlApi;
use super::environment::Environment;
use super::live_query::answers::OVERLAP;
use super::nodes::name;
use super::wire::{QueriesPage, QueryListed};
use crate::contract::{Failure, Kind};
use crate::contract::{Feeds, Level};
use crate::event::Event;
use crate::exports::connectors::{self as connector, Initial, Summary, forget, remember};
use crate::polling::trouble::Trouble;

mod earlier;
mod notices;
mod owed;
mod reading;

type Poll<'a, S> = connector::Poll<'a, S, OsctrlApi>;

/// What the keys of cursors begin with.
const QUERY: &str = "query/";

/// Present once a first poll has read every query.
const BASELINE: &str = "answers/baseline";

/// Present while answers are counted that cannot be read.
const ELSEWHERE: &str = "answers/elsewhere";

/// Queries on a page, the most that osctrl gives.
const QUERIES: usize = 500;

/// Queries that are read at once.
const CONCURRENT: usize = 4;

/// How far a query's answers have been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// The answers that the server had counted when they were last read.
    counted: u64,
    /// When they were seen to have grown, by the server's clock.
    grown: Timestamp,
    /// Whether they have stood still since for long enough.
    settled: bool,
    /// The newest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<Timestamp>,
    /// The nodes whose answers have been told. A node can answer twice, and a server store each answer twice.
    nodes: BTreeSet<String>,
    /// The nodes that have answered with an error, and may yet answer with rows.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    failed: BTreeSet<String>,
    /// Whether the query was not listed by the last poll. One that is missing twice is gone; once, it may only have moved
    /// between pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unlisted: bool,
    /// Whether the answers could not be read lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing: Option<Trouble>,
    /// Set if the first poll was to tell nothing and could not read this query: what was answered until then is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quiet: Option<Timestamp>,
    /// Whether it was there at the first poll, when answers may have been counted and not be stored any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    history: bool,
    /// What was counted and cannot be read.
    #[serde(default)]
    owed: Owed,
}

/// What all queries of a poll have in common.
struct Reading<'a, 'b, S> {
    poll: &'a Poll<'b, S>,
    environment: &'a Environment,
    first: bool,
    /// Whether this is a first poll whose answers are to be remembered and not told.
    quiet: bool,
    /// Whether it was said that answers are not stored here.
    elsewhere: bool,
    now: Timestamp,
    /// Hostnames by uuid, once they were needed.
    hostnames: Mutex<Option<Rc<HashMap<String, String>>>>,
    /// Held by whoever compares answers with earlier ones and hands over what is new of them.
    earlier: Mutex<Earlier>,
}

/// What reading one query came to.
#[derive(Default)]
struct Told {
    rows: usize,
    answers: usize,
    /// Answers that were errors and have no rows.
    errors: usize,
    /// The newest query with answers that were counted, and whether there is one that can be read.
    newest: Option<(u64, bool)>,
}

impl Cursor {
    /// Whether answers may have been counted that cannot be read. Those that were just counted may only be late.
    fn may_owe(&self, query: &QueryListed) -> bool {
        self.settled && self.owed.is_possible(query, self.nodes.len())
    }
}

impl Told {
    /// Nothing was read of a query.
    fn nothing_of(query: &QueryListed, cursor: &Cursor) -> Self {
        // A failure can be counted and not be stored; an answer with rows never. One that was just counted may only be late.
        let counts = cursor.settled && query.executions > 0;
        Self {
            newest: counts.then_some((query.id, !cursor.nodes.is_empty())),
            ..Self::default()
        }
    }
}

enum Outcome<'q> {
    Read(Told),
    Failed(&'q QueryListed, Box<Cursor>, Failure),
}

/// Polls once.
pub(super) async fn poll<S: Feeds>(poll: &Poll<'_, S>, environment: &Environment) -> Result<Summary, Failure> {
    let (queries, now) = list(poll, environment).await?;
    let first = poll.recall(BASELINE).await.is_none();
    let reading = Reading {
        poll,
        environment,
        first,
        elsewhere: poll.recall(ELSEWHERE).await.is_some(),
        quiet: first && poll.options.initial == Initial::Skip,
        now,
        hostnames: Mutex::new(None),
        earlier: Mutex::default(),
    };
    let mut read = stream::iter(&queries)
        .map(|query| reading.query(query))
        .buffer_unordered(CONCURRENT);
    let (mut all, mut done, mut failed) = (Told::default(), 0, Vec::new());
    while let Some(outcome) = read.next().await {
        done += 1;
        match outcome? {
            Outcome::Read(told) => {
                all.rows += told.rows;
                all.answers += told.answers;
                all.errors += told.errors;
                all.newest = all.newest.max(told.newest);
            }
            Outcome::Failed(query, cursor, failure) => failed.push((query, cursor, failure)),
        }
        poll.services.progress(done, queries.len(), "reading answers");
    }
    drop(read);
    if failed.len() == queries.len()
        && let Some((_, _, failure)) = failed.pop()
    {
        // Not the queries are failing then, but the server.
        return Err(failure);
    }
    let mut failures = Vec::new();
    for (query, cursor, failure) in failed {
        failures.push(format!("the answers to `{}` could not be read: {failure}", query.name));
        reading.count_failure(query, *cursor, &failure).await?;
    }
    reading.say_elsewhere(&all).await?;
    let listed: BTreeSet<&str> = queries.iter().map(|query| query.name.as_str()).collect();
    let unlisted = poll.entries(QUERY, |name, text| {
        (!listed.contains(name)).then(|| (name.to_owned(), text))
    });
    let changes = unlisted
        .await
        .into_iter()
        .map(|(name, text)| match serde_json::from_str::<Cursor>(&text) {
            Ok(cursor) if !cursor.unlisted => remember(
                key(&name),
                &Cursor {
                    unlisted: true,
                    ..cursor
                },
            ),
            _ => forget(key(&name)),
        });
    let mut changes: Vec<_> = changes.collect();
    if changes.iter().any(|change| change.value.is_none()) {
        let statements = queries.iter().map(|query| query.query.as_str());
        changes.extend(earlier::forget_all_but(poll, statements).await);
    }
    if first {
        changes.push(remember(BASELINE.to_owned(), &true));
    }
    poll.deliver(&[], changes).await?;
    if all.errors > 0 {
        let message = format!("{} answers were errors of their nodes and have no rows", all.errors);
        poll.services.log(Level::Warn, &message);
    }
    Ok(Summary {
        message: format!(
            "{} queries, {} new answers, {} rows",
            queries.len(),
            all.answers,
            all.rows
        ),
        failures,
    })
}

fn key(query: &str) -> String {
    format!("{QUERY}{query}")
}

/// All queries, those that are hidden, over or deleted included, and what the server's clock said.
async fn list<S: Feeds>(
    poll: &Poll<'_, S>,
    environment: &Environment,
) -> Result<(Vec<QueryListed>, Timestamp), Failure> {
    let (mut queries, mut seen, mut date) = (Vec::new(), BTreeSet::new(), poll.services.now());
    // A deleted query's answers can still be read, and stands in no other list.
    for list in ["all-full", "deleted"] {
        for number in 1.. {
            let route = format!(
                "/queries/{}/list/{list}?page={number}&page_size={QUERIES}&sort=created&dir=asc",
                environment.segment()
            );
            let page = poll.session.get_dated::<QueriesPage>(&route).await;
            let (page, now) = page.map_err(|failure| name(failure, environment))?;
            date = now;
            // A query can stand on two pages when others are deleted in between.
            queries.extend(page.items.into_iter().filter(|query| seen.insert(query.name.clone())));
            if number >= page.total_pages {
                break;
            }
        }
    }
    Ok((queries, date))
}

impl<S: Feeds> Reading<'_, '_, S> {
    /// Reads the answers to a query, if there can be new ones. What fails here stops this query and no other.
    async fn query<'q>(&self, query: &'q QueryListed) -> Result<Outcome<'q>, Failure> {
        let remembered = self.poll.recall(&key(&query.name)).await;
        let mut cursor: Cursor = match remembered {
            Some(text) => serde_json::from_str(&text)
                .map_err(|_| Failure::new(Kind::Internal, format!("the cursor of {} cannot be read", query.name)))?,
            None => Cursor {
                quiet: Some(self.now).filter(|_| self.quiet),
                history: self.first,
                settled: true,
                ..Cursor::default()
            },
        };
        let counted = query.executions.saturating_add(query.errors);
        let before = cursor.clone();
        cursor.unlisted = false;
        if counted != cursor.counted {
            cursor.counted = counted;
            cursor.grown = self.now;
            cursor.settled = false;
        }
        if cursor.settled && cursor == before && !cursor.may_owe(query) {
            return Ok(Outcome::Read(Told::nothing_of(query, &cursor)));
        }
        let (told, news) = match self.read(query, &mut cursor).await {
            Ok(read) => read,
            Err(failure) if failure.kind == Kind::Cancelled => return Err(failure),
            Err(failure) => {
                // The next poll tries again from where this one got.
                cursor.counted = before.counted;
                cursor.settled = false;
                return Ok(Outcome::Failed(query, Box::new(cursor), failure));
            }
        };
        let mut events: Vec<Event> = self.standstill(query, news).into_iter().collect();
        if let Some(failing) = Trouble::end(&mut cursor.failing) {
            events.push(self.failing(
                query,
                "answers-recovered",
                &format!("they could not since {}", failing.since),
            ));
        }
        if cursor.settled {
            cursor.quiet = None;
        }
        if cursor != before || !events.is_empty() {
            self.poll
                .deliver(&events, vec![remember(key(&query.name), &cursor)])
                .await?;
        }
        Ok(Outcome::Read(Told {
            newest: Told::nothing_of(query, &cursor).newest,
            ..told
        }))
    }

    /// Reads what there may be of the answers, and looks at what is owed of them.
    async fn read(&self, query: &QueryListed, cursor: &mut Cursor) -> Result<(Told, News), Failure> {
        let mut stored = None;
        if cursor.may_owe(query) {
            stored = Some(self.stored(query).await?);
        }
        let told = match stored {
            Some(stored) if !cursor.owed.has_moved(stored) => Told::default(),
            // What comes after so long may be stamped long ago.
            Some(_) => self.answers(query, cursor, None).await?,
            None => self.answers(query, cursor, cursor.newest).await?,
        };
        cursor.settled = self.now.duration_since(cursor.grown) >= OVERLAP;
        if !cursor.settled {
            return Ok((told, News::None));
        }
        if !cursor.may_owe(query) {
            return Ok((told, cursor.owed.nothing()));
        }
        let stored = match stored {
            Some(stored) => stored,
            None => self.stored(query).await?,
        };
        let untold = cursor.nodes.is_empty() && self.elsewhere;
        if std::mem::take(&mut cursor.history) || untold {
            // Nobody knows what was there before, and what is stored elsewhere was said for all queries.
            cursor.owed.forgive(query, stored);
        }
        Ok((told, cursor.owed.judge(query, stored, self.now)))
    }
}
