//! Templates as tokens: where expressions, paths and secrets stand in them.

use std::ops::Range;

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::{Problem, explain, limits};
use crate::text::diagnostic::Code;

/// Tokens, and where each stands.
pub(super) type Tokens<'t> = Vec<(Token<'t>, Range<usize>)>;

/// The tokens of a template, or of an expression. What is beyond the limits has none, so that it is looked at no further.
pub(super) fn of(text: &str, is_expression: bool) -> Result<Tokens<'_>, Problem> {
    limits::check_length(text)?;
    let range = |span: Span| span.start_offset as usize..span.end_offset as usize;
    let tokens: Tokens<'_> = tokenize(text, is_expression, SyntaxConfig::default())
        .map(|token| token.map(|(token, span)| (token, range(span))))
        .collect::<Result<Tokens<'_>, _>>()
        .map_err(|error| explain(&error, text))?;
    limits::check(&tokens)?;
    Ok(tokens)
}

/// Where the text of the expression stands, if the template is nothing but one.
pub(crate) fn sole_expression(text: &str) -> Option<Range<usize>> {
    let tokens = of(text, false).ok()?;
    let [(Token::VariableStart, open), .., (Token::VariableEnd, close)] = tokens.as_slice() else {
        return None;
    };
    let others = &tokens[1..tokens.len() - 1];
    let sole = open.start == 0
        && close.end == text.len()
        && !others
            .iter()
            .any(|(token, _)| matches!(token, Token::VariableEnd | Token::VariableStart | Token::BlockStart));
    sole.then_some(open.end..close.start)
}

/// The path that begins at a token, such as `a.b['c']`: its parts, and where each stands.
pub(super) fn path(tokens: &Tokens<'_>, at: usize) -> Vec<(String, Range<usize>)> {
    let Some((Token::Ident(root), range)) = tokens.get(at) else {
        return Vec::new();
    };
    let mut parts = vec![((*root).to_owned(), range.clone())];
    let mut rest = &tokens[at + 1..];
    loop {
        let (part, after) = match rest {
            [(Token::Dot, _), (Token::Ident(name), range), after @ ..] => (((*name).to_owned(), range.clone()), after),
            [
                (Token::BracketOpen, _),
                (index, range),
                (Token::BracketClose, _),
                after @ ..,
            ] => {
                let name = match index {
                    Token::Str(name) => (*name).to_owned(),
                    Token::String(name) => name.to_string(),
                    Token::Int(number) => number.to_string(),
                    _ => return parts,
                };
                ((name, range.clone()), after)
            }
            _ => return parts,
        };
        parts.push(part);
        rest = after;
    }
}

/// Where a path stands, from its root to its last part.
pub(super) fn place_of(parts: &[(String, Range<usize>)]) -> Option<Range<usize>> {
    Some(parts.first()?.1.start..parts.last()?.1.end)
}

/// Whether what ends here may be undefined: `| default` or `is defined` follows.
pub(super) fn is_guarded(tokens: &Tokens<'_>, end: usize) -> bool {
    let after = tokens.iter().filter(|(_, range)| range.start >= end);
    let after: Vec<&Token<'_>> = after
        .map(|(token, _)| token)
        .skip_while(|token| matches!(token, Token::BracketClose))
        .take(3)
        .collect();
    matches!(
        after.as_slice(),
        [Token::Pipe, Token::Ident("default" | "d"), ..]
            | [Token::Ident("is"), Token::Ident("defined" | "undefined"), ..]
            | [
                Token::Ident("is"),
                Token::Ident("not"),
                Token::Ident("defined" | "undefined")
            ]
    )
}

/// The whole of a name that was torn apart at its dashes, of which the token at `at` is a part, as in `steps.find-users`.
pub(super) fn torn_name(tokens: &Tokens<'_>, at: usize) -> Option<Range<usize>> {
    let part = |at: usize| matches!(tokens[at].0, Token::Ident(_) | Token::Int(_) | Token::Minus);
    let touches = |at: usize| tokens[at].1.end == tokens[at + 1].1.start;
    let mut first = at;
    while first > 0 && part(first - 1) && touches(first - 1) {
        first -= 1;
    }
    let mut last = at;
    while last + 1 < tokens.len() && part(last + 1) && touches(last) {
        last += 1;
    }
    let of_a_path = first > 0 && matches!(tokens[first - 1].0, Token::Dot);
    (of_a_path && first < at).then(|| tokens[first].1.start..tokens[last].1.end)
}

