//! What a template may be, and what it may make.
//!
//! The template engine recurses over what it parses, and makes values before it counts them. So a text is looked at before
//! the engine parses it ([`check`]), and values are weighed when they are made (`weight.rs`).

use std::ops::Range;

use minijinja::machinery::Token;

use super::Problem;
use crate::text::diagnostic::Code;

/// The longest text with templates in it, in bytes.
pub(super) const LONGEST: usize = 64 << 10;

/// The most tokens of such a text.
const MOST_TOKENS: usize = 10_000;

/// The most operators around any one value: each can nest the rest of the expression one level deeper.
const MOST_OPERATORS: usize = 250;

/// The most brackets within brackets.
const MOST_BRACKETS: usize = 50;

/// The most blocks that are open at once, `elif` and `set` included.
const MOST_BLOCKS: usize = 100;

/// How much a template may compute, in the engine's own units.
pub(super) const FUEL: u64 = 100_000;

/// The largest value that an operator or a filter may make, in bytes of memory.
pub(super) const LARGEST: u64 = 64 << 20;

/// The largest value that may become a text, in bytes of memory.
pub(super) const LARGEST_IN_TEXT: u64 = 8 << 20;

/// How deep lists and maps may be within lists and maps that a template makes.
pub(super) const DEEPEST: u64 = 128;

/// The most parts that a text may be split into.
pub(super) const MOST_PARTS: usize = 200_000;

/// How many spaces `tojson` may indent a level by.
pub(super) const WIDEST_INDENT: u64 = 16;

/// The longest path of attributes that a filter may follow, in bytes, and the most paths of one filter.
pub(super) const LONGEST_ATTRIBUTE: usize = 200;
pub(super) const MOST_ATTRIBUTES: usize = 8;

/// The most characters that `trim` may be given.
pub(super) const MOST_TRIMMED: usize = 100;

/// Refuses a text that is too long to be looked at further.
pub(super) fn check_length(text: &str) -> Result<(), Problem> {
    if text.len() > LONGEST {
        let limit = format!("is longer than {} KiB", LONGEST >> 10);
        return Err(problem(0..text.len(), &limit));
    }
    Ok(())
}

/// Refuses what the engine would recurse too deeply over. How deep that is, is counted from above: every operator counts as
/// a level, whether or not it is one.
pub(super) fn check(tokens: &[(Token<'_>, Range<usize>)]) -> Result<(), Problem> {
    let (mut operators, mut blocks) = (vec![0], 0_usize);
    let mut around = 0;
    for (at, (token, range)) in tokens.iter().enumerate() {
        let too_much = |what: &str, limit: usize| problem(range.clone(), &format!("has more than {limit} {what}"));
        if at >= MOST_TOKENS {
            return Err(too_much("parts", MOST_TOKENS));
        }
        let level = operators.last_mut().expect("the outermost level stays");
        match token {
            Token::VariableStart | Token::VariableEnd | Token::BlockEnd => (operators, around) = (vec![0], 0),
            Token::BlockStart => {
                (operators, around) = (vec![0], 0);
                blocks = match tokens.get(at + 1) {
                    Some((Token::Ident(name), _)) if name.starts_with("end") => blocks.saturating_sub(1),
                    _ => blocks + 1,
                };
                if blocks > MOST_BLOCKS {
                    return Err(too_much("blocks open at once", MOST_BLOCKS));
                }
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                *level += 1;
                around += *level;
                operators.push(0);
                if operators.len() > MOST_BRACKETS + 1 {
                    return Err(too_much("brackets within brackets", MOST_BRACKETS));
                }
                if around > MOST_OPERATORS {
                    return Err(too_much("operators around one value", MOST_OPERATORS));
                }
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                if operators.len() > 1 {
                    operators.pop();
                    around -= operators.last().copied().unwrap_or_default();
                }
            }
            // What is on both sides of it is beside each other.
            Token::Comma => *level = 0,
            Token::TemplateData(_)
            | Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_) => {}
            Token::Ident(name) if !["not", "and", "or", "if", "else", "in", "is"].contains(name) => {}
            _ => {
                *level += 1;
                if around + *level > MOST_OPERATORS {
                    return Err(too_much("operators around one value", MOST_OPERATORS));
                }
            }
        }
    }
    Ok(())
}

fn problem(range: Range<usize>, exceeded: &str) -> Problem {
    Problem {
        range,
        code: Code::TemplateTooLong,
        message: format!("the template {exceeded}"),
        hint: Some("make it shorter, or give what it works out with `--var`".into()),
    }
}

#[cfg(test)]
mod tests;
