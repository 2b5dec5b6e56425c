//! The stream `reports`: an event for each row that a saved query has returned since it was last read.

mod hostnames;
mod stalled;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::hostnames::Names;
use super::api::{FleetApi, Routes};
use super::connector::FleetSource;
use super::wire::{QueriesPage, Report, ReportRow, SavedQuery, Version};
use crate::contract::Severity;
use crate::contract::{Failure, Kind};
use crate::contract::{Feeds, Level};
use crate::event::rows::{Asked, BATCH};
use crate::event::{Event, HostName, content};
use crate::exports::connectors::{self as connector, Initial, Notice, Rows, Summary, forget, notice, remember};
use crate::live_query::text_row;
use crate::polling::trouble::Trouble;

pub(super) type Poll<'a, S> = connector::Poll<'a, S, FleetApi>;

/// What the keys of cursors begin with.
const REPORT: &str = "report/";

/// Present once a first poll has read every report.
const BASELINE: &str = "reports/baseline";

/// Queries on a page.
const PAGE: usize = 100;

/// From this version on, a full report keeps refreshing the hosts that are in it.
const REFRESHES: (u32, u32) = (4, 93);

/// How far a report has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Until when each host's rows have been read: microseconds since 1970, by the server's clock. One time for all hosts
    /// would lose the rows of a host that reports while another's, which came later, are already there.
    pub(super) hosts: BTreeMap<u64, i64>,
    /// What each host's rows held, if only changed ones are told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rows: BTreeMap<u64, BTreeSet<String>>,
    /// What has been said of the report and still holds.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    told: BTreeSet<String>,
    /// Whether it could not be read lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing: Option<Trouble>,
    /// Set if the first poll was to tell nothing and could not read this report: rows until then are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quiet: Option<Timestamp>,
    /// The runs that Fleet had counted when the report last moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) runs: Option<u64>,
    /// Whether it has stood still lately although there were runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stalled: Option<Trouble>,
}

/// What a poll of one report came to.
enum Outcome<'q> {
    /// So many rows were told.
    Read(usize),
    /// It could not be read, and its cursor stands where it stood.
    Failed(&'q SavedQuery, Box<Cursor>, Failure),
}

/// What all reports of a poll have in common.
struct Reading<'a, 'b, S> {
    poll: &'a Poll<'b, S>,
    routes: Routes,
    team: String,
    /// The server's version, if it tells.
    version: Option<(u32, u32)>,
    first: bool,
    now: Timestamp,
    names: Names,
}

/// Polls once.
pub(super) async fn poll<S: Feeds>(poll: &Poll<'_, S>, config: &FleetSource) -> Result<Summary, Failure> {
    let routes = Routes::of(&poll.session).await?;
    let (queries, now) = list(poll, routes, config).await?;
    let reading = Reading {
        poll,
        routes,
        team: config
            .team_id
            .map(|team| format!("?team_id={team}"))
            .unwrap_or_default(),
        version: version(poll).await,
        first: poll.recall(BASELINE).await.is_none(),
        now,
        names: Names::default(),
    };
    let mut reports = stream::iter(&queries)
        .map(|query| reading.report(query))
        .buffer_unordered(poll.options.concurrent_reports.max(1));
    let (mut told, mut done, mut failed) = (0, 0, Vec::new());
    while let Some(outcome) = reports.next().await {
        done += 1;
        match outcome? {
            Outcome::Read(rows) => told += rows,
            Outcome::Failed(query, cursor, failure) => failed.push((query, cursor, failure)),
        }
        poll.services.progress(done, queries.len(), "reading reports");
    }
    drop(reports);
    if failed.len() == queries.len()
        && let Some((_, _, failure)) = failed.pop()
    {
        // Not the reports are failing then, but the server.
        return Err(failure);
    }
    let mut failures = Vec::new();
    for (query, cursor, failure) in failed {
        failures.push(format!("the report of `{}` could not be read: {failure}", query.name));
        reading.count_failure(query, *cursor, &failure).await?;
    }
    let listed: BTreeSet<u64> = queries.iter().map(|query| query.id).collect();
    let gone = poll.entries(REPORT, |id, _| id.parse().ok().filter(|id| !listed.contains(id)));
    let mut changes: Vec<_> = gone.await.into_iter().map(|id: u64| forget(key(id))).collect();
    if reading.first {
        changes.push(remember(BASELINE.to_owned(), &true));
    }
    poll.deliver(&[], changes).await?;
    Ok(Summary {
        message: format!("{} queries, {told} new rows", queries.len()),
        failures,
    })
}

