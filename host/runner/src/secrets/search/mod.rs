//! Finds secrets in texts, in whatever form they stand there.
//!
//! A secret is a few dozen needles, one for each form. Each needle is found by one word of it, so that adding a secret costs
//! what its forms cost and nothing is built again; a text is looked through once, whatever is searched for.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use super::secret::Secret;

mod blocks;
mod cut;
mod forms;
mod views;

use self::blocks::{Anchor, Blocks};
use self::cut::Beginnings;
use self::forms::{Form, SHORTEST};

/// How much of a text is decoded at once, in bytes: memory does not grow with the text.
const WINDOW: usize = 256 << 10;

/// How many bytes an escaped letter takes at most.
const ESCAPED: usize = 12;

/// A word of most needles, in bytes, and one of those that are shorter than it.
const LONG: usize = 8;

/// The length from which a needle is not compared at every place where its word stands.
const PERIODIC: usize = 256;

/// How many bytes of needles a search keeps at hand.
const KEPT: usize = 8 << 20;

/// A secret in a text.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) place: Range<usize>,
    pub(super) secret: Arc<Secret>,
}

/// What is searched for.
#[derive(Debug, Default)]
pub(super) struct Index {
    secrets: HashMap<u32, Sought>,
    needles: HashMap<u32, Needle>,
    long: Blocks,
    short: Blocks,
    beginnings: Beginnings,
    /// The length of the longest needle there was.
    longest: usize,
    next: u32,
}

/// A secret that is searched for.
#[derive(Debug)]
struct Sought {
    secret: Arc<Secret>,
    needles: Vec<u32>,
}

/// One form of a secret. Its bytes are made when its word was found.
#[derive(Debug)]
struct Needle {
    secret: Arc<Secret>,
    form: Form,
    length: usize,
    word: u64,
}

/// What is known of the needles whose words were found in a text.
#[derive(Default)]
struct Seen {
    needles: HashMap<u32, Look>,
    kept: usize,
}

struct Look {
    bytes: Zeroizing<Vec<u8>>,
    /// Up to where the needle is known not to begin, unless at `next`.
    until: usize,
    next: Option<usize>,
}

impl Index {
    pub(super) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Searches for a secret from now on; the number is to be given to [`Index::remove`].
    pub(super) fn insert(&mut self, secret: &Arc<Secret>) -> u32 {
        let mut needles = Vec::new();
        for form in Form::all() {
            let Some(bytes) = form.of(secret.value()).filter(|bytes| bytes.len() >= SHORTEST) else {
                continue;
            };
            let id = self.next;
            self.next += 1;
            let blocks = if bytes.len() < LONG {
                &mut self.short
            } else {
                &mut self.long
            };
            let width = bytes.len().min(LONG);
            let width = if width < LONG { SHORTEST } else { width };
            // Tokens of one kind have the same beginning, so the word is taken from where it is rare.
            let last = bytes.len() - width;
            let offset = [last, last / 2, last / 4, 0]
                .into_iter()
                .min_by_key(|offset| blocks.load(word(&bytes[*offset..*offset + width])));
            let offset = offset.expect("there are four to choose from");
            let word = word(&bytes[offset..offset + width]);
            blocks.insert(word, Anchor { needle: id, offset });
            let needle = Needle {
                secret: secret.clone(),
                form,
                length: bytes.len(),
                word,
            };
            self.longest = self.longest.max(needle.length);
            self.needles.insert(id, needle);
            needles.push(id);
        }
        let id = self.next;
        self.next += 1;
        self.beginnings.insert(secret);
        self.secrets.insert(
            id,
            Sought {
                secret: secret.clone(),
                needles,
            },
        );
        id
    }

    pub(super) fn remove(&mut self, id: u32) {
        let Some(sought) = self.secrets.remove(&id) else { return };
        self.beginnings.remove(&sought.secret);
        for id in sought.needles {
            if let Some(needle) = self.needles.remove(&id) {
                let blocks = if needle.length < LONG {
                    &mut self.short
                } else {
                    &mut self.long
                };
                blocks.remove(needle.word, id);
            }
        }
    }

