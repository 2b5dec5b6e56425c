//! `playbook run --dry-run`: what a run would do, for people and programs.

use std::fmt::Write as _;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use playbook_host::run::plan::{CredentialMode, OpenParam, Plan, PlannedCall, PlannedServer, PlannedStep, Prospect};
use playbook_host::run::{SkipReason, StepError};
use playbook_host::text::visible;
use playbook_host::{CancellationToken, Playbook, RunInputs, Runner};
use serde_json::Value;

use crate::args::RunOutput;
use crate::error::{CommandError, Exit};
use crate::output::{self, Text, json_line, print, print_json, print_json_text, show_problems};
use crate::watch::Watch;

const BOLD: Style = Style::new().bold();
const DIM: Style = AnsiColor::BrightBlack.on_default();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The most entries of a list that are shown.
const MOST_SHOWN: usize = 20;

/// Shows what a run would do. No host is asked anything; servers are, if that is to be shown by `watch`.
pub(crate) async fn dry_run(
    runner: &Runner,
    playbook: Playbook,
    inputs: RunInputs,
    output: RunOutput,
    watch: Option<Watch>,
) -> Result<Exit, CommandError> {
    let prepared = match runner.prepare(playbook, inputs) {
        Ok(prepared) => prepared,
        Err(problems) => return Ok(show_problems(&problems)),
    };
    output::hide(prepared.redactor());
    output::warn(&prepared.warnings());
    let as_of = crate::terminal::now();
    let plan = match &watch {
        None => runner.plan(&prepared, as_of).await,
        Some(watch) => {
            let showing = watch.clone();
            let observer = Arc::new(move |event| showing.show(event));
            // Nothing is started that would have to be stopped: an interrupt just drops the connections.
            let plan = runner
                .plan_and_check(&prepared, as_of, CancellationToken::new(), observer)
                .await;
            watch.clear();
            plan
        }
    };
    match output {
        RunOutput::Table => print(Text::rendered(&render(&plan, watch.is_some())))?,
        RunOutput::Json => print_json(&plan)?,
        RunOutput::Ndjson => print_json_text(&json_line(&plan))?,
    }
    Ok(if plan.fails() || plan.warns() {
        Exit::Failed
    } else {
        Exit::Success
    })
}

