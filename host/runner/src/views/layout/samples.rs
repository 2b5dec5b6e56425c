//! Runs that tests of reports lay out.

use serde_json::{Value, json};

use crate::language::playbook::PlaybookName;
use crate::run::report::{Branch, RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus};
use crate::sandbox::plugin::Note;

/// When runs begin.
const STARTED: &str = "2026-09-18T16:40:00Z";

/// Texts that mean harm on a terminal.
pub(crate) const HOSTILE: &str = "\x1b]0;owned\x07\x1b[2J\u{9b}31m\u{202e}gnp.exe\r\n";

pub(crate) fn step(id: &str, status: StepStatus, result: Value) -> StepReport {
    StepReport {
        id: id.into(),
        name: None,
        step_type: "some_step".into(),
        status,
        reason: (status == StepStatus::Skipped).then_some(SkipReason::Aborted),
        branch: None,
        items: None,
        started_at: (status != StepStatus::Skipped).then(|| STARTED.parse().unwrap()),
        attempts: 1,
        duration_ms: 1_234,
        result: Some(result).filter(|result| !result.is_null()),
        error: None,
        notes: Vec::new(),
    }
}

pub(crate) fn note(subject: &str, text: &str) -> Note {
    Note {
        subject: subject.into(),
        text: text.into(),
    }
}

pub(crate) fn report(status: RunStatus, steps: Vec<StepReport>) -> RunReport {
    let at = STARTED.parse().unwrap();
    RunReport {
        run_id: "0190f3a5-7c1e-7000-8000-000000000000".into(),
        playbook: PlaybookName {
            id: Some("triage".into()),
            name: Some("Triage of a suspicious download".into()),
        },
        status,
        started_at: at,
        finished_at: at,
        duration_ms: 65_400,
        steps,
    }
}

/// Results of every shape.
pub(crate) fn shapes() -> RunReport {
    let rows = json!([
        {"pid": "7", "name": "sshd", "path": "/usr/sbin/sshd", "cmdline": "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", "on_disk": "1"},
        {"pid": "41220", "name": "python3", "path": "/usr/bin/python3.13", "cmdline": "python3 -c 'import os; os.execv(\"/bin/sh\", [\"sh\", \"-i\"])' --and --a --very --long --tail --of --arguments", "on_disk": "1"},
    ]);
    let wide = json!([
        {"名前": "東京のサーバー", "combining": "e\u{301}e\u{301}e\u{301}", "emoji": "👩🚀 ❤\u{fe0f}", "n": 1.5},
        {"名前": "x", "combining": "eee", "emoji": "-", "n": -20, "extra": null},
    ]);
    let many: serde_json::Map<String, Value> = (0..14)
        .map(|n| (format!("column_{n}"), json!(format!("value {n} of fourteen"))))
        .collect();
    let mut partial = step(
        "processes",
        StepStatus::Partial,
        json!({
            "results": {"web-01": rows, "db-01": [], "laptop": wide},
            "partial": true,
            "timed_out_hosts": ["laptop-7", "laptop-8"],
            "failed_hosts": {"build-03": "distributed query is denylisted"},
        }),
    );
    partial.name = Some("What runs".into());
    partial.attempts = 2;
    partial.notes = vec![
        note("laptop-7", "offline when the query started"),
        note("db-01", "answered late"),
        note("somebody", "is not among the results"),
    ];
    let mut each = step(
        "each",
        StepStatus::Failed,
        json!([
            {"item": "a", "status": "success", "attempts": 1, "duration_ms": 1_500, "result": {"results": {"a": [{"user": "root"}]}, "timed_out_hosts": []}, "error": null},
            {"item": {"host": "b"}, "status": "partial", "attempts": 2, "duration_ms": 2_500, "error": null,
                "result": {"results": {"b": []}, "timed_out_hosts": ["b2"]}, "notes": [{"subject": "b2", "text": "is asleep"}]},
            {"item": "c", "status": "failed", "attempts": 1, "duration_ms": 50, "result": null, "error": {"kind": "auth", "message": "no\nway", "hint": "log in"}},
            {"item": "d", "status": "skipped", "attempts": 0, "duration_ms": 0, "result": null, "error": null},
        ]),
    );
    each.items = Some(4);
    each.attempts = 5;
    each.error = Some(StepError {
        kind: "auth".into(),
        message: "1 of 4 items failed, the first is item 3: no".into(),
        hint: None,
    });
    let mut decide = step("decide", StepStatus::Success, Value::Null);
    decide.attempts = 0;
    decide.started_at = None;
    decide.branch = Some(Branch {
        holds: true,
        next: Some("isolate".into()),
    });
    let mut failed = step("isolate", StepStatus::Failed, Value::Null);
    failed.error = Some(StepError {
        kind: "auth".into(),
        message: "the server refused the token\n  status 401".into(),
        hint: Some("check `api_token`".into()),
    });
    report(
        RunStatus::Failed,
        vec![
            partial,
            step(
                "many-columns",
                StepStatus::Success,
                json!({"results": {"web-01": [many, {"column_3": "only this"}]}}),
            ),
            step(
                "score",
                StepStatus::Success,
                json!({"score": 7, "malicious": false, "tags": ["a", "b"], "verdict": null, "deep": {"list": [1, [2]]}}),
            ),
            step("rows", StepStatus::Success, json!([{"a": 1}, {"a": 2}])),
            each,
            decide,
            failed,
            step("later", StepStatus::Skipped, Value::Null),
        ],
    )
}

/// A run in which this text stands wherever a text can stand.
pub(crate) fn everywhere(text: &str) -> RunReport {
    let mut every = step(
        text,
        StepStatus::Partial,
        json!({
            "results": {text: [{text: text, "b": text}], "empty": []},
            format!("{text}field"): text,
            "timed_out_hosts": [text],
            format!("{text}s"): [text],
            "failed_hosts": {text: text},
            format!("{text}deep"): {text: [[text]]},
        }),
    );
    every.name = Some(text.into());
    every.step_type = text.into();
    every.error = Some(StepError {
        kind: "internal".into(),
        message: text.into(),
        hint: Some(text.into()),
    });
    every.notes = vec![note(text, text), note("empty", text), note("other", text)];
    let item = json!({
        "item": text, "status": "failed", "attempts": 2, "duration_ms": 1,
        "result": {"results": {text: [{text: text}]}, "timed_out_hosts": [text]},
        "error": {"kind": text, "message": text, "hint": text},
        "notes": [note(text, text), note("other", text)],
    });
    let mut each = step("each", StepStatus::Failed, json!([item]));
    each.items = Some(1);
    each.branch = Some(Branch {
        holds: false,
        next: Some(text.into()),
    });
    let mut run = report(RunStatus::Partial, vec![every, each]);
    run.run_id = text.into();
    run.playbook.id = Some(text.into());
    run.playbook.name = Some(text.into());
    run
}
