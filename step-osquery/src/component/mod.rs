//! The plugin as a component: the contract's exports, and the services on its imports.

use std::time::Duration;

use futures::lock::Mutex;
use jiff::Timestamp;
use serde_json::{Map, Value};

use self::bindings::exports::playbook::plugin::connector as watch;
use self::bindings::exports::playbook::plugin::step::{self as wit, Guest};
use self::bindings::playbook::plugin::{cancellation, clock, http, log, parts, progress, state, types, websocket};
use self::bindings::{wit_future, wit_stream};
use crate::contract::Finding;
use crate::contract::Severity;
use crate::contract::{
    Batch, Closed, ConnectError, Feeds, Level, Method, Request, Response, Services, Socket, TransportError,
    TransportKind,
};
use crate::contract::{Failure, Kind};
use crate::event::Format;
use crate::exports::connectors::{self as connector, Connector, Notice, Settings};
use crate::live_query::query as live_query;
use crate::template::Template;

#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "plugin" });
    use super::Component;
    export!(Component);
}

struct Component;

impl Guest for Component {
    async fn describe() -> Vec<wit::StepType> {
        report_panics();
        vec![wit::StepType {
            name: live_query::NAME.into(),
            summary: live_query::SUMMARY.into(),
            params_schema: live_query::PARAMS_SCHEMA.into(),
            result_schema: live_query::RESULT_SCHEMA.into(),
            templates: Template::all().map(describe_template).collect(),
        }]
    }

    async fn render_template(step_type: String, template: String, params: String) -> Result<String, types::Failure> {
        report_panics();
        known(&step_type)?;
        let params: Map<String, Value> = serde_json::from_str(&params)
            .map_err(|_| Failure::new(Kind::InvalidParams, "the template's params are not a JSON object"))?;
        let template = Template::named(&template).map_err(Failure::from)?;
        let sql = template.render(&params, HostServices.now()).map_err(Failure::from)?;
        Ok(sql.as_str().to_owned())
    }

    async fn check(step_type: String, params: String) -> Result<Vec<types::Finding>, types::Failure> {
        report_panics();
        known(&step_type)?;
        let found = live_query::check(&HostServices, &params).await?;
        Ok(found.into_iter().map(types::Finding::from).collect())
    }

    async fn run(step_type: String, params: String) -> Result<wit::Outcome, types::Failure> {
        report_panics();
        known(&step_type)?;
        let outcome = live_query::run(&HostServices, &params).await?;
        let notes = outcome
            .notes
            .into_iter()
            .map(|(subject, text)| wit::Note { subject, text });
        Ok(wit::Outcome {
            // `to_string` would go through the formatter of texts, piece by piece.
            result: serde_json::to_string(&outcome.result).expect("a result has only texts as keys"),
            partial: outcome.partial,
            notes: notes.collect(),
        })
    }
}

impl watch::Guest for Component {
    async fn describe() -> Vec<watch::ConnectorType> {
        report_panics();
        connector::ALL.iter().map(describe_connector).collect()
    }

    async fn check(connector: String, config: String) -> Result<Vec<types::Finding>, types::Failure> {
        report_panics();
        let found = connector::check(&HostServices, &connector, &config).await?;
        Ok(found.into_iter().map(types::Finding::from).collect())
    }

    async fn poll(connector: String, stream_name: String, settings: watch::Settings) -> (StreamOfBatches, Ending) {
        report_panics();
        let (batches, stream) = wit_stream::new();
        let (ended, ending) =
            wit_future::new(|| Err(Failure::new(Kind::Internal, "the poll ended without a word").into()));
        wit_bindgen::spawn_local(async move {
            let polling = Polling(Mutex::new(batches));
            let polled = connector::poll(&polling, &connector, &stream_name, &settings.into()).await;
            // The end of the batches comes before the word on how it ended.
            drop(polling);
            let polled = polled.map_err(types::Failure::from).map(|summary| watch::Summary {
                message: summary.message,
                failures: summary.failures,
            });
            // If nobody listens any more, nobody needs to know.
            let _ = ended.write(polled).await;
        });
        (stream, ending)
    }

    async fn tell(
        connector: String,
        settings: watch::Settings,
        notice: watch::Notice,
    ) -> Result<watch::Event, types::Failure> {
        report_panics();
        let notice = Notice {
            severity: match notice.severity {
                watch::Severity::Info => Severity::Info,
                watch::Severity::Low => Severity::Low,
                watch::Severity::Medium => Severity::Medium,
                watch::Severity::High | watch::Severity::Critical => Severity::High,
            },
            time: timestamp(notice.time),
            code: notice.code,
            id: notice.id,
            title: notice.title,
            description: notice.description,
        };
        Ok(event(connector::tell(&connector, &settings.into(), notice)?))
    }
}

