//! What a component is made of, within limits that any compiler's output keeps.
//!
//! A file of a few megabytes can describe things that take gigabytes and minutes: components within components, thousands of
//! instances, one function that is most of the file. So the parts are counted while the file is read, before anything else
//! looks at it. A component may have one level of modules, which are its code, and components around them that only rename
//! what it exports; it calls the host, and never itself.

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentTypeRef, ElementItems, Instance, Payload,
};

use crate::limits::INSTANCES;

type Read<T> = Result<T, wasmparser::BinaryReaderError>;

/// What an entry costs in each instance of a module, in bytes: of a table of functions, of an import, of a global.
const ENTRY: usize = 40;

/// The largest function, in bytes: the time to compile one grows faster than it does.
const LARGEST_FUNCTION: usize = 512 << 10;

/// Things of which there may be so many, in all modules and components together.
#[derive(Debug, Clone, Copy)]
enum Part {
    Components,
    Modules,
    Instances,
    Functions,
    Types,
    Imports,
    Exports,
    Globals,
    Tables,
    Memories,
    Segments,
    Entries,
    Sections,
    Aliases,
}

impl Part {
    const COUNT: usize = Self::Aliases as usize + 1;

    /// What it is called, and the most there may be.
    fn limit(self) -> (&'static str, usize) {
        match self {
            Self::Components => ("nested components", 100),
            Self::Modules => ("modules", 16),
            Self::Instances => ("instances of modules", INSTANCES),
            Self::Functions => ("functions", 50_000),
            Self::Types => ("types", 20_000),
            Self::Imports => ("imports", 5_000),
            Self::Exports => ("exports", 20_000),
            Self::Globals => ("globals", 5_000),
            Self::Tables => ("tables", 32),
            Self::Memories => ("memories", 8),
            Self::Segments => ("segments of data or tables", 20_000),
            Self::Entries => ("entries of tables", 50_000),
            Self::Sections => ("sections", 5_000),
            Self::Aliases => ("aliases", 20_000),
        }
    }
}

/// Counts the parts of a component as its file is read.
#[derive(Debug, Default)]
pub(super) struct Structure {
    counts: [usize; Part::COUNT],
    /// What is being read, from the outside to the inside.
    within: Vec<Container>,
    /// Whether each function, and each instance, of the component is the host's.
    functions: Vec<bool>,
    instances: Vec<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Component,
    Module,
}

impl Structure {
    /// What is being read is in the component itself.
    pub(super) fn at_root(&self) -> bool {
        self.within.is_empty()
    }

    /// What the instances of the modules take besides their memories and tables, in bytes.
    pub(super) fn overhead(&self) -> usize {
        let each = [Part::Imports, Part::Exports, Part::Globals, Part::Entries].map(|part| self.counts[part as usize]);
        // As if each instance were one of the largest module.
        each.iter().sum::<usize>() * ENTRY * self.counts[Part::Instances as usize].max(1)
    }

    /// Counts a part. Fails with a sentence about what there is too much of.
    pub(super) fn add(&mut self, payload: &Payload<'_>) -> Result<(), String> {
        self.count(Part::Sections, usize::from(payload.as_section().is_some()))?;
        match payload {
            Payload::ModuleSection { .. } => self.enter(Container::Module),
            Payload::ComponentSection { .. } => self.enter(Container::Component),
            Payload::End(_) => {
                self.within.pop();
                Ok(())
            }
            Payload::CodeSectionEntry(body) => match body.range().len() {
                size if size > LARGEST_FUNCTION => Err(format!(
                    "it has a function of {} KiB, and one may have {}",
                    size >> 10,
                    LARGEST_FUNCTION >> 10
                )),
                _ => Ok(()),
            },
            _ => {
                for (part, count) in parts(payload).map_err(|error| error.to_string())? {
                    self.count(part, count)?;
                }
                self.check_calls(payload)
            }
        }
    }

    fn count(&mut self, part: Part, count: usize) -> Result<(), String> {
        let counted = &mut self.counts[part as usize];
        *counted = counted.saturating_add(count);
        let (name, most) = part.limit();
        if *counted > most {
            return Err(format!("it has more than {most} {name}"));
        }
        Ok(())
    }

    fn enter(&mut self, container: Container) -> Result<(), String> {
        if self.within.last().is_some() {
            return Err("a component within it has modules or components of its own".to_owned());
        }
        self.within.push(container);
        self.count(
            match container {
                Container::Component => Part::Components,
                Container::Module => Part::Modules,
            },
            1,
        )
    }

    /// Fails if the component, or one within it, calls anything but the host.
    fn check_calls(&mut self, payload: &Payload<'_>) -> Result<(), String> {
        match self.within.last() {
            None => self.follow(payload).map_err(|error| error.to_string())?,
            Some(Container::Module) => Ok(()),
            Some(Container::Component) => match payload {
                Payload::ComponentCanonicalSection(_)
                | Payload::InstanceSection(_)
                | Payload::ComponentStartSection { .. } => {
                    Err("a component within it does more than to rename".to_owned())
                }
                Payload::ComponentInstanceSection(found) if found.count() > 0 => {
                    Err("a component within it has instances".to_owned())
                }
                _ => Ok(()),
            },
        }
    }

