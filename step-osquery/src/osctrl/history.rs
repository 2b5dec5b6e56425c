//! The stream `answers`: an event for each row of each answer to a distributed query.
//!
//! An answer is stamped and counted before it can be read, and comes whenever its node checks in, which may be long after the
//! query was made. So a query is read again when its counters have moved, and goes on being read until they have stood
//! still for as long as an answer may take to be stored.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use futures::StreamExt as _;
use futures::lock::Mutex;
use futures::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answers::{OVERLAP, PAGE, answer};
use super::api::OsctrlApi;
use super::environment::Environment;
use super::nodes::{self, canonical, name};
use super::wire::{QueriesPage, QueryListed, QueryShown, ResultsPage};
use crate::connector::{self, Initial, Notice, Summary, forget, notice, remember};
use crate::event::{Event, HostName, key as hash};
use crate::failure::{Failure, Kind};
use crate::rows::Asked;
use crate::services::{Feeds, Level};
use crate::severity::Severity;
use crate::standstill::Failing;
use crate::tally::Answer;

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
    failing: Option<Failing>,
    /// Set if the first poll was to tell nothing and could not read this query: what was answered until then is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quiet: Option<Timestamp>,
}

/// What all queries of a poll have in common.
struct Reading<'a, 'b, S> {
    poll: &'a Poll<'b, S>,
    environment: &'a Environment,
    /// Whether this is a first poll whose answers are to be remembered and not told.
    quiet: bool,
    now: Timestamp,
    /// Hostnames by uuid, once they were needed.
    hostnames: Mutex<Option<Rc<HashMap<String, String>>>>,
}

/// What reading one query came to.
#[derive(Default)]
struct Told {
    rows: usize,
    answers: usize,
    /// Answers that were errors and have no rows.
    errors: usize,
    /// Whether answers were counted that nobody can read.
    elsewhere: bool,
}

enum Outcome<'q> {
    Read(Told),
    Failed(&'q QueryListed, Cursor, Failure),
}

