//! Files of this repository.

use std::fs;
use std::path::{Path, PathBuf};

use playbook_host::text::Schema;

/// The file or folder with this path below the root.
pub(crate) fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Compiles the schema of this name, as it is committed.
pub(crate) fn schema(name: &str) -> Schema {
    let text = fs::read_to_string(path(&format!("schemas/{name}.schema.json"))).unwrap();
    Schema::compile(serde_json::from_str(&text).unwrap()).unwrap()
}

/// Returns every YAML file below a folder.
pub(crate) fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files
}
