//! The modules of a crate, each with the file that holds it and the names it brings into scope.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use syn::{Attribute, Item, UseTree};

use crate::imports::{self, Import, Mention};

/// A module's path from the root of its crate: empty for the root itself.
pub(crate) type ModulePath = Vec<String>;

/// The sources of a crate.
#[derive(Debug)]
pub struct Crate {
    modules: BTreeMap<ModulePath, Module>,
    /// Macros that are exported at the root, and the modules that define them.
    macros: BTreeMap<String, ModulePath>,
}

#[derive(Debug)]
struct Module {
    /// The file, from the folder of the sources.
    file: String,
    /// What `use` brings into scope, by the name it has here; `*` for all of a module.
    uses: Vec<(String, ModulePath)>,
    mentions: Vec<Mention>,
    /// The items, without tests.
    items: Vec<Item>,
}

impl Crate {
    /// Reads the sources below a folder, from its `lib.rs` or `main.rs` on.
    ///
    /// # Panics
    /// When a file is missing or is not Rust: the compiler has read them all.
    pub fn read(sources: &Path) -> Self {
        let root = ["lib.rs", "main.rs"].map(|name| sources.join(name));
        let root = root.iter().find(|path| path.exists()).expect("a crate has a root");
        let mut read = Self {
            modules: BTreeMap::new(),
            macros: BTreeMap::new(),
        };
        read.file(sources, root, Vec::new());
        read
    }

    fn file(&mut self, sources: &Path, path: &Path, module: ModulePath) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = path.strip_prefix(sources).expect("a file below the sources");
        self.items(sources, &file.display().to_string(), &parsed.items, module);
    }

    fn items(&mut self, sources: &Path, file: &str, items: &[Item], module: ModulePath) {
        let mut uses = Vec::new();
        let mut mentions = Vec::new();
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                Item::Mod(child) => {
                    let mut path = module.clone();
                    path.push(child.ident.to_string());
                    match &child.content {
                        Some((_, items)) => self.items(sources, file, items, path),
                        None => self.file(sources, &file_of(sources, &path), path),
                    }
                }
                Item::Use(import) => {
                    let line = import.use_token.span.start().line;
                    flatten(&import.tree, &mut Vec::new(), &mut |path, name| {
                        mentions.push(Mention {
                            path: path.clone(),
                            line,
                        });
                        uses.push((name, path));
                    });
                }
                Item::Macro(defined) if is_exported(&defined.attrs) => {
                    let name = defined.ident.iter().map(ToString::to_string);
                    self.macros.extend(name.map(|name| (name, module.clone())));
                }
                other => imports::mentions(other, &mut mentions),
            }
        }
        let file = file.to_owned();
        let items = items
            .iter()
            .filter(|item| !is_test(attributes(item)))
            .cloned()
            .collect();
        self.modules.insert(
            module,
            Module {
                file,
                uses,
                mentions,
                items,
            },
        );
    }

    /// All imports of one file by another.
    pub fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        for (path, module) in &self.modules {
            for mention in &module.mentions {
                let Some((to, _)) = self.resolve(path, &mention.path, 0) else {
                    continue;
                };
                let to = self.modules[&to].file.clone();
                if to != module.file {
                    found.push(Import {
                        from: module.file.clone(),
                        line: mention.line,
                        to,
                    });
                }
            }
        }
        found.sort();
        found.dedup_by(|one, other| (&one.from, &one.to) == (&other.from, &other.to));
        found
    }

    /// All files that were read.
    pub fn files(&self) -> Vec<String> {
        let mut files: Vec<_> = self.modules.values().map(|module| module.file.clone()).collect();
        files.sort();
        files.dedup();
        files
    }

    /// The items of a module.
    pub(crate) fn items_of(&self, module: &ModulePath) -> &[Item] {
        self.modules.get(module).map_or(&[], |module| &module.items)
    }

    /// All modules with their items.
    pub(crate) fn modules(&self) -> impl Iterator<Item = (&ModulePath, &[Item])> {
        self.modules.iter().map(|(path, module)| (path, &*module.items))
    }

    /// Whether there is such a module.
    pub(crate) fn has(&self, module: &ModulePath) -> bool {
        self.modules.contains_key(module)
    }

    /// The module that defines what a path names, seen from a module, and the rest of the path there; none if that is
    /// another crate's.
    pub(crate) fn resolve(
        &self,
        from: &ModulePath,
        path: &[String],
        depth: usize,
    ) -> Option<(ModulePath, Vec<String>)> {
        let mut at = from.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            // A path from here: a child, or a name that a `use` brought into scope. All else is another crate's.
            first => {
                if !self.modules.contains_key(&child(&at, first)) {
                    let used = self.modules.get(&at)?.uses.iter().find(|(name, _)| name == first);
                    let used = used.filter(|(_, target)| target.first().is_some_and(|segment| segment != first))?;
                    let whole: Vec<_> = used.1.iter().chain(&path[1..]).cloned().collect();
                    return (depth < DEEPEST)
                        .then(|| self.resolve(from, &whole, depth + 1))
                        .flatten();
                }
            }
        }
        self.descend(at, rest, depth)
    }

    fn descend(&self, mut at: ModulePath, rest: &[String], depth: usize) -> Option<(ModulePath, Vec<String>)> {
        let mut left = rest;
        for (position, segment) in rest.iter().enumerate() {
            let next = child(&at, segment);
            if self.modules.contains_key(&next) {
                at = next;
                left = &rest[position + 1..];
                continue;
            }
            if at.is_empty()
                && let Some(home) = self.macros.get(segment)
            {
                return Some((home.clone(), rest[position..].to_vec()));
            }
            let module = self.modules.get(&at)?;
            let named = module.uses.iter().find(|(name, _)| name == segment);
            if let Some((_, target)) = named.filter(|_| depth < DEEPEST) {
                let whole: Vec<_> = target.iter().chain(&rest[position + 1..]).cloned().collect();
                return self
                    .resolve(&at, &whole, depth + 1)
                    // Another crate's, under a name of this module.
                    .or_else(|| Some((at, left.to_vec())));
            }
            break;
        }
        self.modules.contains_key(&at).then(|| (at, left.to_vec()))
    }
}

/// How many re-exports a path may go through.
const DEEPEST: usize = 8;

fn child(module: &ModulePath, name: &str) -> ModulePath {
    let mut path = module.clone();
    path.push(name.to_owned());
    path
}

fn file_of(sources: &Path, module: &[String]) -> PathBuf {
    let folder = sources.join(module.join("/"));
    let flat = folder.with_extension("rs");
    if flat.exists() { flat } else { folder.join("mod.rs") }
}

/// Calls `found` with each path of a `use` and the name it has from there on.
pub(crate) fn flatten(tree: &UseTree, before: &mut Vec<String>, found: &mut impl FnMut(ModulePath, String)) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            found(before.clone(), before.last().cloned().unwrap_or_default());
        }
        UseTree::Name(name) => found(child(before, &name.ident.to_string()), name.ident.to_string()),
        UseTree::Rename(rename) if rename.ident == "self" => found(before.clone(), rename.rename.to_string()),
        UseTree::Rename(rename) => found(child(before, &rename.ident.to_string()), rename.rename.to_string()),
        UseTree::Glob(_) => found(before.clone(), "*".to_owned()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, found)),
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether the item is compiled for tests only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .any(|attribute| {
            let condition = attribute.parse_args::<TokenStream>().unwrap_or_default().to_string();
            condition == "test" || condition.starts_with("all (test")
        })
}

fn is_exported(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("macro_export"))
}
