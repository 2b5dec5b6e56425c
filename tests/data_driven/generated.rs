//! Wrong inputs that are too large for a file, or are more than the bytes of one.

use std::path::Path;

use playbook_host::Diagnostics;
use playbook_host::text::Source;

use crate::wrong_input::{problems, secrets};

/// Finds the problems in an input.
pub(crate) type Problems = fn() -> Diagnostics;

/// These inputs by name.
pub(crate) const GENERATED: [(&str, Problems); 7] = [
    ("files/file-is-a-folder", || Source::read(Path::new("/")).unwrap_err()),
    ("files/file-missing", || {
        Source::read(Path::new("/nowhere/triage.yaml")).unwrap_err()
    }),
    ("files/name-with-controls", || {
        Source::read(Path::new("/nowhere/\u{1b}[2J\n.yaml")).unwrap_err()
    }),
    ("files/nested-too-deeply", || {
        let deep = format!("- id: users\n  params: {}x{}\n", "[".repeat(70), "]".repeat(70));
        problems(Source::new("deep.yaml", deep), None).unwrap_err()
    }),
    ("files/too-large", || {
        let large = vec![b' '; (1 << 20) + 1];
        Source::read_from("large.yaml", &large[..]).unwrap_err()
    }),
    ("files/too-many-problems", || {
        let keys: Vec<String> = (0..300).map(|number| format!("key{number}: 1")).collect();
        let many = format!("steps:\n- {{id: users, type: osquery_live_query}}\n{}", keys.join("\n"));
        let problems = problems(Source::new("many.yaml", many), None).unwrap_err();
        // The last ones are enough to see what is said.
        problems.into_iter().skip(199).collect()
    }),
    ("secrets/secrets-exposed", || {
        secrets("open.yaml", b"fleetdm_token: hunter2-value\nosctrl_token: ''\n", 0o644).unwrap_err()
    }),
];
