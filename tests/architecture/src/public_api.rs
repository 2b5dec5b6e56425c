//! The public API of a crate as text: what a user of the crate can name, without its documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use syn::{Fields, File, ImplItem, Item, TraitItem, Type, Visibility};

use crate::Crate;
use crate::modules::{ModulePath, flatten};

/// A name that can be reached from outside, and the item behind it.
struct Public<'c> {
    /// The module that defines it, and its name there.
    home: (ModulePath, String),
    item: Option<&'c Item>,
}

impl Crate {
    /// The public API: for each public module, in order, each name with its declaration, its public methods and the traits
    /// that are implemented for it by hand.
    pub fn public_api(&self) -> String {
        let mut text = String::new();
        self.module_api(&Vec::new(), &mut text);
        text
    }

    fn module_api(&self, module: &ModulePath, text: &mut String) {
        let mut names = BTreeMap::new();
        let mut children = Vec::new();
        for item in self.items_of(module).iter().filter(|item| is_public(item)) {
            match item {
                Item::Mod(child) => {
                    let mut path = module.clone();
                    path.push(child.ident.to_string());
                    children.push(path);
                }
                Item::Use(import) => flatten(&import.tree, &mut Vec::new(), &mut |path, name| {
                    names.insert(name, self.public(module, &path));
                }),
                item => {
                    if let Some(name) = name_of(item) {
                        let home = (module.clone(), name.clone());
                        names.insert(name, Public { home, item: Some(item) });
                    }
                }
            }
        }
        let _ = writeln!(
            text,
            "# {}\n",
            ["crate".to_owned()]
                .iter()
                .chain(module)
                .cloned()
                .collect::<Vec<_>>()
                .join("::")
        );
        for (name, public) in names {
            self.describe(&name, &public, text);
        }
        children.sort();
        for child in children {
            self.module_api(&child, text);
        }
    }

    /// What a path names.
    fn public(&self, from: &ModulePath, path: &[String]) -> Public<'_> {
        let name = path.last().cloned().unwrap_or_default();
        let Some((home, rest)) = self.resolve(from, path, 0) else {
            return Public {
                home: (path.to_vec(), name),
                item: None,
            };
        };
        let name = rest.last().cloned().unwrap_or(name);
        let item = self
            .items_of(&home)
            .iter()
            .find(|item| name_of(item).as_ref() == Some(&name));
        Public {
            home: (home, name),
            item,
        }
    }

    fn describe(&self, name: &str, public: &Public<'_>, text: &mut String) {
        let Some(item) = public.item else {
            let (home, _) = &public.home;
            let _ = writeln!(text, "pub use {}\n", home.join("::"));
            return;
        };
        let _ = writeln!(text, "## {name}\n{}", print(vec![declaration(item)]));
        let mut implemented = Vec::new();
        for (module, items) in self.modules() {
            for item in items {
                if let Item::Impl(block) = item
                    && self.is_of(module, &block.self_ty, &public.home)
                {
                    implemented.extend(visible_part(block.clone()));
                }
            }
        }
        if !implemented.is_empty() {
            let _ = writeln!(text, "{}", print(implemented));
        }
    }

    /// Whether a type, as a module writes it, is this one.
    fn is_of(&self, module: &ModulePath, written: &Type, home: &(ModulePath, String)) -> bool {
        let Type::Path(path) = written else { return false };
        let path: Vec<String> = path
            .path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if path.last() != Some(&home.1) {
            return false;
        }
        if path.len() == 1 && *module == home.0 {
            return true;
        }
        self.resolve(module, &path, 0)
            .is_some_and(|(found, _)| found == home.0 && self.has(&found))
    }
}

/// The public methods of a block, or the trait that it implements.
fn visible_part(mut block: syn::ItemImpl) -> Option<Item> {
    block.attrs.clear();
    if block.trait_.is_some() {
        block.items.clear();
        return Some(Item::Impl(block));
    }
    block.items.retain(|item| match item {
        ImplItem::Fn(method) => matches!(method.vis, Visibility::Public(_)),
        ImplItem::Const(constant) => matches!(constant.vis, Visibility::Public(_)),
        _ => false,
    });
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item {
            method.attrs.retain(|attribute| attribute.path().is_ident("cfg"));
            method.block.stmts.clear();
        }
    }
    (!block.items.is_empty()).then_some(Item::Impl(block))
}

/// An item without documentation, private fields and bodies.
fn declaration(item: &Item) -> Item {
    let keep = |attributes: &mut Vec<syn::Attribute>| {
        attributes.retain(|attribute| {
            ["non_exhaustive", "derive", "cfg"]
                .iter()
                .any(|name| attribute.path().is_ident(name))
        });
    };
    let mut item = item.clone();
    match &mut item {
        Item::Struct(declared) => {
            keep(&mut declared.attrs);
            if let Fields::Named(fields) = &mut declared.fields {
                let named = std::mem::take(&mut fields.named);
                fields.named = named
                    .into_iter()
                    .filter(|field| matches!(field.vis, Visibility::Public(_)))
                    .collect();
                fields.named.iter_mut().for_each(|field| field.attrs.clear());
            }
        }
        Item::Enum(declared) => {
            keep(&mut declared.attrs);
            for variant in &mut declared.variants {
                variant.attrs.retain(|attribute| attribute.path().is_ident("cfg"));
                variant.fields.iter_mut().for_each(|field| field.attrs.clear());
            }
        }
        Item::Trait(declared) => {
            keep(&mut declared.attrs);
            for item in &mut declared.items {
                if let TraitItem::Fn(method) = item {
                    method.attrs.clear();
                    if let Some(body) = &mut method.default {
                        body.stmts.clear();
                    }
                }
            }
        }
        Item::Fn(declared) => {
            keep(&mut declared.attrs);
            declared.block.stmts.clear();
        }
        Item::Type(declared) => keep(&mut declared.attrs),
        Item::Const(declared) => {
            keep(&mut declared.attrs);
            *declared.expr = syn::parse_quote!(_);
        }
        Item::Static(declared) => keep(&mut declared.attrs),
        Item::Macro(declared) => keep(&mut declared.attrs),
        _ => {}
    }
    item
}

fn print(items: Vec<Item>) -> String {
    prettyplease::unparse(&File {
        shebang: None,
        attrs: Vec::new(),
        items,
    })
}

fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Use(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        // A type that a macro declares has the macro's name, capitalised and in the singular.
        Item::Macro(item) => {
            let name = item.mac.path.get_ident()?.to_string();
            let name = name.strip_suffix('s').unwrap_or(&name).to_owned();
            name[..1].to_uppercase() + &name[1..]
        }
        _ => return None,
    })
}
