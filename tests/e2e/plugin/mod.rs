//! Plugins: the built-in one, those of earlier contracts, and hostile ones.

mod built_in;
mod checked;
mod golden;
mod hostile;
mod lock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::repository;

/// Makes a component of the contract as it is from a core module.
fn component(mut module: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(repository::path("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("step-plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).unwrap().encode().unwrap()
}
