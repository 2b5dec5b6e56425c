//! `playbook explain`.

use std::fmt::Write as _;

use playbook_host::text::{Code, ExampleKind};

use crate::args::ExplainArgs;
use crate::error::{CommandError, Exit};
use crate::output::{Padded, Text, print, text};

pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit, CommandError> {
    let Some(word) = &args.code else {
        print(list())?;
        return Ok(Exit::Success);
    };
    let Some(code) = Code::from_word(word) else {
        let near = Code::nearest(word).map(|near| format!("did you mean `{near}`?"));
        let all = "`playbook explain` lists all kinds".to_owned();
        return Err(CommandError::new(format!("there is no kind of problem `{word}`")).maybe_hint(near.or(Some(all))));
    };
    print(explanation(code))?;
    Ok(Exit::Success)
}

fn list() -> Text {
    let width = Code::ALL.iter().map(|code| code.word().len()).max().unwrap_or(0);
    let line = |code: &Code| text!("{}  {}\n", Padded(code.word(), width), code.explanation().title);
    Code::ALL.iter().map(line).collect()
}

fn explanation(code: Code) -> Text {
    let explanation = code.explanation();
    let place = match explanation.shown {
        ExampleKind::Step => " (part of a step)",
        ExampleKind::Params => " (params of a step)",
        ExampleKind::Connector => " (a connector file)",
        ExampleKind::Alert => " (an alert)",
        _ => "",
    };
    let lines = |lines: &[&str]| {
        lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "  {line}");
            text
        })
    };
    Text::own(format!(
        "{code}: {}\n\n{}\n\nWrong{place}:\n{}\nRight:\n{}",
        explanation.title,
        wrapped(explanation.meaning, 100),
        lines(explanation.wrong),
        lines(explanation.right),
    ))
}

/// The text in lines that are at most this long, where its words allow it.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}
