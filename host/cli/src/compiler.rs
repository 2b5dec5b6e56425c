//! Compiles plugins in a process of its own, which is this program again: a component that takes too much memory or time
//! ends that process and not this one.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use futures::future::BoxFuture;
use playbook_host::sandbox::{CompileError, Compiler};
use playbook_host::{Engine, Limits};
use tokio::io::AsyncWriteExt as _;

/// The argument that starts the program as a compiler. People have no use for it.
const COMPILE: &str = "compile-plugin";

/// How many threads compile at most: each takes memory.
const THREADS: &str = "4";

/// How much longer than its time on the CPU the process may take, in all.
const PATIENCE: u32 = 4;

/// Starts this program again for each component.
#[derive(Debug)]
pub(crate) struct ChildCompiler {
    memory: u64,
    cpu: Duration,
}

impl ChildCompiler {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: limits.compile_memory,
            cpu: limits.compile_cpu,
        }
    }

    async fn run(&self, component: &[u8], into: &Path) -> Result<(), CompileError> {
        let failed = |error: io::Error| CompileError::Failed(error.to_string());
        let mut child = self.command(into).map_err(failed)?.spawn().map_err(failed)?;
        let running = async {
            if let Some(mut stdin) = child.stdin.take() {
                // If it does not read to the end, its status says why.
                let _ = stdin.write_all(component).await;
            }
            child.wait().await
        };
        let Ok(ended) = tokio::time::timeout(self.cpu * PATIENCE, running).await else {
            // Dropping it ends it.
            return Err(CompileError::Time { limit: self.cpu });
        };
        let status = ended.map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(self.explain(status, into))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this program again, with nothing of its environment"
    )]
    fn command(&self, into: &Path) -> io::Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(this_program()?);
        command
            .arg(COMPILE)
            .arg(into)
            .arg(self.memory.to_string())
            .arg(self.cpu.as_secs().max(1).to_string())
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS)
            .env("MALLOC_ARENA_MAX", THREADS)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    fn explain(&self, status: ExitStatus, into: &Path) -> CompileError {
        if status.code() == Some(REFUSED) {
            // The engine keeps it short, and free of what hides.
            let why = std::fs::read_to_string(into.join(WHY)).unwrap_or_default();
            return CompileError::Refused(why);
        }
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt as _;
            let signal = status.signal();
            if signal == Some(rustix::process::Signal::XCPU.as_raw()) {
                return CompileError::Time { limit: self.cpu };
            }
            // Where memory runs out, a program of Rust aborts.
            if signal == Some(rustix::process::Signal::ABORT.as_raw()) {
                return CompileError::Memory { limit: self.memory };
            }
        }
        CompileError::Failed(status.to_string())
    }
}

impl Compiler for ChildCompiler {
    fn compile<'a>(&'a self, component: &'a [u8], into: &'a Path) -> BoxFuture<'a, Result<(), CompileError>> {
        Box::pin(self.run(component, into))
    }
}

/// This program, even if its file was replaced since it was started.
fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe()
}

/// How the process ends when the component cannot be compiled, and the file in which it says why.
const REFUSED: i32 = 3;
const WHY: &str = "why";

/// What compiling a plugin may take, and where the result goes.
struct Task {
    into: PathBuf,
    memory: u64,
    seconds: u64,
}

/// Compiles a plugin, if that is what this process was started for. Nothing else of the command has begun by then.
pub(crate) fn asked() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != COMPILE {
        return None;
    }
    let into = args.next()?.into();
    let mut number = || args.next()?.to_str()?.parse().ok();
    let (memory, seconds) = (number()?, number()?);
    Some(compile(&Task { into, memory, seconds }))
}

fn compile(task: &Task) -> ExitCode {
    // The engine before the limits: it compiles for a process that may reserve more addresses than this one.
    let engine = Engine::new(None);
    match limit(task).and_then(|()| read()) {
        Ok(component) => {
            let compiled = engine.and_then(|engine| engine.compile_into(&component, &task.into));
            match compiled {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    // Without its words, it was refused all the same.
                    let _ = std::fs::write(task.into.join(WHY), error.to_string());
                    ExitCode::from(REFUSED as u8)
                }
            }
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn read() -> io::Result<Vec<u8>> {
    let mut component = Vec::new();
    io::stdin().read_to_end(&mut component)?;
    Ok(component)
}

/// Takes what it may not use from this process.
#[cfg(unix)]
fn limit(task: &Task) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let set = |resource, most: u64| {
        // Nobody but root may raise a limit.
        let most = getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)
    };
    // The memory that it writes to; addresses alone cost nothing, and threads reserve many.
    set(Resource::Data, task.memory)?;
    set(Resource::As, task.memory.saturating_mul(16))?;
    let soft = Rlimit {
        current: Some(task.seconds),
        maximum: Some(task.seconds.saturating_add(1)),
    };
    setrlimit(Resource::Cpu, soft)?;
    set(Resource::Core, 0)?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

#[cfg(not(unix))]
fn limit(_: &Task) -> io::Result<()> {
    Ok(())
}
