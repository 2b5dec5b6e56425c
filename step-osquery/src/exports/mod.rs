//! What the plugin exports: the step type with its back ends, and the connector types. The only place that knows which fleet
//! managers there are: a new one is a room of its own and a line here.

mod backend;
pub mod connectors;
mod params;

pub use self::backend::Backend;
pub(crate) use self::backend::FleetManager;
pub use self::params::{BaseUrl, Credentials, Params, TargetHosts, TimeoutSeconds};
