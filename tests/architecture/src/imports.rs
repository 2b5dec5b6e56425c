//! What an item mentions of other modules.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, Macro, Path};

/// A file that uses what another defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file that imports.
    pub from: String,
    /// The first line that does.
    pub line: usize,
    /// The file that defines what is imported.
    pub to: String,
}

/// A path that a file mentions.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// Collects the paths of several segments in an item, those in macros included.
pub(crate) fn mentions(item: &Item, found: &mut Vec<Mention>) {
    Collector { found }.visit_item(item);
}

struct Collector<'a> {
    found: &'a mut Vec<Mention>,
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.found.push(Mention {
                path: path.segments.iter().map(|segment| segment.ident.to_string()).collect(),
                line: path.segments[0].ident.span().start().line,
            });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        in_tokens(called.tokens.clone(), self.found);
        visit::visit_macro(self, called);
    }
}

/// Finds paths in tokens that are not parsed: identifiers joined by `::`.
fn in_tokens(tokens: TokenStream, found: &mut Vec<Mention>) {
    let (mut path, mut line, mut colons) = (Vec::new(), 0, 0);
    let mut end = |path: &mut Vec<String>, line| {
        if path.len() > 1 {
            found.push(Mention {
                path: std::mem::take(path),
                line,
            });
        }
        path.clear();
    };
    let mut groups = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    end(&mut path, line);
                    line = ident.span().start().line;
                }
                path.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                end(&mut path, line);
                colons = 0;
                groups.push(group.stream());
            }
            _ => {
                end(&mut path, line);
                colons = 0;
            }
        }
    }
    end(&mut path, line);
    for group in groups {
        in_tokens(group, found);
    }
}
