//! The beginning of a secret where a text was cut.

use std::collections::HashMap;
use std::sync::Arc;

use super::{LONG, word};
use crate::secrets::secret::Secret;

/// The beginnings of the secrets that are searched for.
#[derive(Debug, Default)]
pub(super) struct Beginnings(HashMap<u64, Vec<Arc<Secret>>>);

impl Beginnings {
    pub(super) fn insert(&mut self, secret: &Arc<Secret>) {
        // So little of a secret says nothing.
        if let Some(first) = secret.value().as_bytes().get(..LONG) {
            self.0.entry(word(first)).or_default().push(secret.clone());
        }
    }

    pub(super) fn remove(&mut self, secret: &Arc<Secret>) {
        let Some(first) = secret.value().as_bytes().get(..LONG) else {
            return;
        };
        if let Some(secrets) = self.0.get_mut(&word(first)) {
            secrets.retain(|known| !Arc::ptr_eq(known, secret));
            if secrets.is_empty() {
                self.0.remove(&word(first));
            }
        }
    }

    /// The secret whose beginning ends a text, and where in the text it begins: the longest there is.
    pub(super) fn at_end_of(&self, text: &[u8]) -> Option<(usize, &Arc<Secret>)> {
        let mut tried: Vec<&Arc<Secret>> = Vec::new();
        let mut found: Option<(usize, &Arc<Secret>)> = None;
        for first in text.windows(LONG) {
            for secret in self.0.get(&word(first)).into_iter().flatten() {
                if tried.iter().any(|known| Arc::ptr_eq(known, secret)) {
                    continue;
                }
                tried.push(secret);
                let length = overlap(text, secret.value().as_bytes());
                let start = text.len() - length;
                if length >= LONG && found.is_none_or(|(longest, _)| start < longest) {
                    found = Some((start, secret));
                }
            }
        }
        found
    }
}

/// How much of the beginning of `value` is the end of `text`: looked at once for each byte, however much they are alike.
fn overlap(text: &[u8], value: &[u8]) -> usize {
    let text = &text[text.len().saturating_sub(value.len())..];
    // For each beginning of the value, the longest shorter beginning that ends it.
    let mut shorter = vec![0; value.len()];
    let mut length = 0;
    for at in 1..value.len() {
        while length > 0 && value[at] != value[length] {
            length = shorter[length - 1];
        }
        length += usize::from(value[at] == value[length]);
        shorter[at] = length;
    }
    let mut length = 0;
    for byte in text {
        while length > 0 && (length == value.len() || *byte != value[length]) {
            length = shorter[length - 1];
        }
        length += usize::from(*byte == value[length]);
    }
    length
}
