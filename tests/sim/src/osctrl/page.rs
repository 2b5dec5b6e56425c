//! What the lists have in common: pages, and a search that is SQL's.

use std::collections::HashMap;

use axum::extract::Query;
use serde_json::{Value, json};

/// The parameters behind the question mark.
pub(super) type Params = Query<HashMap<String, String>>;

/// A page of a list: what was asked for, or the server's usual.
pub(super) struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// Numbers that make no sense are replaced and not refused.
    pub(super) fn of(params: &HashMap<String, String>, usual: usize, most: usize) -> Self {
        let number = |name: &str| params.get(name).and_then(|text| text.parse::<usize>().ok());
        Self {
            number: number("page").filter(|page| *page >= 1).unwrap_or(1),
            size: number("page_size").filter(|size| *size >= 1).unwrap_or(usual).min(most),
        }
    }

    /// The body of the reply. An empty list has `empty_pages` pages: the routes differ.
    pub(super) fn body(&self, items: &[Value], empty_pages: usize) -> Value {
        let shown: Vec<&Value> = items
            .iter()
            .skip((self.number - 1).saturating_mul(self.size))
            .take(self.size)
            .collect();
        let pages = items.len().div_ceil(self.size).max(empty_pages);
        json!({
            "items": shown, "page": self.number, "page_size": self.size,
            "total_items": items.len(), "total_pages": pages,
        })
    }
}

/// Whether one of the texts holds what is searched for, as SQL's LIKE sees it: nobody escapes `%` and `_`.
pub(super) fn is_found<'t>(search: &str, texts: impl IntoIterator<Item = &'t str>) -> bool {
    let pattern = format!("%{search}%");
    let mut texts = texts.into_iter();
    texts.any(|text| is_like(pattern.as_bytes(), text.as_bytes()))
}

fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'%', pattern)), _) => (0..=text.len()).any(|skipped| is_like(pattern, &text[skipped..])),
        (Some((b'_', pattern)), Some((_, text))) => is_like(pattern, text),
        (Some((wanted, pattern)), Some((found, text))) => wanted == found && is_like(pattern, text),
        (Some(_), None) => false,
    }
}
