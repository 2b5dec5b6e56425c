//! Reads the answers to one query, and hands over those that were not told.

use std::collections::HashSet;
use std::rc::Rc;

use jiff::Timestamp;

use super::{Cursor, Reading, Told, key};
use crate::contract::Failure;
use crate::contract::{Feeds, Level};
use crate::event::rows::Asked;
use crate::event::{HostName, key as hash};
use crate::exports::connectors::{Rows, remember};
use crate::live_query::{Answer, Row};
use crate::osctrl::environment::Environment;
use crate::osctrl::live_query::answers::{OVERLAP, PAGE, answer};
use crate::osctrl::nodes::{self, canonical};
use crate::osctrl::wire::{QueryListed, QueryShown, ResultsPage};

/// An answer that was not told yet.
struct Fresh {
    host: Rc<HostName>,
    at: Timestamp,
    rows: Vec<Row>,
    /// Whether it is only remembered.
    quiet: bool,
}

impl<S: Feeds> Reading<'_, '_, S> {
    /// How many answers are stored.
    pub(super) async fn stored(&self, query: &QueryListed) -> Result<u64, Failure> {
        let page: ResultsPage = self.poll.session.get(&self.results(query, 1, 1)).await?;
        Ok(page.total_items)
    }

    fn results(&self, query: &QueryListed, page: usize, size: usize) -> String {
        format!(
            "/queries/{}/results/{}?page={page}&page_size={size}",
            self.environment.segment(),
            Environment::encode(&query.name)
        )
    }

    /// Reads page by page from a little before the newest answer or, without one, from the start, and tells those that were
    /// not told.
    pub(super) async fn answers(
        &self,
        query: &QueryListed,
        cursor: &mut Cursor,
        newest: Option<Timestamp>,
    ) -> Result<Told, Failure> {
        let since = newest.map(|newest| newest.saturating_sub(OVERLAP));
        let since = match since {
            Some(Ok(since)) => format!("&since={since}"),
            _ => String::new(),
        };
        let asked = Asked::new(&query.name, query.name.clone(), &query.query);
        let (mut told, mut targets, mut strangers) = (Told::default(), None, 0);
        for number in 1.. {
            let route = self.results(query, number, PAGE) + &since;
            let page: ResultsPage = self.poll.session.get(&route).await?;
            let mut fresh = Vec::new();
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
                        let hostname = if quiet {
                            String::new()
                        } else {
                            self.hostname(&node).await?
                        };
                        let host = Rc::new(HostName { hostname, id: node });
                        fresh.push(Fresh {
                            host,
                            at: item.created_at,
                            rows,
                            quiet,
                        });
                    }
                    _ => told.errors += usize::from(after.failed.insert(known) && !quiet),
                }
            }
            told.answers += fresh.iter().filter(|answer| !answer.quiet).count();
            told.rows += self.hand_over(query, &asked, fresh, &after).await?;
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

    /// Hands over answers, with the cursor that stands behind them. Returns how many rows were told.
    async fn hand_over(
        &self,
        query: &QueryListed,
        asked: &Asked,
        answers: Vec<Fresh>,
        cursor: &Cursor,
    ) -> Result<usize, Failure> {
        let only_changed = self.poll.options.rows == Rows::Changed;
        // To the end: what is compared with an answer that is never handed over would be lost with it.
        let mut earlier = self.earlier.lock().await;
        let (mut events, mut changes) = (Vec::new(), Vec::new());
        for Fresh { host, at, rows, quiet } in answers {
            let (rows, change) = if only_changed {
                earlier.changed(self.poll, &query.query, &host.id, at, rows).await
            } else {
                (rows, None)
            };
            changes.extend(change);
            if !quiet {
                events.extend(asked.events(&self.poll.source, &host, at, rows));
            }
        }
        if events.is_empty() && changes.is_empty() {
            return Ok(0);
        }
        // Should the rest never be read, the counters have to look as if they had moved.
        let partly = Cursor {
            counted: 0,
            ..cursor.clone()
        };
        changes.push(remember(key(&query.name), &partly));
        self.poll.deliver(&events, changes).await?;
        Ok(events.len())
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
}
