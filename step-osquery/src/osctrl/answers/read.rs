//! Reads the answers to one query, and sends those that were not sent yet.

use std::collections::HashSet;
use std::rc::Rc;

use jiff::Timestamp;

use super::context::AnswersPoll;
use super::counts::Counts;
use super::cursor::{AnswersCursor, key};
use super::earlier::{self, EarlierAnswers};
use crate::contract::{Change, Failure, Level, PollServices};
use crate::event::{HostRef, RowEvents, digest_of};
use crate::live_query::Answer;
use crate::osctrl::environment::Environment;
use crate::osctrl::node_uuid::{NodeUuid, canonical};
use crate::osctrl::results::{PAGE_SIZE, answer, since};
use crate::osctrl::wire::{QueryListed, QueryShown, ResultItem, ResultsPage};
use crate::osquery::Row;
use crate::polling::{RowSelection, remember};

/// An answer that was not sent yet.
struct FreshAnswer {
    host: Rc<HostRef>,
    at: Timestamp,
    rows: Vec<Row>,
    /// True if it is only remembered.
    quiet: bool,
}

/// The nodes that a query selected.
#[derive(Default)]
struct Selection {
    /// The nodes, once they were read; `Some(None)` if they are not known.
    #[allow(clippy::option_option, reason = "not read yet, not known, or these")]
    nodes: Option<Option<HashSet<NodeUuid>>>,
    /// The number of answers of other nodes.
    strangers: usize,
}

impl<S: PollServices> AnswersPoll<'_, '_, S> {
    /// Reads how many answers are stored.
    pub(super) async fn stored(&self, query: &QueryListed) -> Result<u64, Failure> {
        let page: ResultsPage = self.poll.session.get(&self.results_route(query, 1, 1)).await?;
        Ok(page.total_items)
    }

    fn results_route(&self, query: &QueryListed, page: usize, size: usize) -> String {
        format!(
            "/queries/{}/results/{}?page={page}&page_size={size}",
            self.environment.segment(),
            Environment::encode(&query.name)
        )
    }

    /// Reads page by page from a little before the newest answer or, without one, from the start, and sends the answers
    /// that were not sent yet.
    pub(super) async fn answers(
        &self,
        query: &QueryListed,
        cursor: &mut AnswersCursor,
        newest: Option<Timestamp>,
    ) -> Result<Counts, Failure> {
        let since = since(newest);
        let row_events = RowEvents::new(&query.name, query.name.clone(), &query.query);
        let (mut counts, mut selection) = (Counts::default(), Selection::default());
        for number in 1.. {
            let route = self.results_route(query, number, PAGE_SIZE) + &since;
            let page: ResultsPage = self.poll.session.get(&route).await?;
            // The cursor moves once the answers have been delivered.
            let mut after = cursor.clone();
            let fresh = self
                .fresh(query, page.items, &mut after, &mut selection, &mut counts)
                .await?;
            counts.answers += fresh.iter().filter(|answer| !answer.quiet).count();
            counts.rows += self.deliver(query, &row_events, fresh, &after).await?;
            *cursor = after;
            if number >= page.total_pages {
                break;
            }
        }
        if selection.strangers > 0 {
            let message = format!(
                "{} answers to `{}` are of nodes that were not asked, and were left out",
                selection.strangers, query.name
            );
            self.poll.services.log(Level::Warn, &message);
        }
        if !row_events.is_parsed && counts.rows > 0 {
            let message = format!(
                "the statement of `{}` cannot be read; its rows are of medium severity",
                query.name
            );
            self.poll.services.log(Level::Warn, &message);
        }
        Ok(counts)
    }

    /// Returns the answers of a page that were not sent yet, and moves the cursor past them.
    async fn fresh(
        &self,
        query: &QueryListed,
        items: Vec<ResultItem>,
        cursor: &mut AnswersCursor,
        selection: &mut Selection,
        counts: &mut Counts,
    ) -> Result<Vec<FreshAnswer>, Failure> {
        let mut fresh = Vec::new();
        for item in items {
            cursor.newest = cursor.newest.max(Some(item.created_at));
            let node = canonical(&item.uuid);
            let known = digest_of(&[&node])[..16].to_owned();
            if cursor.nodes.contains(&known) {
                continue;
            }
            if selection.nodes.is_none() {
                selection.nodes = Some(self.selected_nodes(query).await?);
            }
            if let Some(Some(selected)) = &selection.nodes
                && !selected.contains(&node)
            {
                selection.strangers += 1;
                continue;
            }
            let quiet = self.quiet || cursor.quiet.is_some_and(|until| item.created_at <= until);
            let Answer::Rows(rows) = answer(&item) else {
                counts.errors += usize::from(cursor.failed.insert(known) && !quiet);
                continue;
            };
            cursor.nodes.insert(known);
            let hostname = if quiet {
                String::new()
            } else {
                self.hostname(&node).await?
            };
            fresh.push(FreshAnswer {
                host: Rc::new(HostRef { hostname, id: node }),
                at: item.created_at,
                rows,
                quiet,
            });
        }
        Ok(fresh)
    }

    /// Delivers answers, with the cursor behind them. Returns how many rows were sent.
    async fn deliver(
        &self,
        query: &QueryListed,
        row_events: &RowEvents,
        answers: Vec<FreshAnswer>,
        cursor: &AnswersCursor,
    ) -> Result<usize, Failure> {
        let only_changed = self.poll.options.rows == RowSelection::Changed;
        // Locked to the end: rows that are compared with an answer that is never delivered would be lost with it.
        let mut earlier = self.earlier.lock().await;
        let (mut events, mut changes) = (Vec::new(), Vec::new());
        for FreshAnswer { host, at, rows, quiet } in answers {
            let (rows, change) = if only_changed {
                self.changed(&mut earlier, &query.query, &host.id, at, rows).await
            } else {
                (rows, None)
            };
            changes.extend(change);
            if !quiet {
                events.extend(row_events.of_answer(&self.poll.source, &host, at, rows));
            }
        }
        if events.is_empty() && changes.is_empty() {
            return Ok(0);
        }
        // If the rest is never read, the counters have to look as if they had moved.
        let partly = AnswersCursor {
            counted: 0,
            ..cursor.clone()
        };
        changes.push(remember(key(&query.name), &partly));
        self.poll.deliver(&events, changes).await?;
        Ok(events.len())
    }

    /// Returns the rows of an answer that the node's earlier one did not have, with the change to remember.
    async fn changed(
        &self,
        earlier: &mut EarlierAnswers,
        statement: &str,
        node: &str,
        at: Timestamp,
        rows: Vec<Row>,
    ) -> (Vec<Row>, Option<Change>) {
        let key = earlier::key(statement, node);
        let before = match earlier.sent(&key) {
            Some(content) => Some(content),
            // An entry that cannot be parsed is forgotten: at worst rows are sent again.
            None => self
                .poll
                .recall(&key)
                .await
                .and_then(|text| serde_json::from_str(&text).ok()),
        };
        earlier.changed(key, before, at, rows)
    }

    /// Reads the nodes that a query selected; none if the server does not list them, or selected them otherwise than by
    /// uuid. Any agent of the environment can answer any query.
    async fn selected_nodes(&self, query: &QueryListed) -> Result<Option<HashSet<NodeUuid>>, Failure> {
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
}