/// When a host's rows came; all of them do together.
fn newest(rows: &[ReportRow]) -> Timestamp {
    rows.iter().map(|row| row.last_fetched).max().unwrap_or_default()
}

fn key(query: u64) -> String {
    format!("{REPORT}{query}")
}

/// The global queries and, with a team, the team's and those that it inherits, each once.
async fn list<S: Feeds>(
    poll: &Poll<'_, S>,
    routes: Routes,
    config: &FleetSource,
) -> Result<(Vec<SavedQuery>, Timestamp), Failure> {
    let mut filters = vec![String::new()];
    // Old servers do not know `merge_inherited`, so the global ones are asked for in any case.
    filters.extend(
        config
            .team_id
            .map(|team| format!("&team_id={team}&merge_inherited=true")),
    );
    let mut queries: BTreeMap<u64, SavedQuery> = BTreeMap::new();
    let mut date = poll.services.now();
    for filter in filters {
        for number in 0.. {
            let route = format!(
                "{}?page={number}&per_page={PAGE}&order_key=id&order_direction=asc{filter}",
                routes.list()
            );
            let (page, now) = poll.session.get_dated::<QueriesPage>(&route).await?;
            date = now;
            let found = page.queries.or(page.reports).unwrap_or_default();
            let fresh = found.len();
            let known = queries.len();
            queries.extend(found.into_iter().map(|query| (query.id, query)));
            let more = page.meta.is_none_or(|meta| meta.has_next_results);
            // A server that does not page gives everything at once, again and again.
            if fresh < PAGE || !more || (number > 0 && queries.len() == known) {
                break;
            }
        }
    }
    Ok((queries.into_values().collect(), date))
}

