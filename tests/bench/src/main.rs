//! Measures the command, the library and the plugin, each beside what it is to be compared with, and prints one table.
//!
//! `make bench` builds and runs all; `bench GROUP…` runs some. The command is the `playbook` beside this program. Servers and
//! baselines are processes of their own (this program with the name of a part as its first argument), so that CPU time and
//! memory are counted apart.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "it measures with the system's clock, starts processes, connects, and prints"
)]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded to what can be read")]

mod child;
mod counted;
mod live_query;
mod load;
mod native;
mod paper;
mod poll;
mod server;
mod silence;
mod start;
mod step;
mod table;

use std::error::Error;

use self::table::Table;

/// What can go wrong ends the program: a table with holes would be read as complete.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures a group.
type Measure = fn(&mut Table) -> Outcome;

/// The groups of the table, in their order.
const GROUPS: [(&str, Measure); 5] = [
    ("start", start::measure),
    ("step", step::measure),
    ("live-query", live_query::measure),
    ("poll", poll::measure),
    ("load", load::measure),
];

fn main() -> Outcome {
    // The baselines' clients take it from here; the library brings its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", description] => server::serve(description),
        ["request", url] => start::request(url),
        ["poll-natively", url, directory] => poll::natively(url, directory),
        ["start-once", cache] => counted::start(cache),
        ["replay", cache] => counted::replay(cache),
        ["poll-paper"] => counted::poll(),
        ["steps", url, steps, at_once] => load::steps(url, steps.parse()?, at_once.parse()?),
        groups => {
            if let Some(unknown) = groups
                .iter()
                .find(|group| !GROUPS.iter().any(|(name, _)| name == *group))
            {
                return Err(format!("there is no group `{unknown}`: start, step, live-query, poll, load").into());
            }
            let mut table = Table::default();
            for (name, measure) in GROUPS {
                if groups.is_empty() || groups.contains(&name) {
                    eprintln!("measuring: {name}");
                    measure(&mut table)?;
                }
            }
            print!("{table}");
            Ok(())
        }
    }
}
