//! What hostile plugins and servers can cost the process: memory and time, measured on the real command at its default limits.

use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::command::cache_home;

/// No attack makes the process larger than this, in MiB.
const PEAK: u64 = 512;

/// How long a step that misbehaves may take: its time limit, or that of a call, and some for a slow machine.
const PATIENCE: Duration = Duration::from_secs(150);

/// What a command came to, and what it took.
struct Cost {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    mib: u64,
    took: Duration,
}

impl Cost {
    /// The message of the first step's error, or what it said.
    fn said(&self) -> String {
        let report: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr));
        let step = &report["steps"][0];
        let error = step["error"]["message"].as_str().map(str::to_owned);
        error.unwrap_or_else(|| step["result"].to_string())
    }

    fn check(&self, what: &str) {
        assert!(self.code.is_some(), "{what}: ended by a signal: {}", self.stderr);
        assert!(self.mib < PEAK, "{what}: {} MiB", self.mib);
        assert!(self.took < PATIENCE, "{what}: {:?}", self.took);
    }
}

/// Runs the command in a folder, with 1.5 GB of addresses.
async fn cost(folder: &Path, args: &[&str]) -> Cost {
    let began = Instant::now();
    // A container may grant few addresses; whatever is asked for beyond them fails.
    let mut command = std::process::Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -v 1500000; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_playbook"),
        ])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("XDG_CACHE_HOME", cache_home())
        .env("XDG_STATE_HOME", folder)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(folder.join("stdout")).unwrap())
        .stderr(std::fs::File::create(folder.join("stderr")).unwrap());
    let child = command.spawn().unwrap();
    let (status, mib) = tokio::task::spawn_blocking(move || watched(child)).await.unwrap();
    let read = |name: &str| String::from_utf8_lossy(&std::fs::read(folder.join(name)).unwrap()).into_owned();
    Cost {
        code: status.code(),
        stdout: read("stdout"),
        stderr: read("stderr"),
        mib,
        took: began.elapsed(),
    }
}

/// Waits until a process has ended. Returns how it ended, and the most memory that it had, in MiB: what `wait` reports includes
/// the memory of this process, out of which it was made.
fn watched(mut child: Child) -> (ExitStatus, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let now = std::fs::read_to_string(&status).unwrap_or_default();
        let now = now
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = now.and_then(|kib| kib.parse().ok()).unwrap_or(peak);
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended, peak >> 10);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs one step of a plugin.
async fn step(plugin: &[u8], step: Value, more: &[&str]) -> Cost {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hostile.wasm"), plugin).unwrap();
    std::fs::write(folder.path().join("playbook.json"), json!([step]).to_string()).unwrap();
    let args = [
        &["run", "playbook.json", "--plugin", "hostile.wasm", "--output", "json"],
        more,
    ]
    .concat();
    cost(folder.path(), &args).await
}

async fn misbehave(params: Value) -> Cost {
    let params = json!({"id": "hostile", "type": "misbehave", "params": params});
    step(hostile_component::COMPONENT, params, &[]).await
}

/// Runs one step of the hostile plugin within other limits than the usual ones.
async fn within(limits: &str, one: Value) -> Cost {
    let policy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(policy.path(), format!("limits: {{{limits}}}")).unwrap();
    let policy = policy.path().display().to_string();
    step(hostile_component::COMPONENT, one, &["--policy", &policy]).await
}

/// What a server does with a connection.
#[derive(Debug, Clone, Copy)]
enum Server {
    /// It reads, and never answers.
    Silent,
    /// It answers with 60 MiB.
    Large,
    /// It opens a websocket, sends pings without end, and reads nothing.
    Pinging,
    /// It opens a websocket, sends all but the end of a message of 60 MiB, and waits.
    Hesitant,
    /// It opens a websocket, and reads nothing.
    Deaf,
    /// It opens a websocket, and sends a message of which every part is empty, without end.
    Empty,
}

async fn serve(server: Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                // The client goes when it has had enough.
                let _ = answer(server, client).await;
            });
        }
    });
    url
}

async fn answer(server: Server, mut client: TcpStream) -> std::io::Result<()> {
    const LARGE: usize = 60 << 20;
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let part = vec![b'x'; 1 << 16];
    if let Server::Silent = server {
        let mut rest = vec![0; 1 << 16];
        while client.read(&mut rest).await? > 0 {}
        return Ok(());
    }
    let head = match server {
        Server::Large => format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"),
        _ => switching(&String::from_utf8_lossy(&request)),
    };
    client.write_all(head.as_bytes()).await?;
    match server {
        Server::Pinging => loop {
            // As many pings as fit, each of the largest size.
            let ping = [&[0x89, 125][..], &[0; 125]].concat();
            client.write_all(&ping.repeat(512)).await?;
        },
        Server::Empty => loop {
            client.write_all(&vec![0; part.len()]).await?;
        },
        Server::Hesitant => {
            // A text frame, and how long it is.
            let length = (LARGE as u64 + 1).to_be_bytes();
            client.write_all(&[&[0x81, 127][..], &length].concat()).await?;
        }
        _ => {}
    }
    if let Server::Large | Server::Hesitant = server {
        for _ in 0..LARGE / part.len() {
            client.write_all(&part).await?;
        }
    }
    tokio::time::sleep(PATIENCE).await;
    Ok(())
}

