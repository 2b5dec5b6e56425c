//! `playbook poll`.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use playbook_host::language::secret_names;
use playbook_host::poll::{
    ConnectorInputs, Cycle, FileSink, Lines, Once, PollError, PollEvent, PollObserver, PreparedConnector, Sink, Sinks,
    StateFile, Webhook, WebhookError,
};
use playbook_host::sandbox::{CallEvent, LogLevel};
use playbook_host::{CancellationToken, Runner, Secrets};

use crate::args::{ConnectorArgs, PollArgs};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::metrics::Metrics;
use crate::signals;

pub(crate) async fn poll(args: PollArgs, verbosity: u8) -> Result<Exit, CommandError> {
    let runner = inputs::connecting_runner(
        &args.connector.policy,
        &args.connector.plugins,
        Some(&args.connector.file),
    )
    .await?;
    let secrets = inputs::secrets(args.connector.secrets.secrets.as_deref())?;
    let format = args.format.clone();
    let (prepared, secrets) = prepare(&runner, &args.connector, secrets, format, &args.sink_headers).await?;
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
        Some(address) => Some(metrics.clone().serve(address).await?),
        None => None,
    };
    let name = prepared.name().to_owned();
    if let Some(serving) = &serving {
        say(&name, &format!("counters at http://{}/metrics", serving.address));
    }
    let observer = observer(name, metrics, verbosity);
    let poller = runner.poller(prepared, Arc::new(store), sinks, observer);
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let signals = tokio::spawn(async move {
        signals::interrupted().await;
        stopping.cancel();
        // A second request does not wait for what is being delivered.
        signals::interrupted().await;
        std::process::exit(Exit::Interrupted as i32);
    });
    let exit = if args.once {
        let once = poller.run_once(stop.clone()).await.map_err(|error| failed(&error))?;
        match once {
            _ if stop.is_cancelled() => Exit::Interrupted,
            Once::Complete => Exit::Success,
            Once::Partial => Exit::Partial,
            Once::Failed => Exit::Failed,
        }
    } else {
        poller.run(stop).await.map_err(|error| failed(&error))?;
        // Asked to stop, which is how polling ends.
        Exit::Success
    };
    signals.abort();
    drop(serving);
    Ok(exit)
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
    connector_inputs.directory = args.file.parent().unwrap_or(Path::new(".")).to_owned();
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
            return Ok(Arc::new(Lines::new(std::io::stdout())));
        }
        if name.contains("://") {
            let webhook = Webhook::new(name, &args.sink_headers, secrets.clone(), connector, allow_http);
            return Ok(Arc::new(webhook.map_err(|error| {
                let hint = matches!(error, WebhookError::Unencrypted(_)).then(|| "use https, or --allow-http".into());
                CommandError::new(error.to_string()).maybe_hint(hint)
            })?));
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
                format!("{events} events that were under way when the last process ended were delivered again")
            }
            PollEvent::SinkFailed {
                sink,
                message,
                again_in,
            } => {
                format!(
                    "{sink} takes no events: {message}; trying again in {}",
                    seconds(again_in)
                )
            }
            PollEvent::Retrying {
                stream,
                failure,
                again_in,
            } => {
                format!("{stream}: {failure}; trying again in {}", seconds(again_in))
            }
            PollEvent::Said {
                stream,
                event: CallEvent::Log { level, message },
            } => {
                let shown = level >= LogLevel::Warn || verbosity > 0;
                if !shown {
                    return;
                }
                format!("{stream}: {message}")
            }
            _ => return,
        };
        say(&name, &line);
    })
}

/// Writes a line to stderr. Nobody is left to tell when that is gone.
fn say(name: &str, line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}{name}  {line}", stamp());
}

/// The time, where no log keeper will add it.
fn stamp() -> String {
    if std::io::stderr().is_terminal() {
        format!("{}  ", crate::terminal::now().strftime("%H:%M:%SZ"))
    } else {
        String::new()
    }
}

fn cycle_in_words(cycle: &Cycle) -> String {
    let took = seconds(cycle.duration);
    let mut line = match &cycle.outcome {
        Ok(summary) => format!(
            "{}: {}, {} events in {took}",
            cycle.stream, summary.message, cycle.events
        ),
        Err(failure) => {
            let hint = failure
                .hint
                .as_ref()
                .map(|hint| format!(" ({hint})"))
                .unwrap_or_default();
            format!("{}: failed after {took}: {failure}{hint}", cycle.stream)
        }
    };
    if let Some(next) = cycle.next {
        let _ = write!(line, "; next in {}", seconds(next));
    }
    if let Ok(summary) = &cycle.outcome {
        for failure in &summary.failures {
            let _ = write!(line, "\n  {failure}");
        }
    }
    line
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn failed(error: &PollError) -> CommandError {
    CommandError::failed(error.to_string())
}