/// The server's version. Some users may not ask for it.
async fn version<S: Feeds>(poll: &Poll<'_, S>) -> Option<(u32, u32)> {
    let version: Version = poll.session.get("/version").await.ok()?;
    let mut parts = version.version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

impl<S: Feeds> Reading<'_, '_, S> {
    /// Whether this is a first poll whose rows are to be remembered and not told.
    fn quiet(&self) -> bool {
        self.first && self.poll.options.initial == Initial::Skip
    }

    /// Reads a report. What fails here stops this report and no other.
    async fn report<'q>(&self, query: &'q SavedQuery) -> Result<Outcome<'q>, Failure> {
        let remembered = self.poll.recall(&key(query.id)).await;
        let mut cursor: Cursor = match remembered {
            Some(text) => serde_json::from_str(&text).map_err(|_| {
                Failure::new(
                    Kind::Internal,
                    format!("the cursor of query {} cannot be read", query.id),
                )
            })?,
            None => Cursor {
                quiet: Some(self.now).filter(|_| self.quiet()),
                ..Cursor::default()
            },
        };
        let before = cursor.clone();
        if query.discard_data || !matches!(query.logging.as_str(), "" | "snapshot") {
            self.finish(query, before, cursor, &["report-discarded"], Vec::new())
                .await?;
            return Ok(Outcome::Read(0));
        }
        let route = format!("{}/{}/report{}", self.routes.list(), query.id, self.team);
        let report = match self.poll.session.get::<Report>(&route).await {
            Ok(report) => report,
            Err(failure) => return Ok(Outcome::Failed(query, Box::new(cursor), failure)),
        };
        let holds: &[&str] = match (report.report_clipped, self.version) {
            (false, _) => &[],
            (true, Some(version)) if version >= REFRESHES => &["report-clipped"],
            (true, _) => &["report-frozen"],
        };
        let rows = report.results.unwrap_or_default();
        let (told, mut events) = match self.rows(query, &mut cursor, rows).await {
            Ok(told) => told,
            Err(failure) if failure.kind == Kind::Cancelled => return Err(failure),
            Err(failure) => return Ok(Outcome::Failed(query, Box::new(cursor), failure)),
        };
        if let Some(failing) = Trouble::end(&mut cursor.failing) {
            let since = format!("it could not since {}", failing.since);
            events.push(self.notice(query, "report-recovered", &since));
        }
        // What is full or frozen has been said, and why.
        if holds.is_empty() || cursor.hosts != before.hosts {
            events.extend(self.notice_standstill(query, &before, &mut cursor).await);
        }
        self.finish(query, before, cursor, holds, events).await?;
        Ok(Outcome::Read(told))
    }

    /// Says once that a report stands still although its query goes on running, and once that it moves again.
    async fn notice_standstill(&self, query: &SavedQuery, before: &Cursor, cursor: &mut Cursor) -> Option<Event> {
        let runs = query.runs();
        // The count begins anew when the query is changed.
        if cursor.hosts != before.hosts || cursor.runs.is_none() || runs < cursor.runs {
            cursor.runs = runs;
            let ended = Trouble::end(&mut cursor.stalled)?;
            let since = format!("it had not since {}", ended.since);
            return Some(self.notice(query, "report-moving", &since));
        }
        let Some(host) = stalled::overdue(self.poll, query, cursor, self.now).await else {
            Trouble::pass(&mut cursor.stalled);
            return None;
        };
        let trouble = Trouble::count(&mut cursor.stalled, self.now)?;
        let why = format!("since {} or longer, and {host} is online", trouble.since);
        Some(self.notice(query, "report-stalled", &why))
    }

    /// Tells the rows that are newer than the cursor, host by host, and moves the cursor with them. Returns how many there
    /// are, and the events that are still to be handed over.
    async fn rows(
        &self,
        query: &SavedQuery,
        cursor: &mut Cursor,
        rows: Vec<ReportRow>,
    ) -> Result<(usize, Vec<Event>), Failure> {
        let only_changed = self.poll.options.rows == Rows::Changed;
        let mut hosts: BTreeMap<u64, Vec<ReportRow>> = BTreeMap::new();
        for row in rows {
            hosts.entry(row.host_id).or_default().push(row);
        }
        // A host that is not in the report any more has no rows. When it has some again, they are newer.
        cursor.hosts.retain(|host, _| hosts.contains_key(host));
        cursor.rows.retain(|host, _| only_changed && hosts.contains_key(host));
        let read = |cursor: &Cursor, host: u64| cursor.hosts.get(&host).copied().unwrap_or(i64::MIN);
        hosts.retain(|host, rows| newest(rows).as_microsecond() != read(cursor, *host));
        let names = self.names.of(self.poll, hosts.keys().copied()).await?;
        let asked = Asked::new(&query.name, query.id.to_string(), &query.query);
        if !asked.understood && !hosts.is_empty() {
            let message = format!(
                "the statement of `{}` cannot be read; its rows are of medium severity",
                query.name
            );
            self.poll.services.log(Level::Warn, &message);
        }
        let until = cursor.quiet.take();
        let quiet = |newest: Timestamp| self.quiet() || until.is_some_and(|until| newest <= until);
        let (mut events, mut told) = (Vec::new(), 0);
        for (id, rows) in hosts {
            let newest = newest(&rows);
            // Fleet's clock was set back, or its database: these replaced the rows that were read, and are news all the same.
            let until = Some(read(cursor, id)).filter(|until| newest.as_microsecond() > *until);
            let name = names.get(&id).cloned();
            let name = name.unwrap_or_else(|| rows.first().map(|row| row.host_name.clone()).unwrap_or_default());
            let fresh = rows
                .into_iter()
                .filter(|row| until.is_none_or(|until| row.last_fetched.as_microsecond() > until))
                .map(|row| text_row(row.columns));
            let mut fresh: Vec<_> = fresh.collect();
            cursor.hosts.insert(id, newest.as_microsecond());
            if only_changed {
                let now: BTreeSet<String> = fresh.iter().map(content).collect();
                let before = cursor.rows.insert(id, now).unwrap_or_default();
                fresh.retain(|row| !before.contains(&content(row)));
            }
            if !quiet(newest) {
                let host = Rc::new(HostName {
                    id: id.to_string(),
                    hostname: name,
                });
                events.extend(asked.events(&self.poll.source, &host, newest, fresh));
            }
            if events.len() >= BATCH {
                told += events.len();
                let change = remember(key(query.id), cursor);
                self.poll.deliver(&std::mem::take(&mut events), vec![change]).await?;
            }
        }
        Ok((told + events.len(), events))
    }

    /// Says once what holds of a report now, and remembers how far it was read.
    async fn finish(
        &self,
        query: &SavedQuery,
        before: Cursor,
        mut cursor: Cursor,
        holds: &[&str],
        mut events: Vec<Event>,
    ) -> Result<(), Failure> {
        cursor.told.retain(|code| holds.contains(&code.as_str()));
        for code in holds {
            if cursor.told.insert((*code).to_owned()) {
                events.push(self.notice(query, code, ""));
            }
        }
        if cursor == before && events.is_empty() {
            return Ok(());
        }
        self.poll.deliver(&events, vec![remember(key(query.id), &cursor)]).await
    }

    /// Remembers that a report could not be read, and says so when that goes on: its cursor stands still.
    async fn count_failure(&self, query: &SavedQuery, mut cursor: Cursor, failure: &Failure) -> Result<(), Failure> {
        let alarming = Trouble::count(&mut cursor.failing, self.now);
        let event = alarming.map(|failing| {
            let why = format!("since {}: {failure}", failing.since);
            self.notice(query, "report-failing", &why)
        });
        let events: Vec<Event> = event.into_iter().collect();
        self.poll.deliver(&events, vec![remember(key(query.id), &cursor)]).await
    }

    /// Something to say about a report. Its time tells it from the same thing said earlier.
    fn notice(&self, query: &SavedQuery, code: &str, particulars: &str) -> Event {
        let (severity, title, description) = match code {
            "report-clipped" => (
                Severity::Medium,
                "is full",
                "Fleet stores no rows of further hosts; raise the report cap or narrow the query",
            ),
            "report-frozen" => (
                Severity::Medium,
                "is full and frozen",
                "before 4.93 Fleet stops refreshing a full report: its rows are old and incomplete; raise the report cap, \
                 narrow the query, or update Fleet",
            ),
            "report-discarded" => (
                Severity::Low,
                "is not stored",
                "the query discards its data or does not log snapshots, so that there are no rows to read",
            ),
            "report-stalled" => (
                Severity::Medium,
                "stands still",
                "Fleet goes on counting runs of the query and stores no newer rows of hosts that are there; it leaves out a \
                 host's rows above 512 KB, and stores none while it is overloaded",
            ),
            "report-moving" => (Severity::Info, "moves again", "its rows are told as they come"),
            "report-failing" => (
                Severity::Medium,
                "cannot be read",
                "its rows are not told while this lasts",
            ),
            _ => (
                Severity::Info,
                "can be read again",
                "its rows are told from where they were left",
            ),
        };
        let said = Notice {
            code: code.to_owned(),
            id: format!("{}-{}", query.id, self.now.as_millisecond()),
            severity,
            title: format!("FleetDM report of `{}` {title}", query.name),
            description: if particulars.is_empty() {
                description.to_owned()
            } else {
                format!("{description}; {particulars}")
            },
            time: self.now,
        };
        notice(&self.poll.source, said)
    }
}
