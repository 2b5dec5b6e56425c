//! Processes, and what they used.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wait4::Wait4 as _;

use crate::Outcome;
use crate::server::{Size, TOKEN};

/// What a finished process used.
pub(crate) struct Used {
    pub(crate) wall: Duration,
    /// On all processors, in the kernel, too.
    pub(crate) cpu: Duration,
    /// The most memory that was resident, in bytes.
    pub(crate) peak: u64,
    pub(crate) stdout: String,
}

/// A cache of compiled plugins that has the built-in one.
static CACHE: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let mut first = Command::new(beside("playbook").expect("this program has a path"));
    first
        .env("XDG_CACHE_HOME", directory.path())
        .arg("templates")
        .stdout(Stdio::null());
    let filled = first.status().is_ok_and(|status| status.success());
    assert!(filled, "there is no `playbook` beside this program: run `make bench`");
    directory
});

/// The `playbook` that was built with this program, started as it is at every start but the first.
pub(crate) fn playbook() -> Outcome<Command> {
    let mut command = Command::new(beside("playbook")?);
    command.env("PLAYBOOK_SECRET_FLEETDM_TOKEN", TOKEN);
    Ok(cached(command))
}

/// A process that finds the plugin compiled.
pub(crate) fn cached(mut command: Command) -> Command {
    command.env("XDG_CACHE_HOME", CACHE.path());
    command
}

/// A part of this program.
pub(crate) fn part(args: &[&str]) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args);
    Ok(command)
}

fn beside(name: &str) -> Outcome<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Runs a process to its end, which must be a success.
pub(crate) fn run(command: &mut Command) -> Outcome<Used> {
    let began = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    finish(child, began)
}

/// Waits for the success of a process that began at a moment.
pub(crate) fn finish(mut child: Child, began: Instant) -> Outcome<Used> {
    let peak = watch_memory(child.id());
    let mut stdout = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut stdout)?;
    }
    let used = child.wait4()?;
    let wall = began.elapsed();
    if !used.status.success() {
        return Err(format!("a process ended with {}: {stdout}", used.status).into());
    }
    Ok(Used {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        peak: peak.join().expect("reading a number does not panic"),
        stdout,
    })
}

/// Reads a process's high-water mark until it ends. The system's own account begins with the memory of whoever started it.
fn watch_memory(id: u32) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = memory(&id.to_string(), "VmHWM:") {
            peak = now;
            std::thread::sleep(Duration::from_millis(2));
        }
        peak
    })
}

/// A figure of a process's memory, in bytes; none once it has ended.
pub(crate) fn memory(process: &str, figure: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// A server in a process of its own, which ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) url: String,
}

impl Server {
    /// Starts a simulated Fleet server.
    pub(crate) fn start(size: Size) -> Outcome<Self> {
        let mut child = part(&["serve", &size.argument()])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut url)?;
        let stdin = child.stdin.take();
        let url = url.trim().to_owned();
        if url.is_empty() {
            return Err("the server did not start".into());
        }
        Ok(Self { child, stdin, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It serves until its input ends.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
