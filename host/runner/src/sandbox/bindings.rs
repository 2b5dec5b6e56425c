//! The contract as Rust types, made from `wit/plugin.wit`.

#![allow(missing_docs, unreachable_pub, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "plugin",
    imports: { default: trappable },
    exports: { default: async },
    additional_derives: [serde::Serialize, serde::Deserialize],
    with: { "playbook:plugin/websocket.connection": crate::sandbox::connection::Connection },
});