type StreamOfBatches = wit_bindgen::rt::async_support::StreamReader<watch::Batch>;
type Ending = wit_bindgen::rt::async_support::FutureReader<Result<watch::Summary, types::Failure>>;

fn describe_connector(connector: &Connector) -> watch::ConnectorType {
    let stream = |(name, summary): &(&str, &str)| watch::StreamType {
        name: (*name).into(),
        summary: (*summary).into(),
    };
    watch::ConnectorType {
        name: connector.name.into(),
        summary: connector.summary.into(),
        config_schema: connector.config_schema.into(),
        options_schema: connector.options_schema.into(),
        streams: connector.streams.iter().map(stream).collect(),
        formats: Format::ALL
            .iter()
            .map(|format| watch::Format {
                name: format.name.into(),
                schema: format.schema.into(),
            })
            .collect(),
    }
}

impl From<watch::Settings> for Settings {
    fn from(settings: watch::Settings) -> Self {
        Self {
            format: settings.format,
            config: settings.config,
            options: settings.options,
        }
    }
}

fn event((json, severity): (String, Severity)) -> watch::Event {
    watch::Event {
        json,
        severity: match severity {
            Severity::Info => watch::Severity::Info,
            Severity::Low => watch::Severity::Low,
            Severity::Medium => watch::Severity::Medium,
            Severity::High => watch::Severity::High,
        },
    }
}

impl From<Finding> for types::Finding {
    fn from(finding: Finding) -> Self {
        Self {
            subject: finding.subject.into_owned(),
            text: finding.text,
            ok: finding.ok,
        }
    }
}

fn known(step_type: &str) -> Result<(), Failure> {
    if step_type == live_query::NAME {
        return Ok(());
    }
    let name: String = step_type.chars().take(100).collect();
    Err(Failure::new(
        Kind::NotFound,
        format!("this plugin has no step type `{name}`"),
    ))
}

fn describe_template(template: &Template) -> wit::Template {
    wit::Template {
        name: template.name().into(),
        summary: template.summary().into(),
        text: template.text().into(),
        params: template
            .params()
            .iter()
            .map(|param| wit::TemplateParam {
                name: param.name().into(),
                accepts: param.accepts(),
                default_value: param.default().map(|value| value.to_string()),
                summary: param.summary().into(),
            })
            .collect(),
        platforms: template.platforms().to_vec(),
        columns: template.columns().to_vec(),
    }
}

/// A panic is a trap without a word; this tells the host why. To be called first in every export.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| log::panicked(&info.to_string())));
}

/// The services of the host that runs this component.
struct HostServices;

impl Services for HostServices {
    type Socket = websocket::Connection;

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut headers = vec![http::Field {
            name: "accept".into(),
            value: "application/json".into(),
        }];
        if let Some(value) = request.authorization {
            headers.push(http::Field {
                name: "authorization".into(),
                value,
            });
        }
        let response = http::send(http::Request {
            method: match request.method {
                Method::Get => http::Method::Get,
                Method::Post => http::Method::Post,
            },
            path: request.path,
            headers,
            body: request.body.map(http::Body::Json),
            timeout_ms: millis(request.timeout),
            repeatable: request.repeatable,
            capture: request.capture,
        })
        .await?;
        Ok(Response {
            status: response.status,
            headers: response
                .headers
                .into_iter()
                .map(|field| (field.name, field.value))
                .collect(),
            body: response.body,
        })
    }

    async fn connect(&self, path: &str, timeout: Duration) -> Result<Self::Socket, ConnectError> {
        websocket::connect(path.to_owned(), Vec::new(), millis(timeout))
            .await
            .map_err(|failure| match failure {
                websocket::ConnectFailure::Rejected(status) => ConnectError::Rejected(status),
                websocket::ConnectFailure::Failed(failure) => ConnectError::Failed(failure.into()),
            })
    }

    fn now(&self) -> Timestamp {
        timestamp(clock::now())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(clock::monotonic())
    }

    async fn sleep(&self, duration: Duration) {
        clock::sleep(u64::from(millis(duration))).await;
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Warn => log::Level::Warn,
        };
        log::write(level, message);
    }

    fn progress(&self, done: usize, total: usize, message: &str) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        progress::report(&progress::Update {
            done: count(done),
            total: Some(count(total)),
            message: message.into(),
        });
    }

    fn parts_wanted(&self) -> bool {
        parts::wanted()
    }

    fn part(&self, subject: &str, outcome: Result<String, String>) {
        parts::tell(&parts::Part {
            subject: subject.into(),
            outcome,
        });
    }

    async fn cancellation(&self) {
        cancellation::requested().await;
    }
}

