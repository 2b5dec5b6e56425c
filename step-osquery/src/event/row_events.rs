//! Events of the rows that a query returned.

use std::collections::HashMap;
use std::rc::Rc;

use jiff::Timestamp;

use super::digest::{digest_of, row_digest};
use super::model::{About, Event, HostRef, QueryRef, Source};
use crate::contract::Severity;
use crate::osquery::{Row, tables};
use crate::text::cut;

/// The number of events that are delivered at once. A host's answer is never split, so there can be more.
pub(crate) const BATCH_SIZE: usize = 1_000;

/// Makes events of the rows of one query.
pub(crate) struct RowEvents {
    query: Rc<QueryRef>,
    severity: Severity,
    /// False if the statement could not be parsed, so that its rows are of medium severity.
    pub(crate) is_parsed: bool,
}

impl RowEvents {
    pub(crate) fn new(name: &str, id: String, sql: &str) -> Self {
        let tables = tables(sql);
        let is_parsed = tables.is_ok();
        let tables = tables.unwrap_or_default();
        let (severity, table) = Severity::of_tables(&tables);
        Self {
            query: Rc::new(QueryRef {
                name: name.to_owned(),
                id,
                sql: sql.to_owned(),
                table: table.map(str::to_owned),
            }),
            severity,
            is_parsed,
        }
    }

    /// Returns the events of one host's answer. A row that occurs twice in it gives two events.
    pub(crate) fn of_answer(
        &self,
        source: &Source,
        host: &Rc<HostRef>,
        time: Timestamp,
        rows: impl IntoIterator<Item = Row>,
    ) -> Vec<Event> {
        let mut occurrences: HashMap<String, usize> = HashMap::new();
        let rows = rows.into_iter().map(|row| {
            let content = row_digest(&row);
            let occurrence = occurrences.entry(content.clone()).or_default();
            *occurrence += 1;
            self.event(source, host, time, row, &content, *occurrence)
        });
        rows.collect()
    }

    fn event(
        &self,
        source: &Source,
        host: &Rc<HostRef>,
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
        let dedupe_key = digest_of(&parts);
        // Alerts are collapsed by title and host, so the title of a severe row holds the row.
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

/// Returns a row in one line, for titles.
fn row_in_words(row: &Row) -> String {
    let columns: Vec<String> = row
        .iter()
        .filter_map(|(column, value)| match value.as_str() {
            Some("") | None => None,
            Some(text) => Some(format!("{column}={}", cut(text, 60))),
        })
        .collect();
    cut(&columns.join(" "), 200)
}
