//! The words for counts, durations and statuses.

use crate::run::report::{SkipReason, StepReport, StepStatus};

/// `no rows`, `1 row`, `2 rows`.
pub(crate) fn counted(count: usize, title: &str) -> String {
    match count {
        0 => format!("no {title}"),
        1 => format!("1 {}", title.strip_suffix('s').unwrap_or(title)),
        count => format!("{} {title}", grouped(count)),
    }
}

/// A number with its thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// How long something took, in words.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 if ms < 100 => format!("{ms} ms"),
        0..60 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// What there is to say of a step besides its result, in a few words each.
pub(crate) fn about(step: &StepReport) -> Vec<String> {
    let mut about = Vec::new();
    match step.status {
        StepStatus::Skipped => about.push(match step.reason.map(SkipReason::in_words) {
            Some(reason) => format!("not started: {reason}"),
            None => "not started".to_owned(),
        }),
        // A step that only branches takes no time.
        _ if step.started_at.is_none() => {}
        _ => about.push(duration(step.duration_ms)),
    }
    if let Some(items) = step.items {
        about.push(counted(items, "items"));
    }
    if step.attempts as usize > step.items.unwrap_or(1) {
        about.push(format!("{} attempts", step.attempts));
    }
    if let Some(branch) = &step.branch {
        if step.status != StepStatus::Skipped {
            let holds = if branch.holds { "holds" } else { "does not hold" };
            about.push(format!("condition {holds}"));
        }
        if let Some(next) = &branch.next {
            let last = about.pop().unwrap_or_default();
            about.push(format!("{last} → {next}"));
        }
    }
    about
}

impl SkipReason {
    fn in_words(self) -> &'static str {
        match self {
            Self::When => "`when` does not hold",
            Self::Condition => "condition does not hold",
            Self::Disabled => "disabled",
            Self::NotReached => "the run went on elsewhere",
            Self::Aborted => "the run was aborted",
            Self::Interrupted => "the run was interrupted",
            Self::UnknownStepType => "unknown step type",
            Self::NotSelected => "another step was run alone",
        }
    }
}

impl StepStatus {
    /// A mark for it, and its word.
    pub(crate) fn shown(self) -> (&'static str, &'static str) {
        match self {
            Self::Success => ("✔", "success"),
            Self::Partial => ("◐", "partial"),
            Self::Failed => ("✘", "failed"),
            Self::Skipped => ("–", "skipped"),
        }
    }
    /// The status of this word; anything else is a failure.
    pub(super) fn from_word(word: &str) -> Self {
        let all = [Self::Success, Self::Partial, Self::Skipped];
        all.into_iter()
            .find(|status| status.shown().1 == word)
            .unwrap_or(Self::Failed)
    }
}
