//! Files of this repository.

use std::path::{Path, PathBuf};

use playbook_host::text::Schema;

/// The file or folder with this path below the root.
pub(crate) fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Compiles the schema of this name, as it is committed.
pub(crate) fn schema(name: &str) -> Schema {
    let text = std::fs::read_to_string(path(&format!("schemas/{name}.schema.json"))).unwrap();
    Schema::compile(serde_json::from_str(&text).unwrap()).unwrap()
}
