//! The plugin as a component: the contract's exports on top of the room `exports`, and the services on the contract's
//! imports. The only room that knows the bindings of the contract, and the only one that is compiled for WebAssembly
//! alone.

#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings;
mod connector;
mod convert;
mod host_services;
mod panics;
mod poll_services;
mod step;