/// Polls once.
pub(super) async fn poll<S: Feeds>(poll: &Poll<'_, S>, environment: &Environment) -> Result<Summary, Failure> {
    let (queries, now) = list(poll, environment).await?;
    let first = poll.recall(BASELINE).await.is_none();
    let reading = Reading {
        poll,
        environment,
        quiet: first && poll.options.initial == Initial::Skip,
        now,
        hostnames: Mutex::new(None),
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
                all.elsewhere |= told.elsewhere;
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
        reading.count_failure(query, cursor, &failure).await?;
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
        } else if cursor.settled && cursor == before {
            return Ok(Outcome::Read(Told::default()));
        }
        let told = match self.answers(query, &mut cursor).await {
            Ok(told) => told,
            Err(failure) if failure.kind == Kind::Cancelled => return Err(failure),
            Err(failure) => {
                // The next poll tries again from where this one got.
                cursor.counted = before.counted;
                cursor.settled = false;
                return Ok(Outcome::Failed(query, cursor, failure));
            }
        };
        cursor.settled = self.now.duration_since(cursor.grown) >= OVERLAP;
        let mut events = Vec::new();
        if let Some(failing) = Failing::end(&mut cursor.failing) {
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
            // A failure can be counted and not be stored; an answer with rows never.
            elsewhere: cursor.settled && query.executions > 0 && cursor.nodes.is_empty(),
            ..told
        }))
    }

    /// Reads page by page from a little before the newest answer, and tells those that were not told.
    async fn answers(&self, query: &QueryListed, cursor: &mut Cursor) -> Result<Told, Failure> {
        let since = cursor.newest.map(|newest| newest.saturating_sub(OVERLAP));
        let since = match since {
            Some(Ok(since)) => format!("&since={since}"),
            _ => String::new(),
        };
        let asked = Asked::new(&query.name, query.name.clone(), &query.query);
        let (mut told, mut targets, mut strangers) = (Told::default(), None, 0);
        for number in 1.. {
            let route = format!(
                "/queries/{}/results/{}?page={number}&page_size={PAGE}{since}",
                self.environment.segment(),
                Environment::encode(&query.name)
            );
            let page: ResultsPage = self.poll.session.get(&route).await?;
            let mut events = Vec::new();
            // What is read here counts once it was handed over.
            let mut after = cursor.clone();
            for item in page.items {
                after.newest = after.newest.max(Some(item.created_at));
                let node = canonical(&item.uuid);
                let known = hash(&[&node])[..16].to_owned();
                if after.nodes.contains(&known) {
                    continue;
                }
                if targets.is_none() {
                    targets = Some(self.targets(query).await?);
                }
                if let Some(Some(targets)) = &targets
                    && !targets.contains(&node)
                {
                    strangers += 1;
                    continue;
                }
                let quiet = self.quiet || after.quiet.is_some_and(|until| item.created_at <= until);
                match answer(&item) {
                    Answer::Rows(rows) => {
                        after.nodes.insert(known);
                        if !quiet {
                            told.answers += 1;
                            let host = HostName {
                                hostname: self.hostname(&node).await?,
                                id: node,
                            };
                            events.extend(asked.events(&self.poll.source, &host, item.created_at, rows));
                        }
                    }
                    _ => told.errors += usize::from(after.failed.insert(known) && !quiet),
                }
            }
            if !events.is_empty() {
                told.rows += events.len();
                // Should the rest never be read, the counters have to look as if they had moved.
                let partly = Cursor {
                    counted: 0,
                    ..after.clone()
                };
                self.poll
                    .deliver(&events, vec![remember(key(&query.name), &partly)])
                    .await?;
            }
            *cursor = after;
            if number >= page.total_pages {
                break;
            }
        }
        if strangers > 0 {
            let message = format!(
                "{strangers} answers to `{}` are of nodes that were not asked, and were left out",
                query.name
            );
            self.poll.services.log(Level::Warn, &message);
        }
        if !asked.understood && told.rows > 0 {
            let message = format!(
                "the statement of `{}` cannot be read; its rows are of medium severity",
                query.name
            );
            self.poll.services.log(Level::Warn, &message);
        }
        Ok(told)
    }

    /// The nodes that a query was for; none if the server does not say or names them otherwise than by uuid. Any agent of the
    /// environment can answer any query.
    async fn targets(&self, query: &QueryListed) -> Result<Option<HashSet<String>>, Failure> {
        let route = format!(
            "/queries/{}/{}",
            self.environment.segment(),
            Environment::encode(&query.name)
        );
        let shown: QueryShown = self.poll.session.get(&route).await?;
        let targets = shown.targets.unwrap_or_default();
        let by_uuid = !targets.is_empty() && targets.iter().all(|target| target.kind == "uuid");
        Ok(by_uuid.then(|| targets.iter().map(|target| canonical(&target.value)).collect()))
    }

    /// A node's hostname; its uuid, if the environment does not have it any more.
    async fn hostname(&self, node: &str) -> Result<String, Failure> {
        let mut hostnames = self.hostnames.lock().await;
        let known = if let Some(known) = &*hostnames {
            known.clone()
        } else {
            let nodes = nodes::all(&self.poll.session, self.environment).await?;
            let named = nodes.into_iter().map(|node| {
                let name = if node.hostname.is_empty() {
                    node.localname
                } else {
                    node.hostname
                };
                (canonical(&node.uuid), name)
            });
            hostnames.insert(Rc::new(named.collect())).clone()
        };
        let found = known.get(node).filter(|name| !name.is_empty());
        Ok(found.cloned().unwrap_or_else(|| node.to_owned()))
    }

    /// Remembers that a query's answers could not be read, and says so when that goes on: its cursor stands still.
    async fn count_failure(&self, query: &QueryListed, mut cursor: Cursor, failure: &Failure) -> Result<(), Failure> {
        let alarming = Failing::count(&mut cursor.failing, self.now);
        let event = alarming.map(|failing| {
            let why = format!("since {}: {failure}", failing.since);
            self.failing(query, "answers-failing", &why)
        });
        let events: Vec<Event> = event.into_iter().collect();
        self.poll
            .deliver(&events, vec![remember(key(&query.name), &cursor)])
            .await
    }

    fn failing(&self, query: &QueryListed, code: &str, why: &str) -> Event {
        let (severity, what) = if code == "answers-failing" {
            (Severity::Medium, "cannot be read")
        } else {
            (Severity::Info, "can be read again")
        };
        let title = format!("osctrl answers to `{}` {what}", query.name);
        self.notice(code, &query.name, severity, title, why.to_owned())
    }

    /// Says once that the server counts answers and does not store them, and forgets it when it does.
    async fn say_elsewhere(&self, all: &Told) -> Result<(), Failure> {
        let said = self.poll.recall(ELSEWHERE).await.is_some();
        if said && all.answers > 0 {
            return self.poll.deliver(&[], vec![forget(ELSEWHERE.to_owned())]).await;
        }
        if said || !all.elsewhere || all.answers > 0 {
            return Ok(());
        }
        let event = self.notice(
            "answers-stored-elsewhere",
            self.environment.as_str(),
            Severity::Medium,
            format!("osctrl counts answers in {} and stores none", self.environment.as_str()),
            "osctrl-tls must log answers to the database that osctrl-api reads (logger: db, or ALWAYS_LOG)".into(),
        );
        self.poll
            .deliver(&[event], vec![remember(ELSEWHERE.to_owned(), &true)])
            .await
    }

    fn notice(&self, code: &str, about: &str, severity: Severity, title: String, description: String) -> Event {
        let said = Notice {
            code: code.to_owned(),
            id: format!("{about}-{}", self.now.as_millisecond()),
            severity,
            title,
            description,
            time: self.now,
        };
        notice(&self.poll.source, said)
    }
}
