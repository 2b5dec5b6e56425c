//! Where the values of a YAML document stand.
//!
//! It comes from a pass over the parser's events that makes no values. That pass refuses what a reader of values would accept
//! in silence (a key given twice, a merge key, a tag), and documents that are small to write and huge to hold.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::ScalarStyle;

use crate::text::diagnostic::Diagnostics;
use crate::text::json::unescape_key;
use crate::text::source::Source;

mod reading;

/// The places of a document's values, as a tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outline {
    /// In the order in which they are complete: what a value holds comes before it.
    nodes: Vec<Node>,
}

/// A value.
#[derive(Debug, Clone)]
struct Node {
    span: Range<usize>,
    inner: Children,
    /// How many values it stands for, with itself.
    values: usize,
    /// How deeply it is nested in itself.
    height: usize,
}

#[derive(Debug, Clone)]
enum Children {
    Scalar(ScalarStyle),
    List(Vec<usize>),
    /// Of a key given twice, the last one has the value.
    Map(HashMap<String, MapEntry>),
    Alias(usize),
}

#[derive(Debug, Clone)]
struct MapEntry {
    key: Range<usize>,
    value: usize,
}

/// Where an entry stands, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spans {
    /// The key; items of lists have none.
    pub(crate) key: Option<Range<usize>>,
    pub(crate) value: Range<usize>,
    /// How the value is written, if it is a scalar.
    pub(crate) style: Option<ScalarStyle>,
}

impl Outline {
    /// Reads the places, and finds what must not be and yet can be read. An error is what cannot be read.
    ///
    /// `text` is the source's, or one with the same characters at the same places that YAML can read, too.
    pub(crate) fn read(source: &Arc<Source>, text: &str) -> Result<(Self, Diagnostics), Diagnostics> {
        reading::read(source, text)
    }

    /// Where the value at a JSON pointer stands; if there is none, where the nearest value around it stands.
    pub(crate) fn nearest(&self, pointer: &str) -> Option<Spans> {
        let mut at = self.nodes.len().checked_sub(1)?;
        let mut key = None;
        for name in pointer.split('/').skip(1) {
            let name = unescape_key(name);
            let next = match &self.nodes[self.followed(at)].inner {
                Children::Map(entries) => entries.get(&*name).map(|entry| (Some(entry.key.clone()), entry.value)),
                Children::List(items) => name
                    .parse()
                    .ok()
                    .and_then(|index: usize| Some((None, *items.get(index)?))),
                Children::Scalar(_) | Children::Alias(_) => None,
            };
            let Some(next) = next else { break };
            (key, at) = next;
        }
        Some(Spans {
            key,
            value: self.nodes[at].span.clone(),
            style: match self.nodes[at].inner {
                Children::Scalar(style) => Some(style),
                _ => None,
            },
        })
    }

    /// Whether there is a value at a JSON pointer.
    #[cfg(test)]
    pub(crate) fn has(&self, pointer: &str) -> bool {
        let Some((above, _)) = pointer.rsplit_once('/') else {
            return !self.nodes.is_empty();
        };
        let at = |pointer| self.nearest(pointer).map(|spans| (spans.key, spans.value));
        self.has(above) && at(pointer) != at(above)
    }

    /// How many values there are, with those that aliases stand for.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.nodes.last().map_or(0, |root| root.values)
    }

    /// The value that an alias stands for; any other stands for itself. An alias of an alias cannot be written.
    fn followed(&self, node: usize) -> usize {
        match self.nodes[node].inner {
            Children::Alias(target) => target,
            _ => node,
        }
    }
}
