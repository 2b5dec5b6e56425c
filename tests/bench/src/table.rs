//! The table that comes of it, in Markdown.

use std::fmt;
use std::fs;
use std::time::Duration;

/// What was measured.
#[derive(Default)]
pub(crate) struct Table(Vec<Line>);

struct Line {
    what: String,
    ours: String,
    baseline: String,
    target: String,
}

impl Table {
    /// Adds a line: what was measured, the figure, what it is compared with, and what was aimed at.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        ours: impl Into<String>,
        baseline: impl Into<String>,
        target: impl Into<String>,
    ) {
        let line = Line {
            what: what.into(),
            ours: ours.into(),
            baseline: baseline.into(),
            target: target.into(),
        };
        eprintln!("  {} | {} | {} | {}", line.what, line.ours, line.baseline, line.target);
        self.0.push(line);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", machine())?;
        writeln!(f, "| | measured | beside | target |\n|---|---|---|---|")?;
        for line in &self.0 {
            writeln!(
                f,
                "| {} | {} | {} | {} |",
                line.what, line.ours, line.baseline, line.target
            )?;
        }
        Ok(())
    }
}

/// The machine, as far as it says what it is.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|line| {
        let size = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        size.trim().parse::<u64>().ok()
    });
    format!(
        "{} × {}, {} GiB, {} {}",
        std::thread::available_parallelism().map_or(1, usize::from),
        model.map_or("an unknown processor", |(_, model)| model),
        kib.map_or(0, |kib| kib.div_ceil(1 << 20)),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Milliseconds.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Seconds.
pub(crate) fn s(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Microseconds.
pub(crate) fn us(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6)
}

/// MiB.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

/// How many times as much.
pub(crate) fn ratio(ours: Duration, baseline: Duration) -> String {
    format!("{:.2}×", ours.as_secs_f64() / baseline.as_secs_f64())
}
