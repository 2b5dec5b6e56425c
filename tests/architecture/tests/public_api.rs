//! The public API of the library, so that a change of it is seen.

use std::path::Path;

use architecture::Crate;

#[test]
fn the_public_api_is_what_it_was() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the repository");
    let api = Crate::read(&root.join("host/runner/src")).public_api();
    insta::assert_snapshot!("playbook-host", api);
}
