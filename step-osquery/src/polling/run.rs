//! Runs a connector.

use super::config::{Config, Settings, unfit};
use super::connector::Connector;
use super::poll::{Poll, Summary};
use crate::contract::{Deadline, Failure, Finding, PollServices, Services, Severity};
use crate::event::{Format, Notice};
use crate::server::Session;

/// Tests a connection.
pub(crate) async fn check<C: Connector, S: Services>(services: &S, config: &str) -> Result<Vec<Finding>, Failure> {
    let config = Config::<C>::parse(config)?;
    let deadline = Deadline::at(services.deadline());
    let session = Session::new(services, &config.base_url, &config.credentials, deadline);
    config.own.check(&session).await
}

/// Polls a stream once.
pub(crate) async fn poll<C: Connector, S: PollServices>(
    services: &S,
    stream: &str,
    settings: &Settings,
) -> Result<Summary, Failure> {
    let config = Config::<C>::parse(&settings.config)?;
    let deadline = Deadline::at(services.deadline());
    let poll = Poll {
        services,
        session: Session::new(services, &config.base_url, &config.credentials, deadline),
        source: config.source(),
        options: serde_json::from_str(&settings.options).map_err(|error| unfit("connector_config", &error))?,
        format: Format::named(&settings.format)?,
    };
    config.own.poll(stream, &poll).await
}

/// Encodes a notice of the host's as an event.
pub(crate) fn encode_notice<C: Connector>(settings: &Settings, notice: Notice) -> Result<(String, Severity), Failure> {
    let source = Config::<C>::parse(&settings.config)?.source();
    let event = notice.into_event(&source);
    Ok((Format::named(&settings.format)?.encode(&source, &event), event.severity))
}
