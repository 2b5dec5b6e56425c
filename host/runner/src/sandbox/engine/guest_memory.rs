//! What a plugin's memory holds when its call is over. Every form of a secret is searched for in all of it.
//!
//! The memory of a component is nobody's but its own, so the runtime is given memories that leave their bytes behind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sim::Host;
use sim::fleet::{Fleet, FleetServer, User};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use crate::run::StepStatus;
use crate::{CancellationToken, Engine, Limits, Playbook, RunInputs, Runner, Secrets};

/// The size of a word, in bytes.
const WORD: usize = 8;

/// The bytes of memories whose guests are gone.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Vec<Vec<u8>>>>);

/// All that guests have left, to be searched.
struct Found(Vec<Vec<u8>>);

impl Left {
    /// What calls have left since this was last asked.
    fn take(&self) -> Found {
        let left = std::mem::take(&mut *self.0.lock().unwrap());
        assert!(!left.is_empty(), "no memory was left");
        Found(left)
    }
}

/// How long a part of a secret is that counts. Memory that was given back is partly overwritten.
const PART: usize = 10;

impl Found {
    /// Whether this is in it.
    fn holds(&self, wanted: &str) -> bool {
        self.part_of(&[wanted.as_bytes().to_vec()], wanted.len()).is_some()
    }

    /// A part of a secret, in one of its forms.
    fn part_of_secret(&self, secret: &str) -> Option<String> {
        self.part_of(&forms(secret), PART)
    }

    fn part_of(&self, forms: &[Vec<u8>], length: usize) -> Option<String> {
        let parts: Vec<&[u8]> = forms.iter().flat_map(|form| form.windows(length)).collect();
        let find = aho_corasick::AhoCorasick::new(&parts).unwrap();
        let found = self.0.iter().find_map(|bytes| find.find(bytes))?;
        Some(String::from_utf8_lossy(parts[found.pattern()]).into_owned())
    }
}

/// A memory that leaves its bytes behind.
struct Watched {
    /// Written through the pointer that the runtime has.
    words: Box<[AtomicU64]>,
    size: usize,
    left: Left,
}

fn zeros(size: usize) -> Box<[AtomicU64]> {
    (0..size.div_ceil(WORD)).map(|_| AtomicU64::new(0)).collect()
}

impl Drop for Watched {
    fn drop(&mut self) {
        let words = self
            .words
            .iter()
            .flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
        let bytes: Vec<u8> = words.take(self.size).collect();
        self.left.0.lock().unwrap().push(bytes);
    }
}

// Sound because the words are there for as long as the memory is, are atomics, which may be written through a shared
// reference, and number what `byte_capacity` says; the runtime was told to reserve and guard nothing, so it checks all bounds.
#[allow(unsafe_code, reason = "the runtime has no other way to be given a memory")]
unsafe impl LinearMemory for Watched {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.words.len() * WORD
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        if size > self.byte_capacity() {
            let grown = zeros(size.max(2 * self.byte_capacity()));
            for (new, old) in grown.iter().zip(&self.words) {
                new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            self.words = grown;
        }
        self.size = size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.words.as_ptr().cast::<u8>().cast_mut()
    }
}

#[allow(unsafe_code, reason = "the runtime has no other way to be given a memory")]
unsafe impl MemoryCreator for Left {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        assert_eq!((reserved.unwrap_or(0), guard), (0, 0), "all bounds are checked");
        Ok(Box::new(Watched {
            words: zeros(minimum),
            size: minimum,
            left: self.clone(),
        }))
    }
}

/// The ways in which a value could be written.
fn forms(value: &str) -> Vec<Vec<u8>> {
    /// What a form leaves as it is.
    const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
    /// What most leave as it is in a query.
    const QUERY: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'<')
        .add(b'>')
        .add(b'&')
        .add(b'+');
    let json = Value::from(value).to_string();
    let mut forms = vec![
        value.to_owned(),
        value.chars().rev().collect(),
        json[1..json.len() - 1].to_owned(),
    ];
    for set in [NON_ALPHANUMERIC, FORM, QUERY] {
        let encoded = utf8_percent_encode(value, set).to_string();
        forms.extend([encoded.replace("%20", "+"), encoded.to_lowercase(), encoded]);
    }
    for before in 0..3 {
        // What the letters say that the value alone decides, wherever it stands in what was encoded.
        let bytes = [&vec![0; before], value.as_bytes()].concat();
        let (from, to) = ((8 * before).div_ceil(6), 8 * bytes.len() / 6);
        forms.extend([&STANDARD, &URL_SAFE].map(|base64| base64.encode(&bytes)[from..to].to_owned()));
    }
    forms.into_iter().map(String::into_bytes).collect()
}

const EMAIL: &str = "sweep@corp.example";

/// Every form of it is another text.
const PASSWORD: &str = "pa\"ss/wörd + k3~y? of the old \\ kind";

/// A runner with the built-in plugin, whose memories are left.
async fn watched() -> (Runner, Left) {
    let left = Left::default();
    let engine = Engine::configured(None, |config| {
        config.with_host_memory(Arc::new(left.clone()));
        super::reserve_no_addresses(config);
        config
            .memory_init_cow(false)
            .cranelift_opt_level(wasmtime::OptLevel::None);
    });
    let mut limits = Limits::default();
    limits.cpu *= 6;
    let mut runner = Runner::new(engine.unwrap(), limits);
    runner.load("osquery", embedded_plugin::COMPONENT).await.unwrap();
    (runner, left)
}

/// Logs in at a simulated Fleet and asks who is logged in on its host.
async fn ask(runner: &Runner, password: &str) {
    let fleet = Fleet {
        users: vec![User {
            email: EMAIL.into(),
            password: PASSWORD.into(),
        }],
        hosts: vec![Host {
            hostname: "host-1".into(),
            ..Host::default()
        }],
        ..Fleet::default()
    };
    let server = FleetServer::start(fleet).await.unwrap();
    let playbook = json!([{"id": "ask", "type": "osquery_live_query", "params": {
        "backend": "fleetdm", "base_url": server.url(), "username": EMAIL, "password": password,
        "template": "logged_in_users", "target_hosts": ["host-1"], "timeout_seconds": 30,
    }}]);
    let playbook = Playbook::parse("ask.yaml", &playbook.to_string()).unwrap();
    let secrets = Secrets::new([("password".to_owned(), PASSWORD.to_owned().into())]);
    let prepared = runner.prepare(playbook, RunInputs::new(secrets)).unwrap();
    let report = runner.run(prepared, CancellationToken::new(), Arc::new(|_| ())).await;
    assert_eq!(report.steps[0].status, StepStatus::Success, "{report:?}");
    // The session's token went to the server in header fields, and over the websocket of a campaign.
    assert_eq!((server.logins(), server.campaigns().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_a_secret_is_in_the_memory_of_a_plugin() {
    let (runner, left) = watched().await;
    // A password that stands in the playbook is no secret. That it is found shows that a secret would be.
    ask(&runner, PASSWORD).await;
    assert!(left.take().part_of_secret(PASSWORD).is_some());

    ask(&runner, "{{ secrets.password }}").await;
    let left = left.take();
    for there in ["secret-handle-", EMAIL, "host-1", "logged_in_users"] {
        assert!(left.holds(there), "{there}");
    }
    // The simulated server numbers its sessions: this is the first user's first.
    for secret in [PASSWORD, "session-token-0-1"] {
        assert_eq!(left.part_of_secret(secret), None, "a part of {secret} is there");
    }
}