    /// Keeps track of which functions are the host's.
    fn follow(&mut self, payload: &Payload<'_>) -> Read<Result<(), String>> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    match import?.ty {
                        ComponentTypeRef::Func(_) => self.functions.push(true),
                        ComponentTypeRef::Instance(_) => self.instances.push(true),
                        _ => {}
                    }
                }
            }
            Payload::ComponentInstanceSection(made) => {
                self.instances.extend((0..made.count()).map(|_| false));
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    if let ComponentAlias::InstanceExport {
                        kind, instance_index, ..
                    } = alias?
                    {
                        let hosts = is(&self.instances, instance_index);
                        match kind {
                            ComponentExternalKind::Func => self.functions.push(hosts),
                            ComponentExternalKind::Instance => self.instances.push(hosts),
                            _ => {}
                        }
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    match export.kind {
                        ComponentExternalKind::Func => self.functions.push(is(&self.functions, export.index)),
                        ComponentExternalKind::Instance => self.instances.push(is(&self.instances, export.index)),
                        _ => {}
                    }
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions.clone() {
                    match function? {
                        CanonicalFunction::Lift { .. } => self.functions.push(false),
                        CanonicalFunction::Lower { func_index, .. } if !is(&self.functions, func_index) => {
                            return Ok(Err("it calls functions of its own from the outside".to_owned()));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(Ok(()))
    }
}

fn is(kinds: &[bool], index: u32) -> bool {
    kinds.get(index as usize).copied().unwrap_or_default()
}

/// What there is in a section, and how much of it.
fn parts(payload: &Payload<'_>) -> Read<Vec<(Part, usize)>> {
    let count = |part, count: u32| Ok(vec![(part, count as usize)]);
    match payload {
        Payload::TypeSection(found) => count(Part::Types, found.count()),
        Payload::ComponentTypeSection(found) => count(Part::Types, found.count()),
        Payload::CoreTypeSection(found) => count(Part::Types, found.count()),
        Payload::ImportSection(found) => count(Part::Imports, found.count()),
        Payload::ComponentImportSection(found) => count(Part::Imports, found.count()),
        Payload::ExportSection(found) => count(Part::Exports, found.count()),
        Payload::ComponentExportSection(found) => count(Part::Exports, found.count()),
        Payload::FunctionSection(found) => count(Part::Functions, found.count()),
        Payload::ComponentCanonicalSection(found) => count(Part::Functions, found.count()),
        Payload::TableSection(found) => count(Part::Tables, found.count()),
        Payload::MemorySection(found) => count(Part::Memories, found.count()),
        Payload::GlobalSection(found) => count(Part::Globals, found.count()),
        Payload::TagSection(found) => count(Part::Globals, found.count()),
        Payload::DataSection(found) => count(Part::Segments, found.count()),
        Payload::ComponentAliasSection(found) => count(Part::Aliases, found.count()),
        Payload::ComponentInstanceSection(found) => count(Part::Components, found.count()),
        Payload::InstanceSection(found) => {
            let mut parts = Vec::new();
            for instance in found.clone() {
                parts.push(match instance? {
                    Instance::Instantiate { .. } => (Part::Instances, 1),
                    Instance::FromExports(exports) => (Part::Exports, exports.len()),
                });
            }
            Ok(parts)
        }
        Payload::ElementSection(found) => {
            let mut parts = vec![(Part::Segments, found.count() as usize)];
            for element in found.clone() {
                let entries = match element?.items {
                    ElementItems::Functions(entries) => entries.count(),
                    ElementItems::Expressions(_, entries) => entries.count(),
                };
                parts.push((Part::Entries, entries as usize));
            }
            Ok(parts)
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use crate::sandbox::inspection::Inspection;

    fn inspected(component: &str) -> Result<Inspection, String> {
        let bytes = wat::parse_str(component).unwrap();
        Inspection::read(&bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_component_is_made_of_is_limited() {
        let component = |inside: &str| format!("(component {inside})");
        let module = |inside: &str| format!("(component (core module {inside}))");
        let instances = "(core instance (instantiate $m))".repeat(40);
        for (what, component, words) in [
            (
                "components side by side",
                component(&"(component)".repeat(20_000)),
                "nested components",
            ),
            (
                "components in each other",
                component("(component (component))"),
                "of its own",
            ),
            (
                "code in a component within",
                component("(component (core module))"),
                "of its own",
            ),
            ("modules", component(&"(core module)".repeat(100)), "modules"),
            (
                "instances",
                component(&format!("(core module $m (memory 1)) {instances}")),
                "instances of modules",
            ),
            (
                "a large function",
                module(&format!("(func {})", "nop ".repeat(600_000))),
                "a function of 585 KiB",
            ),
            ("functions", module(&"(func)".repeat(60_000)), "functions"),
            (
                "globals",
                module(&"(global i32 (i32.const 0))".repeat(6_000)),
                "globals",
            ),
            ("tables", module(&"(table 1 funcref)".repeat(40)), "tables"),
            (
                "an entry for each of many",
                module(&format!(
                    "(func $f) (table 1 funcref) (elem declare func {})",
                    "$f ".repeat(60_000)
                )),
                "entries of tables",
            ),
            (
                "imports",
                component(
                    &(0..6_000)
                        .map(|at| format!("(import \"i{at}\" (func))"))
                        .collect::<Vec<_>>()
                        .concat(),
                ),
                "sections",
            ),
            (
                "a function of its own, called from the outside",
                component(
                    r#"(core module $m (func (export "f")))
                    (core instance $i (instantiate $m))
                    (func $f (canon lift (core func $i "f")))
                    (core func (canon lower (func $f)))"#,
                ),
                "from the outside",
            ),
        ] {
            let error = inspected(&component).expect_err(what);
            assert!(error.contains(words) && error.len() < 300, "{what}: {error}");
        }
    }

    #[test]
    fn what_compilers_make_is_within_the_limits() {
        let inspection = Inspection::read(embedded_plugin::COMPONENT).unwrap();
        assert!(
            inspection.overhead > 0 && inspection.overhead < 1 << 20,
            "{}",
            inspection.overhead
        );
        inspected(r#"(component (import "f" (func $f)) (core func (canon lower (func $f))) (component))"#).unwrap();
    }
}
