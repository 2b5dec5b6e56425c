//! What the plugin exports: the step type with its back ends, and the connector types. The only room that knows which
//! fleet managers there are: a new one is a room of its own, and a line in `backend` and in `connectors`.

mod backend;
pub mod connectors;
pub mod step;

pub use self::backend::Backend;
