//! The plugin as a component: the contract's exports, and the services on its imports.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use self::bindings::exports::playbook::plugin::step::{self as wit, Guest};
use self::bindings::playbook::plugin::{cancellation, clock, http, log, progress, websocket};
use crate::failure::{Failure, Kind};
use crate::live_query;
use crate::services::{
    ConnectError, Level, Method, Request, Response, Services, Socket, TransportError, TransportKind,
};
use crate::template::Template;

#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "step-plugin" });
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
            templates: Template::all().iter().map(describe_template).collect(),
        }]
    }

    async fn render_template(step_type: String, template: String, params: String) -> Result<String, wit::Failure> {
        report_panics();
        if step_type != live_query::NAME {
            return Err(unknown_step_type(&step_type).into());
        }
        let params: Map<String, Value> = serde_json::from_str(&params)
            .map_err(|_| Failure::new(Kind::InvalidParams, "the template's params are not a JSON object"))?;
        let template = Template::named(&template).map_err(Failure::from)?;
        let sql = template.render(&params, HostServices.now()).map_err(Failure::from)?;
        Ok(sql.as_str().to_owned())
    }

    async fn run(step_type: String, params: String) -> Result<wit::Outcome, wit::Failure> {
        report_panics();
        if step_type != live_query::NAME {
            return Err(unknown_step_type(&step_type).into());
        }
        let outcome = live_query::run(&HostServices, &params).await?;
        let notes = outcome
            .notes
            .into_iter()
            .map(|(subject, text)| wit::Note { subject, text });
        Ok(wit::Outcome {
            result: outcome.result.to_string(),
            partial: outcome.partial,
            notes: notes.collect(),
        })
    }
}

fn unknown_step_type(name: &str) -> Failure {
    let name: String = name.chars().take(100).collect();
    Failure::new(Kind::NotFound, format!("this plugin has no step type `{name}`"))
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
            body: request.body,
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
        i64::try_from(clock::now())
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX)
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

    async fn cancellation(&self) {
        cancellation::requested().await;
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
            http::FailureKind::InvalidRequest | http::FailureKind::Denied => TransportKind::Refused,
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

impl From<Failure> for wit::Failure {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            Kind::InvalidParams => wit::FailureKind::InvalidParams,
            Kind::NotAllowed => wit::FailureKind::NotAllowed,
            Kind::Auth => wit::FailureKind::Auth,
            Kind::Permission => wit::FailureKind::Permission,
            Kind::NotFound => wit::FailureKind::NotFound,
            Kind::RateLimited => wit::FailureKind::RateLimited,
            Kind::Unavailable => wit::FailureKind::Unavailable,
            Kind::Protocol => wit::FailureKind::Protocol,
            Kind::Timeout => wit::FailureKind::Timeout,
            Kind::Cancelled => wit::FailureKind::Cancelled,
            Kind::Internal => wit::FailureKind::Internal,
        };
        Self {
            kind,
            message: failure.message,
            hint: failure.hint,
        }
    }
}

/// Rounded up, so that a wait never ends a moment too early.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros().div_ceil(1_000)).unwrap_or(u32::MAX)
}
