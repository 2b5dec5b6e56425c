//! The exported interface `connector`.

use std::pin::pin;

use futures::future::{Either, select};

use super::bindings::exports::playbook::plugin::connector as wit;
use super::bindings::playbook::plugin::{cancellation, types};
use super::bindings::{Component, wit_future, wit_stream};
use super::convert::{event_of, timestamp};
use super::host_services::HostServices;
use super::panics::report_panics;
use super::poll_services::HostPollServices;
use crate::contract::{Failure, FailureKind, Severity};
use crate::event::{Format, Notice};
use crate::exports::connectors::{self, ConnectorType};
use crate::polling::Settings;

type StreamOfBatches = wit_bindgen::rt::async_support::StreamReader<wit::Batch>;
type Ending = wit_bindgen::rt::async_support::FutureReader<Result<wit::Summary, types::Failure>>;

impl wit::Guest for Component {
    async fn describe() -> Vec<wit::ConnectorType> {
        report_panics();
        connectors::ALL.iter().map(describe_connector).collect()
    }

    async fn check(connector: String, config: String) -> Result<Vec<types::Finding>, types::Failure> {
        report_panics();
        let found = connectors::check(&HostServices, &connector, &config).await?;
        Ok(found.into_iter().map(types::Finding::from).collect())
    }

    async fn poll(connector: String, stream_name: String, settings: wit::Settings) -> (StreamOfBatches, Ending) {
        report_panics();
        let (batches, stream) = wit_stream::new();
        let (ended, ending) =
            wit_future::new(|| Err(Failure::new(FailureKind::Internal, "the poll ended without a word").into()));
        wit_bindgen::spawn_local(async move {
            let services = HostPollServices::new(batches);
            let settings = settings.into();
            // A poll starts nothing on a server that would have to be stopped.
            let polled = {
                let poll = pin!(connectors::poll(&services, &connector, &stream_name, &settings));
                match select(poll, pin!(cancellation::requested())).await {
                    Either::Left((polled, _)) => polled,
                    Either::Right(_) => Err(Failure::new(FailureKind::Cancelled, "the poll was asked to stop")),
                }
            };
            // The stream of batches ends before the outcome is sent.
            drop(services);
            let polled = polled.map_err(types::Failure::from).map(|summary| wit::Summary {
                message: summary.message,
                failures: summary.failures,
            });
            // The outcome is of no interest if the host has stopped listening.
            let _ = ended.write(polled).await;
        });
        (stream, ending)
    }

    async fn format_notice(
        connector: String,
        settings: wit::Settings,
        notice: wit::Notice,
    ) -> Result<wit::Event, types::Failure> {
        report_panics();
        let event = connectors::encode_notice(&connector, &settings.into(), notice.into())?;
        Ok(event_of(event))
    }
}

fn describe_connector(connector: &ConnectorType) -> wit::ConnectorType {
    let stream = |(name, summary): &(&str, &str)| wit::StreamType {
        name: (*name).into(),
        summary: (*summary).into(),
    };
    wit::ConnectorType {
        name: connector.name.into(),
        summary: connector.summary.into(),
        config_schema: connector.config_schema.into(),
        options_schema: connector.options_schema.into(),
        streams: connector.streams.iter().map(stream).collect(),
        formats: Format::ALL
            .iter()
            .map(|format| wit::Format {
                name: format.name.into(),
                schema: format.schema.into(),
            })
            .collect(),
    }
}

impl From<wit::Settings> for Settings {
    fn from(settings: wit::Settings) -> Self {
        Self {
            format: settings.format,
            config: settings.config,
            options: settings.options,
        }
    }
}

impl From<wit::Notice> for Notice {
    fn from(notice: wit::Notice) -> Self {
        Self {
            severity: match notice.severity {
                wit::Severity::Info => Severity::Info,
                wit::Severity::Low => Severity::Low,
                wit::Severity::Medium => Severity::Medium,
                wit::Severity::High | wit::Severity::Critical => Severity::High,
            },
            time: timestamp(notice.time),
            code: notice.code,
            id: notice.id,
            title: notice.title,
            description: notice.description,
        }
    }
}
