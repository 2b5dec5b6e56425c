//! The registry of fleet managers that live queries go through.

use serde_json::{Map, Value};

use crate::contract::{Failure, FailureKind, Finding, Services};
use crate::fleet::Fleet;
use crate::live_query::{FleetManager, LiveQuery, Outcome, Question};
use crate::osctrl::Osctrl;
use crate::text::cut;

macro_rules! backends {
    ($($name:literal => $variant:ident,)*) => {
        /// A fleet manager, with the params that only it has.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Backend {
            $($variant($variant),)*
        }

        impl Backend {
            /// The names that playbooks use.
            pub const NAMES: &[&str] = &[$($name),*];

            /// Parses the params that only this backend has.
            pub(crate) fn new(name: &str, own: Map<String, Value>) -> Result<Self, Failure> {
                let own = Value::Object(own);
                match name {
                    $($name => serde_json::from_value(own).map(Self::$variant).map_err(|error| unfit(name, &error)),)*
                    _ => Err(unknown()),
                }
            }

            /// Asks the targets.
            pub(crate) async fn ask<S: Services>(&self, services: &S, question: &Question) -> Result<Outcome, Failure> {
                match self {
                    $(Self::$variant(manager) => manager.ask(LiveQuery::begin(services, question)).await,)*
                }
            }

            /// Checks whether the targets could be asked.
            pub(crate) async fn check<S: Services>(&self, services: &S, question: &Question) -> Result<Vec<Finding>, Failure> {
                match self {
                    $(Self::$variant(manager) => manager.check(LiveQuery::begin(services, question)).await,)*
                }
            }
        }
    };
}

// A new fleet manager is a room, and a line here.
backends! {
    "fleetdm" => Fleet,
    "osctrl" => Osctrl,
}

fn unknown() -> Failure {
    let message = format!("backend must be one of {}", Backend::NAMES.join(", "));
    Failure::new(FailureKind::InvalidParams, message)
}

fn unfit(backend: &str, error: &serde_json::Error) -> Failure {
    // The message quotes names and never values, since the types are plain texts. A name can hold anything.
    let words = cut(&error.to_string(), 300).replace(char::is_control, " ");
    Failure::new(
        FailureKind::InvalidParams,
        format!("the params do not fit the backend {backend}: {words}"),
    )
}