/// The plan as text, with ANSI styles.
fn render(plan: &Plan, checked: bool) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        render_step(&mut out, step);
        out.push('\n');
    }
    let count = |prospect| plan.steps.iter().filter(|step| step.prospect == prospect).count();
    let parts = [
        (count(Prospect::Runs), "would run"),
        (count(Prospect::Undecided), "decided during the run"),
        (count(Prospect::Skipped), "skipped"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    let name = plan.playbook.name.as_ref().or(plan.playbook.id.as_ref());
    let name = name.map(|name| format!("{}: ", visible(name))).unwrap_or_default();
    line(&mut out, &format!("{name}{}", parts.join(", ")));
    if plan.fails() {
        line(
            &mut out,
            &if checked {
                format!("{BAD}a step would fail{BAD:#}")
            } else {
                format!("{BAD}a step would fail{BAD:#} before its first request")
            },
        );
    } else if plan.warns() {
        line(&mut out, &format!("{WARN}not all is as it should be{WARN:#}"));
    }
    let what = if checked {
        "no host was asked"
    } else {
        "nothing was sent"
    };
    line(&mut out, &format!("{BOLD}dry run{BOLD:#}: {what}"));
    out
}

fn render_step(out: &mut String, step: &PlannedStep) {
    let (style, mark) = match step.prospect {
        Prospect::Runs => (GOOD, "▸"),
        Prospect::Skipped => (DIM, "–"),
        _ => (WARN, "?"),
    };
    let mut head = format!("{style}{mark}{style:#} {BOLD}{}{BOLD:#}", visible(&step.id));
    if let Some(name) = &step.name {
        let _ = write!(head, "  {}", visible(name));
    }
    let _ = write!(head, "  {DIM}{}{DIM:#}", visible(&about(step)));
    line(out, &head);
    for fact in facts_of(step) {
        fact.show(out, 2);
    }
    if let Some(error) = &step.error {
        show_error(out, error, 2);
    }
    let calls: Vec<(&PlannedCall, Vec<Fact>)> = step.calls.iter().map(|call| (call, facts(call))).collect();
    // What all items share is shown once.
    let shared = |fact: &Fact| calls.iter().all(|(_, facts)| facts.contains(fact));
    if let Some((_, first)) = calls.first() {
        for fact in first.iter().filter(|fact| shared(fact)) {
            fact.show(out, 2);
        }
    }
    for (call, facts) in &calls {
        let own: Vec<&Fact> = facts.iter().filter(|fact| !shared(fact)).collect();
        let inner = if let Some(item) = &call.item {
            line(out, &format!("  {BOLD}{}{BOLD:#}", scalar(item)));
            4
        } else {
            2
        };
        for fact in own {
            fact.show(out, inner);
        }
        if let Some(error) = &call.error {
            show_error(out, error, inner);
        }
    }
}

/// Whether a step runs, in words.
fn about(step: &PlannedStep) -> String {
    let holds = step.branch.as_ref().and_then(|branch| branch.holds);
    let mut about = match (step.prospect, step.reason) {
        (Prospect::Skipped, reason) => reason.map_or_else(|| "skipped".into(), skipped),
        (Prospect::Runs, _) => match holds {
            Some(true) => "runs: its condition holds".to_owned(),
            Some(false) => "its condition does not hold".to_owned(),
            None => "runs".to_owned(),
        },
        _ => {
            let mut why = Vec::new();
            if step.branch.is_some() && holds.is_none() {
                why.push(format!("its condition needs {}", results(&step.condition_needs)));
            }
            if !step.way_needs.is_empty() {
                why.push(format!("the way here depends on {}", step.way_needs.join(", ")));
            }
            format!("decided during the run: {}", why.join("; "))
        }
    };
    if let Some(branch) = &step.branch {
        let ways = [(true, &branch.next_true), (false, &branch.next_false)];
        for (wanted, next) in ways {
            match (next, branch.holds) {
                (Some(next), Some(holds)) if holds == wanted => {
                    let _ = write!(about, " → {next}");
                }
                (Some(next), None) => {
                    let _ = write!(about, "; if {} → {next}", if wanted { "it holds" } else { "not" });
                }
                _ => {}
            }
        }
    }
    about
}

fn skipped(reason: SkipReason) -> String {
    let reason = match reason {
        SkipReason::When => "`when` does not hold",
        SkipReason::Condition => "its condition does not hold",
        SkipReason::Disabled => "disabled",
        SkipReason::NotReached => "the run goes on elsewhere",
        SkipReason::UnknownStepType => "no loaded plugin provides its type",
        SkipReason::NotSelected => "another step is run alone",
        _ => return "skipped".into(),
    };
    format!("skipped: {reason}")
}

/// Something to tell about a step: a label, and a text that may have several lines.
#[derive(Debug, PartialEq, Eq)]
struct Fact {
    label: String,
    text: String,
    alarming: bool,
}

impl Fact {
    fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            text: text.into(),
            alarming: false,
        }
    }

    fn show(&self, out: &mut String, indent: usize) {
        let mut label = visible(&self.label);
        let style = if self.alarming { WARN } else { Style::new() };
        for text in self.text.lines() {
            let text = visible(text);
            line(
                out,
                &format!("{:indent$}{DIM}{label:16}{DIM:#}{style}{text}{style:#}", ""),
            );
            label = "".into();
        }
    }
}

/// What holds for a step as a whole.
fn facts_of(step: &PlannedStep) -> Vec<Fact> {
    let mut facts = Vec::new();
    if step.prospect == Prospect::Skipped || step.branch.is_some() && step.calls.is_empty() && step.error.is_none() {
        return facts;
    }
    if let Some(list) = &step.for_each {
        let items = match list.items {
            Some(items) => counted(items, "item"),
            None => format!("needs {}", results(&list.needs)),
        };
        facts.push(Fact::new("for each", format!("{items}, {} at once", list.concurrency)));
    }
    let mut limits = Vec::new();
    if step.retry_max > 0 {
        limits.push(format!("up to {} more attempts", step.retry_max));
    }
    if let Some(seconds) = step.timeout_seconds {
        limits.push(format!("at most {seconds} s in all"));
    }
    limits.push(match step.on_failure {
        "continue" => "if it fails, the run goes on".into(),
        _ => "if it fails, the run ends".into(),
    });
    facts.push(Fact::new("step", limits.join(", ")));
    facts
}

