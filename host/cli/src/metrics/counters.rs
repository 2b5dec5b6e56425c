//! What polling counts, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use playbook_host::poll::{PollEvent, Severity};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Bounds of the durations of polls, in seconds.
const DURATIONS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// The counters of one connector.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    events: Family<BySeverity, Counter>,
    polls: Family<ByResult, Counter>,
    failures: Family<ByStream, Counter>,
    sink_failures: Counter,
    durations: Family<ByStream, Histogram>,
    last_success: Family<ByStream, Gauge<f64, AtomicU64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySeverity {
    severity: SeverityLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SeverityLabel(Severity);

impl EncodeLabelValue for SeverityLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let word = match self.0 {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStream {
    stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    stream: String,
    result: &'static str,
}

impl Metrics {
    pub(crate) fn new(connector: &str) -> Self {
        let labels = [("connector".into(), connector.to_owned().into())];
        let mut registry = Registry::with_prefix_and_labels("playbook_poll", labels.into_iter());
        let mut metrics = Self {
            registry: Arc::default(),
            events: Family::default(),
            polls: Family::default(),
            failures: Family::default(),
            sink_failures: Counter::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            last_success: Family::default(),
        };
        registry.register("events", "Events that every sink acknowledged", metrics.events.clone());
        registry.register("cycles", "Polls of a stream, retries included", metrics.polls.clone());
        registry.register(
            "errors",
            "Polls, and parts of polls, that failed",
            metrics.failures.clone(),
        );
        registry.register(
            "sink_errors",
            "Deliveries that a sink did not acknowledge",
            metrics.sink_failures.clone(),
        );
        registry.register(
            "cycle_duration_seconds",
            "How long polls of a stream took",
            metrics.durations.clone(),
        );
        registry.register(
            "last_success_timestamp_seconds",
            "When a poll of a stream last succeeded, since 1970; now minus this is the lag",
            metrics.last_success.clone(),
        );
        metrics.registry = Arc::new(registry);
        metrics
    }

    pub(crate) fn count(&self, event: &PollEvent) {
        match event {
            PollEvent::Delivered { severities } => {
                for severity in severities {
                    let label = BySeverity {
                        severity: SeverityLabel(*severity),
                    };
                    self.events.get_or_create(&label).inc();
                }
            }
            PollEvent::SinkFailed { .. } => {
                self.sink_failures.inc();
            }
            PollEvent::Retrying { stream, .. } => {
                self.failures.get_or_create(&by(stream)).inc();
            }
            PollEvent::Finished(cycle) => {
                let stream = by(&cycle.stream);
                self.durations
                    .get_or_create(&stream)
                    .observe(cycle.duration.as_secs_f64());
                let failed = match &cycle.outcome {
                    Ok(summary) => {
                        let now = crate::terminal::now().duration_since(jiff::Timestamp::UNIX_EPOCH);
                        self.last_success.get_or_create(&stream).set(now.as_secs_f64());
                        summary.failures.len() as u64
                    }
                    Err(_) => 1,
                };
                self.failures.get_or_create(&stream).inc_by(failed);
                let result = ByResult {
                    stream: stream.stream,
                    result: if cycle.outcome.is_ok() { "success" } else { "failure" },
                };
                self.polls.get_or_create(&result).inc();
            }
            _ => {}
        }
    }

    /// The counters as Prometheus reads them.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

fn by(stream: &str) -> ByStream {
    ByStream {
        stream: stream.to_owned(),
    }
}
