//! Files and their imports as a graph: cycles, and the longest chain.

use std::collections::{BTreeMap, BTreeSet};

use crate::Import;

/// Which file imports which.
#[derive(Debug)]
pub struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// The graph of these files and imports.
    pub fn new(files: &[String], imports: &[Import]) -> Self {
        let mut edges: BTreeMap<String, BTreeSet<String>> =
            files.iter().map(|file| (file.clone(), BTreeSet::new())).collect();
        for import in imports {
            edges.entry(import.from.clone()).or_default().insert(import.to.clone());
        }
        Self { edges }
    }

    /// Sets of files that import each other, in circles. A parent and its own children are one idea and may.
    pub fn cycles(&self) -> Vec<Vec<String>> {
        let mut cycles = self.components();
        cycles.retain(|files| files.len() > 1 && !is_one_family(files));
        cycles
    }

    /// The longest chain of files of which each imports the next. Files that import each other count as one.
    pub fn longest_chain(&self) -> Vec<String> {
        let components = self.components();
        let of: BTreeMap<&String, usize> = components
            .iter()
            .enumerate()
            .flat_map(|(index, files)| files.iter().map(move |file| (file, index)))
            .collect();
        // Components come in an order in which what is imported stands before what imports it.
        let mut longest: Vec<Vec<String>> = Vec::new();
        for (index, files) in components.iter().enumerate() {
            let next = files.iter().flat_map(|file| &self.edges[file]);
            let next = next.map(|file| of[file]).filter(|other| *other != index);
            let rest = next.max_by_key(|other| longest[*other].len());
            let mut chain = vec![files.join(" + ")];
            chain.extend(rest.map(|other| longest[other].clone()).unwrap_or_default());
            longest.push(chain);
        }
        longest.into_iter().max_by_key(Vec::len).unwrap_or_default()
    }

    /// Strongly connected components, what is imported first (Tarjan's algorithm).
    fn components(&self) -> Vec<Vec<String>> {
        let mut search = Search {
            edges: &self.edges,
            number: BTreeMap::new(),
            lowest: BTreeMap::new(),
            stack: Vec::new(),
            found: Vec::new(),
        };
        for file in self.edges.keys() {
            if !search.number.contains_key(file) {
                search.visit(file);
            }
        }
        search.found
    }
}

struct Search<'a> {
    edges: &'a BTreeMap<String, BTreeSet<String>>,
    number: BTreeMap<&'a String, usize>,
    lowest: BTreeMap<&'a String, usize>,
    stack: Vec<&'a String>,
    found: Vec<Vec<String>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, file: &'a String) {
        let number = self.number.len();
        self.number.insert(file, number);
        self.lowest.insert(file, number);
        self.stack.push(file);
        for next in &self.edges[file] {
            if !self.number.contains_key(next) {
                self.visit(next);
                let lowest = self.lowest[file].min(self.lowest[next]);
                self.lowest.insert(file, lowest);
            } else if self.stack.contains(&next) {
                let lowest = self.lowest[file].min(self.number[next]);
                self.lowest.insert(file, lowest);
            }
        }
        if self.lowest[file] == number {
            let start = self
                .stack
                .iter()
                .position(|on| *on == file)
                .expect("a file stays on the stack until its component is complete");
            let mut component: Vec<String> = self.stack.drain(start..).cloned().collect();
            component.sort();
            self.found.push(component);
        }
    }
}

/// Whether these files are a module with children and some of these children.
fn is_one_family(files: &[String]) -> bool {
    files.iter().any(|parent| {
        let Some(folder) = parent.strip_suffix("mod.rs") else {
            return false;
        };
        files.iter().filter(|file| *file != parent).all(|file| {
            file.strip_prefix(folder)
                .is_some_and(|rest| !rest.contains('/') || rest.ends_with("/mod.rs") && rest.matches('/').count() == 1)
        })
    })
}