/// What a call would do.
fn facts(call: &PlannedCall) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(server) = &call.server {
        facts.push(server_fact(server));
    }
    if let Some(credentials) = &call.credentials {
        facts.push(Fact::new("as", mode(credentials)));
    }
    if let Some(targets) = &call.targets {
        facts.push(Fact::new("targets", listed(targets)));
    }
    if let Some(template) = &call.template {
        facts.push(Fact::new("template", template.name.as_str()));
        if let Some(text) = &template.text {
            facts.push(Fact::new("text", text.trim_end()));
        }
        if template.time_dependent {
            let moments = template.moments.iter();
            let moments: Vec<String> = moments
                .map(|moment| format!("{} is {}", moment.written, moment.time))
                .collect();
            let now = "as of now; it moves with the clock";
            let text = if moments.is_empty() {
                now.to_owned()
            } else {
                format!("{}, {now}", moments.join(", "))
            };
            facts.push(Fact::new("time", text));
        }
    }
    if let Some(seconds) = call.time_limit_seconds {
        facts.push(Fact::new("time limit", format!("{seconds} s")));
    }
    for (param, value) in &call.params {
        facts.push(Fact::new(param.as_str(), listed(value)));
    }
    for finding in call.found.iter().flatten() {
        facts.push(Fact {
            alarming: !finding.ok,
            ..Fact::new(
                finding.subject.as_str(),
                format!("{} {}", if finding.ok { "✔" } else { "✘" }, finding.text),
            )
        });
    }
    for OpenParam { param, needs, .. } in &call.open {
        facts.push(Fact::new("open", format!("{param} needs {}", results(needs))));
    }
    facts
}

fn server_fact(server: &PlannedServer) -> Fact {
    let secure = server.origin.starts_with("https://");
    let (trust, alarming) = match &server.ca_file {
        _ if !secure => ("not encrypted".to_owned(), true),
        _ if !server.verify_tls => ("its certificate is NOT checked".to_owned(), true),
        Some(file) => (format!("its certificate is checked, also against {file}"), false),
        None => ("its certificate is checked".to_owned(), false),
    };
    Fact {
        alarming,
        ..Fact::new("server", format!("{} ({trust})", server.origin))
    }
}

/// As whom a call is made, in words.
fn mode(credentials: &CredentialMode) -> String {
    let proofs = credentials.secrets.iter().map(|credential| {
        let names: Vec<String> = credential
            .secrets
            .iter()
            .map(|name| format!("‹secret {name}›"))
            .collect();
        let value = if names.is_empty() {
            "‹hidden›, which is no secret's".into()
        } else {
            names.join(" ")
        };
        format!("{} {value}", credential.param)
    });
    let proofs: Vec<String> = proofs.collect();
    match (&credentials.username, proofs.join(", ")) {
        (Some(name), proofs) => format!("login as {name} with {proofs}"),
        (None, proofs) => proofs,
    }
}

/// A value on one line; of a long list, the beginning.
fn listed(value: &Value) -> String {
    let Value::Array(items) = value else {
        return scalar(value);
    };
    let shown: Vec<String> = items.iter().take(MOST_SHOWN).map(scalar).collect();
    let more = match items.len().checked_sub(MOST_SHOWN) {
        Some(more @ 1..) => format!(", and {more} more (all with --output json)"),
        _ => String::new(),
    };
    format!("{}: {}{more}", items.len(), shown.join(", "))
}

/// The results that something waits for.
fn results(steps: &[String]) -> String {
    if steps.is_empty() {
        return "earlier results".into();
    }
    let steps: Vec<String> = steps.iter().map(|step| format!("steps.{step}")).collect();
    steps.join(", ")
}

fn show_error(out: &mut String, error: &StepError, indent: usize) {
    let message = format!("would fail, {}: {}", error.kind, error.message);
    let mut lines = indented(&message);
    if let Some(hint) = &error.hint {
        let _ = write!(lines, "\n  help: {}", indented(hint));
    }
    line(out, &format!("{:indent$}{BAD}{lines}{BAD:#}", ""));
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a string cannot fail");
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text).into(),
        other => visible(&other.to_string()).into(),
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(visible).collect();
    lines.join("\n  ")
}