/// The answer that opens a websocket.
fn switching(request: &str) -> String {
    let keys = request.lines().filter_map(|line| line.split_once(": "));
    let key = keys.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let accept = key
        .map(|(_, key)| derive_accept_key(key.trim().as_bytes()))
        .collect::<String>();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_sends_and_receives_is_bounded() {
    let attacks = [
        (Server::Silent, "hold requests", 200, 20),
        (Server::Silent, "hold requests", 5_000, 1),
        (Server::Large, "hold answers", 64, 0),
        (Server::Hesitant, "hold messages", 60, 0),
        (Server::Pinging, "listen", 1, 0),
        (Server::Empty, "listen", 1, 0),
        (Server::Deaf, "flood a socket", 500, 1),
        (Server::Silent, "wait for thousands", 100_000, 0),
        (Server::Silent, "hoard in vain", 0, 0),
    ];
    let attacks = attacks.map(|(server, how, count, mib)| async move {
        let url = serve(server).await;
        // Time on the CPU would end most of it before it has become much.
        let params = json!({"how": how, "url": url, "count": count, "mib": mib, "timeout": 10});
        let cost = within(
            "cpu_seconds: 600",
            json!({"id": "hostile", "type": "misbehave", "params": params}),
        )
        .await;
        cost.check(how);
        eprintln!("{how}: {} MiB, {:?}: {}", cost.mib, cost.took, cost.said());
    });
    stream::iter(attacks).buffer_unordered(4).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_take_turns_when_memory_is_short() {
    let items: Vec<usize> = (0..20).collect();
    let held = json!({
        "id": "each", "type": "misbehave", "for_each": items, "concurrency": 20,
        "params": {"how": "hold memory", "mib": 30},
    });
    let cost = step(hostile_component::COMPONENT, held, &[]).await;
    cost.check("20 calls of 30 MiB");
    let report: Value = serde_json::from_str(&cost.stdout).unwrap();
    let results = report["steps"][0]["result"].as_array().unwrap();
    // They wait for each other, and each has what it needs.
    assert_eq!(results.len(), 20);
    for item in results {
        assert_eq!(item["status"], "success", "{}", item["error"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_a_result_is_bounded() {
    for (schema, how, mib, words) in [
        ("say the truth", "return numbers", 30, "results_mib"),
        ("say the truth", "return words", 5, "must be a map"),
        ("check with an enum", "return words", 2, "too large to be checked"),
        ("check with contains", "return numbers", 1, "too large to be checked"),
        ("check with a pattern", "return a long text", 30, "takes too long"),
        ("check with a pattern", "return words", 5, "returned an invalid result"),
        ("check with patterns", "return words", 5, "returned an invalid result"),
        ("check with any of", "return numbers", 1, "too large to say where"),
    ] {
        let plugin = hostile_component::describing(schema);
        let params = json!({"id": "hostile", "type": "misbehave", "params": {"how": how, "mib": mib}});
        let cost = step(&plugin, params, &[]).await;
        if cost.stdout.is_empty() {
            // The schema is refused when the plugin is loaded.
            assert!(cost.stderr.contains("describes itself wrongly"), "{}", cost.stderr);
            eprintln!("{schema}, {how}: {} MiB, {:?}: {}", cost.mib, cost.took, cost.stderr);
        } else {
            eprintln!("{schema}, {how}: {} MiB, {:?}: {}", cost.mib, cost.took, cost.said());
            assert!(cost.said().contains(words), "{schema}, {how}: {}", cost.said());
        }
        cost.check(schema);
        assert!(cost.took < Duration::from_mins(1), "{schema}, {how}: {:?}", cost.took);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_remembers_no_more_than_it_may() {
    for (how, mib, words) in [
        ("remember without end", 1, "`state_mib`"),
        (
            "make large batches",
            9,
            "a batch of its events and changes holds more than",
        ),
        ("recall much", 2, "the entries that it asks for at once hold more than"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("hostile.wasm"), hostile_component::COMPONENT).unwrap();
        let connector = json!({
            "connector": "hostile", "name": "hostile", "config": {"how": how, "mib": mib},
            "connector_config": {"poll_interval_seconds": 60},
        });
        std::fs::write(folder.path().join("connector.json"), connector.to_string()).unwrap();
        std::fs::write(folder.path().join("policy.yaml"), "limits: {state_mib: 16}").unwrap();
        let args = [
            "poll",
            "connector.json",
            "--once",
            "--plugin",
            "hostile.wasm",
            "--state",
            "state",
            "--policy",
            "policy.yaml",
        ];
        let cost = cost(folder.path(), &args).await;
        cost.check(how);
        assert!(cost.stderr.contains(words), "{how}: {}", cost.stderr);
        let written = std::fs::read_dir(folder.path().join("state")).unwrap();
        let written: u64 = written.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(written < 64 << 20, "{how}: {written} bytes");
        eprintln!("{how}: {} MiB, {:?}, {written} bytes", cost.mib, cost.took);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_without_end_are_times_like_others() {
    for timeout in [u64::MAX, u64::MAX / 1_000, i64::MAX as u64] {
        let cost = misbehave(json!({"how": "nothing", "timeout": timeout})).await;
        assert_eq!(cost.code, Some(0), "{timeout}: {}", cost.stderr);
    }
}
