//! Each folder `tests/cases/KIND/NAME` is a test of its own, called `KIND/NAME`: see `tests/cases/README.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests start processes, wait for them, and look at the clock"
)]

mod case;
#[path = "../e2e/command.rs"]
#[allow(
    dead_code,
    reason = "cases need one way of running the command, the other tests several"
)]
mod command;
mod expectation;
mod folder;
mod stable;

use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::folder::{file_name, files, folders, strays, tests};

/// Shared by all cases. Each of them waits for most of its time.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads can be started"));

/// How many cases run at once, unless `--test-threads` says otherwise: they wait for slow servers, pauses and time limits.
const AT_ONCE: usize = 8;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let root = tests().join("cases");
    let mut trials = vec![Trial::test("every_folder_of_a_kind_has_cases", {
        let root = root.clone();
        move || every_folder_of_a_kind_has_cases(&root)
    })];
    for kind in folders(&root) {
        for folder in folders(&kind) {
            let name = format!("{}/{}", file_name(&kind), file_name(&folder));
            trials.push(Trial::test(name, move || {
                RUNTIME.block_on(compiled_once());
                RUNTIME.block_on(case::check(&folder)).map_err(Failed::from)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Starts the command once before the first case, so that not each of those at once compiles the plugin.
async fn compiled_once() {
    static STARTED: OnceCell<()> = OnceCell::const_new();
    let start = || async {
        let done = command::run(&["schema"], &[]).await;
        assert_eq!(done.code(), 0, "{}", done.stderr);
    };
    STARTED.get_or_init(start).await;
}

fn every_folder_of_a_kind_has_cases(root: &Path) -> Result<(), Failed> {
    if let Some(file) = strays(root).first() {
        return Err(format!("{} belongs to no case", file.display()).into());
    }
    let kinds = folders(root);
    if kinds.is_empty() {
        return Err(format!("{} has no cases", root.display()).into());
    }
    for kind in kinds {
        if folders(&kind).is_empty() {
            return Err(format!("{} has no cases", kind.display()).into());
        }
        if let Some(file) = files(&kind).first() {
            return Err(format!("{} belongs to no case", file.display()).into());
        }
    }
    Ok(())
}
