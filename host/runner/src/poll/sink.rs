//! Where events go.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use url::Url;

use crate::language::render::{Renderer, Values, secret_names};
use crate::net::egress::Network;
use crate::net::policy::is_this_machine;
use crate::net::tls::{Tls, TlsError};
use crate::poll::connector::PreparedConnector;
use crate::sandbox::store::EventText;
use crate::secrets::{Escaping, Redactor, Secrets, Use, Vault};
use crate::text::schema::Provenance;
use crate::text::url::without_credentials;
use crate::text::visible::visible_json;

/// How long a webhook may take to acknowledge.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Takes events. It has acknowledged them when [`deliver`](Self::deliver) returns: they will not be delivered again, so by then
/// they must be safe.
pub trait Sink: Send + Sync {
    /// What messages call it.
    fn name(&self) -> &str;

    /// How many events it takes at once, at most.
    fn batch_size(&self) -> usize;

    /// Delivers events, one JSON object each.
    fn deliver<'a>(&'a self, events: &'a [EventText]) -> BoxFuture<'a, Result<(), SinkError>>;
}

/// Why events were not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// It may work later. The events are delivered again.
    #[error("{0}")]
    Later(String),
    /// It will never work again, as when standard output was closed.
    #[error("{0}")]
    Gone(String),
}

/// One JSON object a line on a writer, typically standard output. Flushed is acknowledged.
pub struct Lines<W>(Mutex<W>);

impl<W: io::Write + Send> Lines<W> {
    /// Writes to this.
    pub fn new(writer: W) -> Self {
        Self(Mutex::new(writer))
    }
}

impl<W: io::Write + Send> Sink for Lines<W> {
    fn name(&self) -> &'static str {
        "standard output"
    }

    fn batch_size(&self) -> usize {
        usize::MAX
    }

    fn deliver<'a>(&'a self, events: &'a [EventText]) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            // Writing waits when the reader is slow. That is meant, and must not stop the other tasks.
            let write = || {
                let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write_all(lines(events).as_bytes()).and_then(|()| writer.flush())
            };
            blocking(write).map_err(|error| SinkError::Gone(format!("cannot write to standard output: {error}")))
        })
    }
}

/// One JSON object a line at the end of a file. Synced to the disk is acknowledged; written, if it is a pipe or a device.
#[derive(Debug)]
pub struct FileSink {
    file: Mutex<File>,
    name: String,
}

impl FileSink {
    /// Appends to a file, which is made if it is not there. A last line that was cut off by a crash is removed: it was not
    /// acknowledged, and comes again.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).append(true).create(true);
        // Events say what is on machines: a file that is made is for the user alone.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        #[cfg(unix)]
        if !is_inherited(path) {
            let flags = rustix::fs::OFlags::NOFOLLOW.bits();
            std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.cast_signed());
        }
        let mut file = options.open(path).map_err(|error| {
            let link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
            if link {
                io::Error::other("it is a symbolic link; name the file itself")
            } else {
                error
            }
        })?;
        #[cfg(unix)]
        if !is_inherited(path) {
            refuse_planted(&file.metadata()?)?;
        }
        let end = end_of_last_line(&mut file)?;
        if end < file.metadata()?.len() {
            file.set_len(end)?;
        }
        Ok(Self {
            file: Mutex::new(file),
            name: path.display().to_string(),
        })
    }
}

/// Returns true if this names an open stream of this process. Such names are links.
#[cfg(unix)]
fn is_inherited(path: &Path) -> bool {
    let streams = ["/dev/stdout", "/dev/stderr"];
    let folders = ["/dev/fd", "/proc/self/fd"];
    streams.iter().any(|stream| path == Path::new(stream))
        || folders.iter().any(|folder| path.parent() == Some(Path::new(folder)))
}

/// Refuses a file or pipe that somebody could have planted: one of another user, or a hard link. The open file is examined, since
/// its name can lead elsewhere by now.
#[cfg(unix)]
fn refuse_planted(about: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    if !about.is_file() && !about.file_type().is_fifo() {
        return Ok(());
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user; name a file of your own"));
    }
    if about.nlink() > 1 {
        return Err(io::Error::other(
            "it is a hard link to a file with another name; name a file of its own",
        ));
    }
    Ok(())
}

impl Sink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn batch_size(&self) -> usize {
        usize::MAX
    }

    fn deliver<'a>(&'a self, events: &'a [EventText]) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let write = || {
                let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
                let about = file.metadata()?;
                let before = about.len();
                let sync = || if about.is_file() { file.sync_data() } else { Ok(()) };
                let written = (&*file).write_all(lines(events).as_bytes()).and_then(|()| sync());
                if written.is_err() && about.is_file() {
                    // A full disk: what was written comes again, so it is taken back.
                    file.set_len(before)?;
                }
                written
            };
            blocking(write).map_err(|error| SinkError::Later(format!("cannot write: {error}")))
        })
    }
}

/// POSTs events to a URL, in the body that `AiSOC`'s ingest takes: `{"connector_id", "connector_type", "source_format",
/// "events": […]}`. A status of 2xx is acknowledged.
pub struct Webhook {
    client: reqwest::Client,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    envelope: Envelope,
    name: String,
    vault: Vault,
}

struct Envelope {
    id: String,
    kind: String,
    format: String,
}

