//! The hostile plugin as a WebAssembly component, built by this crate's build script.

/// The component's bytes.
pub const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hostile.component.wasm"));

/// What stands in the component before the word that says how `describe` misbehaves.
const MARK: &[u8] = b"describe, and ";

/// How much room that word has.
const ROOM: usize = 24;

/// A component whose `describe` misbehaves: it has no params that could say how.
///
/// # Panics
///
/// If the word is too long.
pub fn describing(how: &str) -> Vec<u8> {
    let mut bytes = COMPONENT.to_vec();
    let at = bytes.windows(MARK.len()).position(|window| window == MARK);
    let at = at.expect("the plugin has the mark") + MARK.len();
    bytes[at..at + ROOM].fill(b' ');
    bytes[at..at + how.len()].copy_from_slice(how.as_bytes());
    bytes
}