    /// The secret whose beginning ends a text that was cut, and where in the text it begins.
    pub(super) fn find_cut(&self, text: &str) -> Option<(usize, &Arc<Secret>)> {
        let (start, secret) = self.beginnings.at_end_of(text.as_bytes())?;
        // A letter may have been cut in two.
        Some((text.floor_char_boundary(start), secret))
    }

    /// Where secrets stand in a text, in order; no two of the places overlap.
    pub(super) fn find(&self, text: &[u8]) -> Vec<Found> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut found = self.search(text);
        self.find_escaped(text, &mut found);
        disjoint(
            found
                .into_iter()
                .map(|(place, secret)| Found { place, secret })
                .collect(),
        )
    }

    /// Where secrets stand of which letters are escaped.
    fn find_escaped(&self, text: &[u8], found: &mut Vec<(Range<usize>, Arc<Secret>)>) {
        let around = ESCAPED * self.longest;
        let window = WINDOW.max(around);
        let mut from = 0;
        while let Some(first) = views::next_escape(text, from) {
            let start = first.saturating_sub(around);
            let end = text.len().min(first + window + around);
            let escaped = views::search_views(&text[start..end], &mut |view| self.search(view));
            found.extend(
                escaped
                    .into_iter()
                    .map(|(place, secret)| (place.start + start..place.end + start, secret)),
            );
            from = text.len().min(first + window);
        }
    }

    fn search(&self, text: &[u8]) -> Vec<(Range<usize>, Arc<Secret>)> {
        let (mut seen, mut found) = (Seen::default(), Vec::new());
        for (blocks, width) in [(&self.long, LONG), (&self.short, SHORTEST)] {
            if blocks.is_empty() {
                continue;
            }
            for (at, window) in text.windows(width).enumerate() {
                for anchor in blocks.get(word(window)) {
                    found.extend(self.look(text, at, *anchor, &mut seen));
                }
            }
        }
        found
    }

    /// Looks whether a needle stands where its word was found.
    fn look(&self, text: &[u8], at: usize, anchor: Anchor, seen: &mut Seen) -> Option<(Range<usize>, Arc<Secret>)> {
        let needle = &self.needles[&anchor.needle];
        let start = at.checked_sub(anchor.offset)?;
        let place = start..start + needle.length;
        let is_there = place.end <= text.len() && seen.of(anchor.needle, needle).is_at(text, start);
        is_there.then(|| (place, needle.secret.clone()))
    }
}

impl Seen {
    fn of(&mut self, id: u32, needle: &Needle) -> &mut Look {
        if self.kept > KEPT {
            self.needles.clear();
            self.kept = 0;
        }
        self.needles.entry(id).or_insert_with(|| {
            self.kept += needle.length;
            let bytes = needle.form.of(needle.secret.value()).expect("a needle has bytes");
            Look {
                bytes,
                until: 0,
                next: None,
            }
        })
    }
}

impl Look {
    /// Whether the needle begins here. The places asked for only go forward, and what overlaps one that was found is none.
    fn is_at(&mut self, text: &[u8], start: usize) -> bool {
        if start < self.until {
            return false;
        }
        let length = self.bytes.len();
        let is_there = if length < PERIODIC {
            text[start..start + length] == **self.bytes
        } else {
            // A text that nearly has the needle everywhere must not be compared with it everywhere.
            if self.next.is_none_or(|next| next < start) {
                let next = memchr::memmem::find(&text[start..], &self.bytes);
                self.next = Some(next.map_or(text.len(), |next| next + start));
            }
            self.next == Some(start)
        };
        if is_there {
            self.until = start + length;
        }
        is_there
    }
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; LONG];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// The places in order, with one in the place of those that overlap.
fn disjoint(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| (found.place.start, std::cmp::Reverse(found.place.end)));
    let mut disjoint: Vec<Found> = Vec::with_capacity(found.len());
    for next in found {
        match disjoint.last_mut() {
            Some(last) if next.place.start < last.place.end => last.place.end = last.place.end.max(next.place.end),
            _ => disjoint.push(next),
        }
    }
    disjoint
}

#[cfg(test)]
mod tests;