/// The services of the host that polls, and where the batches go.
struct Polling(Mutex<wit_bindgen::rt::async_support::StreamWriter<watch::Batch>>);

impl Services for Polling {
    type Socket = websocket::Connection;

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        HostServices.send(request).await
    }

    async fn connect(&self, path: &str, timeout: Duration) -> Result<Self::Socket, ConnectError> {
        HostServices.connect(path, timeout).await
    }

    fn now(&self) -> Timestamp {
        HostServices.now()
    }

    fn monotonic(&self) -> Duration {
        HostServices.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        HostServices.sleep(duration).await;
    }

    fn log(&self, level: Level, message: &str) {
        HostServices.log(level, message);
    }

    fn progress(&self, done: usize, total: usize, message: &str) {
        HostServices.progress(done, total, message);
    }

    // A poll has no result.
    fn parts_wanted(&self) -> bool {
        false
    }

    fn part(&self, _: &str, _: Result<String, String>) {}

    async fn cancellation(&self) {
        HostServices.cancellation().await;
    }
}

impl Feeds for Polling {
    async fn deliver(&self, batch: Batch) -> Result<(), Closed> {
        let batch = watch::Batch {
            events: batch.events.into_iter().map(event).collect(),
            changes: batch
                .changes
                .into_iter()
                .map(|change| watch::Change {
                    key: change.key,
                    value: change.value,
                })
                .collect(),
        };
        // One batch at a time: the next one is made while this one is taken.
        match self.0.lock().await.write_one(batch).await {
            None => Ok(()),
            Some(_) => Err(Closed),
        }
    }

    async fn recall(&self, keys: Vec<String>) -> Vec<Option<String>> {
        state::get(keys).await
    }

    async fn entries(&self, prefix: &str, after: Option<String>, limit: u32) -> Vec<(String, String)> {
        let entries = state::entries(prefix.to_owned(), after, limit).await;
        entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
    }
}

impl Socket for websocket::Connection {
    async fn send(&self, json: String) -> Result<(), TransportError> {
        Ok(Self::send(self, json).await?)
    }

    async fn receive(&self) -> Result<Option<String>, TransportError> {
        Ok(Self::receive(self).await?)
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}

impl From<http::Failure> for TransportError {
    fn from(failure: http::Failure) -> Self {
        let kind = match failure.kind {
            http::FailureKind::InvalidRequest => TransportKind::Refused,
            http::FailureKind::Denied => TransportKind::Denied,
            http::FailureKind::Resolve => TransportKind::Resolve,
            http::FailureKind::Connect => TransportKind::Connect,
            http::FailureKind::Tls => TransportKind::Tls,
            http::FailureKind::Timeout => TransportKind::Timeout,
            http::FailureKind::Interrupted => TransportKind::Interrupted,
            http::FailureKind::TooLarge => TransportKind::TooLarge,
        };
        Self {
            kind,
            message: failure.message,
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            Kind::InvalidParams => types::FailureKind::InvalidParams,
            Kind::NotAllowed => types::FailureKind::NotAllowed,
            Kind::Auth => types::FailureKind::Auth,
            Kind::Permission => types::FailureKind::Permission,
            Kind::NotFound => types::FailureKind::NotFound,
            Kind::RateLimited => types::FailureKind::RateLimited,
            Kind::Unavailable => types::FailureKind::Unavailable,
            Kind::Protocol => types::FailureKind::Protocol,
            Kind::Timeout => types::FailureKind::Timeout,
            Kind::Cancelled => types::FailureKind::Cancelled,
            Kind::Internal => types::FailureKind::Internal,
        };
        Self {
            kind,
            message: failure.message,
            hint: failure.hint,
        }
    }
}

fn timestamp(ms: u64) -> Timestamp {
    let timestamp = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.unwrap_or(Timestamp::MAX)
}

/// Rounded up, so that a wait never ends a moment too early.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros().div_ceil(1_000)).unwrap_or(u32::MAX)
}
