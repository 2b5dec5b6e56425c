//! The registry of connectors.

use crate::contract::{Failure, FailureKind, Finding, PollServices, Services, Severity};
use crate::event::Notice;
use crate::fleet::FleetConnector;
use crate::osctrl::OsctrlConnector;
use crate::polling::{self, Connector as _, Settings, Summary};

/// A connector type, as the contract describes it.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "documented in the contract")]
pub struct ConnectorType {
    pub name: &'static str,
    pub summary: &'static str,
    pub config_schema: &'static str,
    pub options_schema: &'static str,
    pub streams: &'static [(&'static str, &'static str)],
}

macro_rules! connectors {
    ($($connector:ident,)*) => {
        /// All connector types.
        pub const ALL: &[ConnectorType] = &[$(ConnectorType {
            name: $connector::NAME,
            summary: $connector::SUMMARY,
            config_schema: $connector::CONFIG_SCHEMA,
            options_schema: $connector::OPTIONS_SCHEMA,
            streams: $connector::STREAMS,
        },)*];

        /// Tests a connection.
        pub async fn check<S: Services>(services: &S, connector: &str, config: &str) -> Result<Vec<Finding>, Failure> {
            match connector {
                $($connector::NAME => polling::check::<$connector, S>(services, config).await,)*
                _ => Err(unknown(connector)),
            }
        }

        /// Polls a stream once.
        pub async fn poll<S: PollServices>(
            services: &S,
            connector: &str,
            stream: &str,
            settings: &Settings,
        ) -> Result<Summary, Failure> {
            match connector {
                $($connector::NAME => polling::poll::<$connector, S>(services, stream, settings).await,)*
                _ => Err(unknown(connector)),
            }
        }

        /// Encodes a notice of the host's as an event of this connector.
        pub fn encode_notice(
            connector: &str,
            settings: &Settings,
            notice: Notice,
        ) -> Result<(String, Severity), Failure> {
            match connector {
                $($connector::NAME => polling::encode_notice::<$connector>(settings, notice),)*
                _ => Err(unknown(connector)),
            }
        }
    };
}

// A new connector is a room, and a line here.
connectors! {
    FleetConnector,
    OsctrlConnector,
}

fn unknown(connector: &str) -> Failure {
    let name: String = connector.chars().take(100).collect();
    Failure::new(FailureKind::NotFound, format!("this plugin has no connector `{name}`"))
}
