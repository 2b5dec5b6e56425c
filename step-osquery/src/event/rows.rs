//! Rows that queries returned, as events.

use std::collections::HashMap;
use std::rc::Rc;

use jiff::Timestamp;

use crate::contract::Severity;
use crate::event::{About, Event, HostName, Query, Source, content, cut, key, row_in_words};
use crate::live_query::Row;
use crate::osquery::tables;

/// Events that are handed over at once. A host's answer is never split, so there can be more.
pub(crate) const BATCH: usize = 1_000;

/// A query, and what its rows have in common.
pub(crate) struct Asked {
    query: Rc<Query>,
    severity: Severity,
    /// Whether the statement could be read; if not, its rows are like those of any other table.
    pub(crate) understood: bool,
}

impl Asked {
    pub(crate) fn new(name: &str, id: String, sql: &str) -> Self {
        let tables = tables(sql);
        let understood = tables.is_ok();
        let tables = tables.unwrap_or_default();
        let (severity, table) = Severity::of_tables(&tables);
        Self {
            query: Rc::new(Query {
                name: name.to_owned(),
                id,
                sql: sql.to_owned(),
                table: table.map(str::to_owned),
            }),
            severity,
            understood,
        }
    }

    /// The events of one host's answer. A row that stands in it twice is told twice.
    pub(crate) fn events(
        &self,
        source: &Source,
        host: &Rc<HostName>,
        time: Timestamp,
        rows: impl IntoIterator<Item = Row>,
    ) -> Vec<Event> {
        let mut occurrences: HashMap<String, usize> = HashMap::new();
        let rows = rows.into_iter().map(|row| {
            let content = content(&row);
            let occurrence = occurrences.entry(content.clone()).or_default();
            *occurrence += 1;
            self.event(source, host, time, row, &content, *occurrence)
        });
        rows.collect()
    }

    fn event(
        &self,
        source: &Source,
        host: &Rc<HostName>,
        time: Timestamp,
        row: Row,
        content: &str,
        occurrence: usize,
    ) -> Event {
        let nth = occurrence.to_string();
        let mut parts = vec![
            source.connector,
            &source.origin,
            "query_row",
            &host.id,
            &self.query.id,
            content,
        ];
        if occurrence > 1 {
            parts.push(&nth);
        }
        let dedupe_key = key(&parts);
        // Alerts are collapsed by title and host, so a severe row's title says what it is about.
        let title = if self.severity >= Severity::High {
            format!("{} query: {}: {}", source.product, self.query.name, row_in_words(&row))
        } else {
            format!("{} query: {}", source.product, self.query.name)
        };
        Event {
            severity: self.severity,
            title,
            description: cut(&self.query.sql, 400),
            alert_id: format!(
                "{}-q{}-h{}-{}",
                source.connector,
                self.query.id,
                host.id,
                &dedupe_key[..8]
            ),
            external_id: self.query.id.clone(),
            host: Some(Rc::clone(host)),
            dedupe_key,
            time,
            about: About::Row {
                query: Rc::clone(&self.query),
                row,
            },
        }
    }
}
