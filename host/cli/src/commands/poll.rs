//! `playbook poll`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use playbook_host::language::secret_names;
use playbook_host::poll::{
    ConnectorInputs, Cycle, FileSink, Once, PollError, PollEvent, PollObserver, PreparedConnector, Sink, Sinks,
    StateFile, Webhook, WebhookError,
};
use playbook_host::sandbox::{CallEvent, LogLevel};
use playbook_host::{Runner, Secrets};

use crate::args::{ConnectorArgs, PollArgs};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::metrics::{self, Metrics};
use crate::output::{self, StdoutSink, Text, text};
use crate::signals;

pub(crate) async fn poll(args: PollArgs, verbosity: u8) -> Result<Exit, CommandError> {
    let runner =
        inputs::connecting_runner(&args.connector.policy, &args.connector.plugins, &args.connector.file).await?;
    let secrets = inputs::secrets(args.connector.secrets.secrets.as_deref())?;
    let format = args.format.clone();
    let (prepared, secrets) = prepare(&runner, &args.connector, secrets, format, &args.sink_headers).await?;
    output::hide(prepared.redactor());
    output::warn(&prepared.warnings());
    let sinks = sinks(&args, &secrets, &prepared, runner.policy().allow_http)?;
    let dir = match &args.state {
        Some(dir) => dir.clone(),
        None => StateFile::user_dir().ok_or_else(|| {
            CommandError::new("there is no home directory to keep state in").hint("name a directory with --state")
        })?,
    };
    let subject = prepared.subject();
    let store = StateFile::open(&dir, prepared.name(), &subject).map_err(|e| CommandError::new(e.to_string()))?;
    let metrics = Metrics::new(prepared.name());
    let serving = match &args.metrics {
        Some(address) => Some(metrics::serve(metrics.clone(), address).await?),
        None => None,
    };
    let name = prepared.name().to_owned();
    if let Some(serving) = &serving {
        say(&name, &text!("counters at http://{}/metrics", serving.address));
    }
    let observer = observer(name, metrics, verbosity);
    let poller = runner.poller(prepared, Arc::new(store), sinks, observer);
    let grace = signals::grace();
    let stop = grace.token();
    let polled = if args.once {
        poller.run_once(stop.clone()).await.map(|once| match once {
            _ if stop.is_cancelled() => Exit::Interrupted,
            Once::Complete => Exit::Success,
            Once::Partial => Exit::Partial,
            Once::Failed => Exit::Failed,
        })
    } else {
        // Asked to stop, which is how polling ends.
        poller.run(stop.clone()).await.map(|()| Exit::Success)
    };
    drop(serving);
    match polled {
        // Nobody reads the events any more. They are kept, and delivered by the next process.
        Err(PollError::Sink(_)) if stop.is_cancelled() => Ok(Exit::Interrupted),
        polled => polled.map_err(|error| CommandError::failed(error.to_string())),
    }
}

/// Reads and checks a connector file, and looks up the secrets that it and the headers of sinks use.
pub(crate) async fn prepare(
    runner: &Runner,
    args: &ConnectorArgs,
    secrets: Secrets,
    format: Option<String>,
    sink_headers: &[String],
) -> Result<(PreparedConnector, Secrets), CommandError> {
    let connector = runner.read_connector(inputs::source(&args.file)?)?;
    let mut names = connector.secret_names();
    names.extend(sink_headers.iter().flat_map(|header| secret_names(header)));
    let secrets = inputs::look_up(&args.secrets, secrets, names).await?;
    let mut connector_inputs = ConnectorInputs::new(secrets.clone());
    connector_inputs.vars = inputs::assignments("--var", &args.vars)?;
    let directory = args.file.parent().unwrap_or(Path::new("."));
    directory.clone_into(&mut connector_inputs.directory);
    connector_inputs.format = format;
    Ok((runner.prepare_connector(&connector, connector_inputs)?, secrets))
}

/// Where the command line says that events go.
fn sinks(
    args: &PollArgs,
    secrets: &Secrets,
    connector: &PreparedConnector,
    allow_http: bool,
) -> Result<Sinks, CommandError> {
    let sink = |name: &String| -> Result<Arc<dyn Sink>, CommandError> {
        if name == "-" {
            return Ok(Arc::new(StdoutSink));
        }
        if name.contains("://") {
            let webhook = Webhook::new(name, &args.sink_headers, secrets.clone(), connector, allow_http);
            let webhook = webhook.map_err(|error| {
                let hint = matches!(error, WebhookError::Unencrypted(_)).then(|| "use https, or --allow-http".into());
                CommandError::new(error.to_string()).maybe_hint(hint)
            })?;
            output::hide(webhook.redactor());
            output::warn(&webhook.warnings());
            return Ok(Arc::new(webhook));
        }
        let file = FileSink::open(Path::new(name));
        Ok(Arc::new(file.map_err(|error| {
            CommandError::new(format!("cannot write to `{name}`: {error}"))
                .hint("a sink is a file, an http or https URL, or - for standard output")
        })?))
    };
    if args.sinks.is_empty() {
        return Ok(vec![sink(&"-".to_owned())?]);
    }
    args.sinks.iter().map(sink).collect()
}

/// Shows what happens on stderr, a line for each poll, and counts it.
fn observer(name: String, metrics: Metrics, verbosity: u8) -> PollObserver {
    Arc::new(move |event| {
        metrics.count(&event);
        let line = match event {
            PollEvent::Finished(cycle) => cycle_in_words(&cycle),
            PollEvent::Redelivered { events } => {
                text!(
                    "{} events that were under way when the last process ended were delivered again",
                    events
                )
            }
            PollEvent::SinkFailed {
                sink,
                message,
                again_in,
            } => {
                text!(
                    "{} takes no events: {}; trying again in {}",
                    sink,
                    message,
                    seconds(again_in)
                )
            }
            PollEvent::Retrying {
                stream,
                failure,
                again_in,
            } => {
                text!("{}: {}; trying again in {}", stream, failure.message, seconds(again_in))
            }
            PollEvent::Said {
                stream,
                event: CallEvent::Log { level, message },
            } => {
                let shown = level >= LogLevel::Warn || verbosity > 0;
                if !shown {
                    return;
                }
                text!("{}: {}", stream, message)
            }
            _ => return,
        };
        say(&name, &line);
    })
}

/// Writes a line to stderr.
fn say(name: &str, line: &Text) {
    output::say(text!("{}{}  {}\n", stamp(), name, line));
}

/// The time, where no log keeper will add it.
fn stamp() -> String {
    if output::width_of_stderr().is_some() {
        format!("{}  ", crate::terminal::now().strftime("%H:%M:%SZ"))
    } else {
        String::new()
    }
}

fn cycle_in_words(cycle: &Cycle) -> Text {
    let took = seconds(cycle.duration);
    let mut line = match &cycle.outcome {
        Ok(summary) => text!(
            "{}: {}, {} events in {}",
            cycle.stream,
            summary.message,
            cycle.events,
            took
        ),
        Err(failure) => {
            let hint = failure.hint.as_ref().map(|hint| text!(" ({})", hint));
            let hint = hint.unwrap_or_default();
            text!("{}: failed after {}: {}{}", cycle.stream, took, failure.message, hint)
        }
    };
    if let Some(next) = cycle.next {
        line.push(&text!("; next in {}", seconds(next)));
    }
    if let Ok(summary) = &cycle.outcome {
        for failure in &summary.failures {
            line.push(&text!("\n  {}", failure));
        }
    }
    line
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