/// The secrets that a template names. Any use but placing one in a text is a problem.
///
/// The rule is on tokens, so that it is easy to see that nothing slips through: in a `{{ … }}` that names `secrets`, the
/// parts between `~` are each `secrets.NAME`, a quoted text or a dotted name; elsewhere `secrets` does not occur. A block
/// that could catch what is rendered (`{% set %}`, `{% filter %}`) must not stand beside a secret.
pub(super) fn secrets(tokens: &Tokens<'_>, problems: &mut Vec<Problem>) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    for block in tokens.split_inclusive(|(token, _)| matches!(token, Token::VariableEnd | Token::BlockEnd)) {
        let start = block
            .iter()
            .position(|(token, _)| matches!(token, Token::VariableStart | Token::BlockStart));
        let Some(start) = start else { continue };
        let emits = matches!(block[start].0, Token::VariableStart);
        let inner = &block[start + 1..block.len() - 1];
        let Some(first) = inner
            .iter()
            .enumerate()
            .position(|(at, _)| is_root(inner, at, "secrets"))
        else {
            continue;
        };
        let parts: Vec<_> = inner.split(|(token, _)| matches!(token, Token::Tilde)).collect();
        if !emits || !parts.iter().all(|part| is_plain(part)) {
            problems.push(Problem {
                range: inner[first].1.start..inner.last().map_or(0, |(_, range)| range.end),
                code: Code::SecretTransformed,
                message: "a secret may be placed in a text, but not looked at or changed".into(),
                hint: Some("write `{{ secrets.name }}` alone, or join texts with `~`; what the template would see is not the value".into()),
            });
            continue;
        }
        for part in parts {
            if let [(Token::Ident("secrets"), _), _, (Token::Ident(name), range)] = part {
                found.push(((*name).to_owned(), range.clone()));
            }
        }
    }
    let catches = tokens.windows(2).find_map(|pair| match pair {
        [(Token::BlockStart, _), (Token::Ident(name), range)] if !["if", "elif", "else", "endif"].contains(name) => {
            Some(range)
        }
        _ => None,
    });
    if let (Some(range), false) = (catches, found.is_empty()) {
        problems.push(Problem {
            range: range.clone(),
            code: Code::SecretTransformed,
            message: "a text that holds a secret may have no blocks but `{% if %}`".into(),
            hint: Some("such a block could change the secret; move it to another value".into()),
        });
    }
    found
}

/// Whether a part of an expression only names or quotes something; of `secrets`, exactly one entry.
fn is_plain(part: &[(Token<'_>, Range<usize>)]) -> bool {
    match part {
        [(Token::Str(_) | Token::String(_), _)] => true,
        [(Token::Ident("secrets"), _), rest @ ..] => matches!(rest, [(Token::Dot, _), (Token::Ident(_), _)]),
        path => path.iter().enumerate().all(|(at, (token, _))| match token {
            Token::Ident(_) => at % 2 == 0,
            Token::Dot => at % 2 == 1,
            _ => false,
        }),
    }
}

/// Whether the token is this name as a variable, and not an attribute or a named argument.
pub(super) fn is_root(tokens: &[(Token<'_>, Range<usize>)], at: usize, name: &str) -> bool {
    matches!(tokens[at].0, Token::Ident(found) if found == name)
        && !at
            .checked_sub(1)
            .is_some_and(|before| matches!(tokens[before].0, Token::Dot))
}

/// Where a name stands as a variable.
pub(super) fn find_ident(tokens: &Tokens<'_>, name: &str) -> Option<Range<usize>> {
    (0..tokens.len())
        .find(|at| is_root(tokens, *at, name))
        .map(|at| tokens[at].1.clone())
}
