use anstream::adapter::strip_str;
use serde_json::{Value, json};

use super::*;
use crate::views::layout::samples::{HOSTILE, everywhere, report, shapes, step};

fn plain(report: &RunReport, width: Option<usize>) -> String {
    strip_str(&text_report(report, width)).to_string()
}

#[test]
fn results_of_every_shape_read_well() {
    insta::assert_snapshot!("shapes_80", plain(&shapes(), Some(80)));
    insta::assert_snapshot!("shapes_120", plain(&shapes(), Some(120)));
    insta::assert_snapshot!("shapes_uncut", plain(&shapes(), None));
}

#[test]
fn tables_keep_within_the_width_and_say_when_they_are_cut() {
    use unicode_width::UnicodeWidthStr as _;
    let mut run = shapes();
    run.steps.truncate(2);
    for step in &mut run.steps {
        step.notes.clear();
        step.result
            .as_mut()
            .unwrap()
            .as_object_mut()
            .unwrap()
            .retain(|key, _| key == "results");
    }
    for width in [30, 40, 60, 80, 120, 200] {
        let text = plain(&run, Some(width));
        let mut rows = text.lines().filter(|line| line.starts_with("    "));
        assert!(rows.all(|line| line.width() <= width), "{width}: {text}");
        assert_eq!(text.contains('…'), text.contains("--wide"), "{text}");
    }
    let all = plain(&run, None);
    assert!(!all.contains('…') && all.contains("--tail --of --arguments"), "{all}");
}

#[test]
fn what_drives_a_terminal_is_made_visible_wherever_it_stands() {
    let run = everywhere(HOSTILE);
    for width in [None, Some(20), Some(80)] {
        // Taking away what the report itself styles, and nothing more, leaves nothing that a terminal would obey.
        let mut text = text_report(&run, width);
        for style in [GOOD, WARN, BAD, BOLD, DIM] {
            text = text.replace(&style.render().to_string(), "");
        }
        text = text.replace("\x1b[0m", "");
        let harmful = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
        assert!(!text.contains(harmful), "{text:?}");
    }
}

#[test]
fn long_runs_are_told_in_minutes_and_hours() {
    for (ms, text) in [
        (0, "0 ms"),
        (99, "99 ms"),
        (100, "0.1 s"),
        (59_999, "59.9 s"),
        (65_400, "1 min 05 s"),
        (7_260_000, "2 h 01 min"),
    ] {
        assert_eq!(duration(ms), text);
    }
}

/// A run of one step with this result.
fn report_of(result: Value) -> RunReport {
    report(RunStatus::Success, vec![step("ask", StepStatus::Success, result)])
}

#[test]
fn rows_that_share_no_columns_are_no_table() {
    let rows: Vec<Value> = (0..3_000).map(|at| json!({format!("c{at}"): "x"})).collect();
    let report = report_of(json!({"results": {"web-01": rows}}));
    let text = text_report(&report, Some(80));
    assert!(text.contains(r#""c2999": "x""#), "they are shown as they are");
    assert!(text.len() < 1 << 20, "{}", text.len());
    // A few odd rows still make one.
    let rows: Vec<Value> = (0..30)
        .map(|at| json!({"user": "root", format!("c{at}"): "x"}))
        .collect();
    let text = text_report(&report_of(json!({"results": {"web-01": rows}})), None);
    assert!(text.contains("USER"), "{text}");
}