#[derive(serde::Serialize)]
struct WebhookBody<'a> {
    connector_id: &'a str,
    connector_type: &'a str,
    source_format: &'a str,
    events: Vec<&'a RawValue>,
}

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// No URL that can be posted to.
    #[error("`{}` is not an http or https URL", without_credentials(.0))]
    Url(String),
    /// Events would go over the network for everybody to read.
    #[error("events would go to {0} unencrypted, where others can read them")]
    Unencrypted(String),
    /// Not `NAME: VALUE`.
    #[error("`{0}` is not a header of the form NAME: VALUE")]
    Header(String),
    /// The value of a header cannot be filled in.
    #[error("the header `{name}`: {message}")]
    Value {
        /// The header's name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Webhook {
    /// A webhook for the events of a connector. Headers are `NAME: VALUE`; values may use `{{ secrets.… }}`.
    ///
    /// Unless `allow_http` is set, http is for this machine only: events tell what is on machines, and headers hold tokens.
    pub fn new(
        url: &str,
        headers: &[String],
        secrets: Secrets,
        connector: &PreparedConnector,
        allow_http: bool,
    ) -> Result<Self, WebhookError> {
        let parsed = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let unusable = || WebhookError::Url(url.to_owned());
        let parsed = parsed.ok_or_else(unusable)?;
        let host = parsed.host().ok_or_else(unusable)?;
        if parsed.scheme() == "http" && !allow_http && !is_this_machine(&host) {
            return Err(WebhookError::Unencrypted(host.to_string()));
        }
        // What plugins may reach does not matter here.
        let client = Network::default().client(&Tls::default(), &host)?;
        let vault = Vault::new(secrets);
        let renderer = Renderer::new(vault.clone(), Values::default());
        let headers = headers.iter().map(|header| read_header(header, &renderer, &vault));
        Ok(Self {
            client: client.http,
            headers: headers.collect::<Result<_, _>>()?,
            envelope: Envelope {
                id: connector.name().to_owned(),
                kind: connector.kind().to_owned(),
                format: connector.format().to_owned(),
            },
            name: without_credentials(url),
            url: parsed,
            vault,
        })
    }
}

impl Webhook {
    /// Removes the secrets of its headers from texts.
    pub fn redactor(&self) -> Redactor {
        self.vault.redactor()
    }

    /// What the user must know of secrets that can be used and cannot be kept out of what is shown.
    pub fn warnings(&self) -> Vec<String> {
        self.vault.warnings()
    }
}

fn read_header(header: &str, renderer: &Renderer, vault: &Vault) -> Result<(HeaderName, HeaderValue), WebhookError> {
    let invalid = || WebhookError::Header(header.split(':').next().unwrap_or_default().to_owned());
    let (name, value) = header.split_once(':').ok_or_else(invalid)?;
    let wrong = |message: String| WebhookError::Value {
        name: name.trim().to_owned(),
        message,
    };
    // Headers show who we are.
    for name in secret_names(value) {
        let resolved = vault.resolve(&name, Use::Credential);
        resolved.map_err(|weakness| wrong(format!("the value of the secret `{name}` {weakness}")))?;
    }
    let rendered = renderer
        .render(value.trim(), Provenance::Author)
        .map_err(|problem| wrong(problem.message))?;
    let text = rendered.as_str().map_or_else(|| rendered.to_string(), str::to_owned);
    let value = vault
        .substitute(&text, Escaping::Plain)
        .map_err(|error| wrong(error.to_string()))?;
    let mut value = HeaderValue::from_str(&value).map_err(|_| wrong("no header can have this value".into()))?;
    value.set_sensitive(true);
    Ok((name.trim().parse().map_err(|_| invalid())?, value))
}

impl Sink for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn batch_size(&self) -> usize {
        500
    }

    fn deliver<'a>(&'a self, events: &'a [EventText]) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let raw = |event: &'a EventText| serde_json::from_str::<&RawValue>(&event.json);
            let body = WebhookBody {
                connector_id: &self.envelope.id,
                connector_type: &self.envelope.kind,
                source_format: &self.envelope.format,
                events: events
                    .iter()
                    .map(raw)
                    .collect::<Result<_, _>>()
                    .expect("events are JSON objects"),
            };
            let body = serde_json::to_vec(&body).expect("texts and JSON are JSON");
            let mut request = self
                .client
                .post(self.url.clone())
                .timeout(WEBHOOK_TIMEOUT)
                .header("content-type", "application/json")
                .body(body);
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let later = |message: String| SinkError::Later(message);
            let response = request.send().await.map_err(|error| {
                let error = error.without_url();
                later(crate::net::egress::root_cause(&error))
            })?;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            Err(later(format!("it answered {status}")))
        })
    }
}

/// The events, one on a line, with nothing in them that a terminal would obey or hide: files are shown on one, too.
fn lines(events: &[EventText]) -> String {
    let mut text = String::with_capacity(events.iter().map(|event| event.json.len() + 1).sum());
    for event in events {
        text.push_str(&visible_json(&event.json));
        text.push('\n');
    }
    text
}

/// Where the last line that has an end ends.
fn end_of_last_line(file: &mut File) -> io::Result<u64> {
    const CHUNK: u64 = 64 << 10;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        file.seek(SeekFrom::Start(start))?;
        let mut chunk = vec![0; usize::try_from(end - start).unwrap_or(0)];
        file.read_exact(&mut chunk)?;
        if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Runs what may block, and lets other tasks go on where the runtime has threads for them.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    let threads = tokio::runtime::Handle::current().runtime_flavor();
    if threads == tokio::runtime::RuntimeFlavor::MultiThread {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// Sinks that all get every event.
pub type Sinks = Vec<Arc<dyn Sink>>;
