//! The fleet managers that live queries go through.

use serde_json::{Map, Value};

use crate::contract::Finding;
use crate::contract::Services;
use crate::contract::{Failure, Kind};
use crate::event::cut;
use crate::fleet::Fleet;
use crate::live_query::Outcome;
use crate::live_query::query::LiveQuery;
use crate::osctrl::Osctrl;
use crate::server::session::Api;

/// A fleet manager: reads the params that only it has, and asks its hosts.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub(crate) trait FleetManager: serde::de::DeserializeOwned {
    /// Its API.
    type Api: Api;

    /// Asks the targets and accounts for each of them. Every path out of this leaves nothing running on the server that
    /// can be stopped: cancellation is part of it.
    async fn ask<S: Services>(&self, query: LiveQuery<'_, S, Self::Api>) -> Result<Outcome, Failure>;

    /// Looks whether the targets could be asked, and asks none of them.
    async fn check<S: Services>(&self, query: LiveQuery<'_, S, Self::Api>) -> Result<Vec<Finding>, Failure>;
}

macro_rules! backends {
    ($($name:literal => $variant:ident,)*) => {
        /// The fleet manager to ask, with the params that only it has.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Backend {
            $($variant($variant),)*
        }

        impl Backend {
            /// As playbooks spell them.
            pub const NAMES: &[&str] = &[$($name),*];

            pub(crate) fn new(name: &str, own: Map<String, Value>) -> Result<Self, Failure> {
                let own = Value::Object(own);
                match name {
                    $($name => serde_json::from_value(own).map(Self::$variant).map_err(|error| unfit(name, &error)),)*
                    _ => Err(unknown()),
                }
            }

            pub(crate) async fn ask<S: Services>(&self, query: crate::live_query::query::Asked<'_, S>) -> Result<Outcome, Failure> {
                match self {
                    $(Self::$variant(manager) => manager.ask(query.begin()).await,)*
                }
            }

            pub(crate) async fn check<S: Services>(&self, query: crate::live_query::query::Asked<'_, S>) -> Result<Vec<Finding>, Failure> {
                match self {
                    $(Self::$variant(manager) => manager.check(query.begin()).await,)*
                }
            }
        }
    };
}

// A new fleet manager is a module, and a line here.
backends! {
    "fleetdm" => Fleet,
    "osctrl" => Osctrl,
}

fn unknown() -> Failure {
    let message = format!("backend must be one of {}", Backend::NAMES.join(", "));
    Failure::new(Kind::InvalidParams, message)
}

fn unfit(backend: &str, error: &serde_json::Error) -> Failure {
    // These words quote names and never values: the types are plain texts. A name can hold anything.
    let words = cut(&error.to_string(), 300).replace(char::is_control, " ");
    Failure::new(
        Kind::InvalidParams,
        format!("the params do not fit the backend {backend}: {words}"),
    )
}
