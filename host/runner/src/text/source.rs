//! Text that people wrote.

use std::fmt;

use secrecy::zeroize::Zeroizing;

/// A named text: a playbook, a connector file, an alert, a file of secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    /// Zeroed when it is no longer needed, as it may be a file of secrets.
    text: Zeroizing<String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name).finish()
    }
}

impl Source {
    /// A text. `name` is what messages call it: a path, as the user gave it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, mut text) = (name.into(), text.into());
        // Some editors begin a file with this mark; it is no part of the text.
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Self {
            name,
            text: text.into(),
        }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}
