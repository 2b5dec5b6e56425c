//! What a template looks at, and what is wrong with it before it is rendered.

use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::machinery::Token;

use super::filters::{FILTERS, TESTS};
use super::program::Program;
use super::tokens::{self, Tokens, find_ident, is_guarded, is_root, path, place_of};
use super::{ITEM, Problem, ROOTS, is_template};
use crate::text::diagnostic::{Code, suggestion};

/// Which names there are where a template stands, besides [`ROOTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Scope {
    /// None.
    #[default]
    Roots,
    /// `item` and `item_index`, in the params of a step that runs for each item of a list.
    Item {
        /// Whether the list may depend on what an attacker can influence.
        untrusted: bool,
    },
    /// The alert's own fields, in conditions: `severity` is `alert.severity`, as in `AiSOC`.
    AlertFields,
}

/// What a template looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// The names it begins with.
    pub(crate) roots: BTreeSet<String>,
    /// The secrets, and where each is named.
    pub(crate) secrets: Vec<(String, Range<usize>)>,
    /// The entries of `steps`.
    pub(crate) steps: Vec<Mention>,
    /// The entries of `vars`.
    pub(crate) vars: Vec<Mention>,
    /// Where something is named that an attacker can influence; the rendered value may depend on it.
    pub(crate) untrusted_at: Option<Range<usize>>,
}

/// An entry of `steps` or `vars` that a template looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// The entry's name.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) range: Range<usize>,
    /// What of the entry is looked at, and where that is named.
    pub(crate) attribute: Option<(String, Range<usize>)>,
    /// Whether the template has an answer for an entry that is not there (`| default`, `is defined`).
    pub(crate) guarded: bool,
}

impl Mentions {
    /// What a dotted path looks at.
    pub(crate) fn of_path(parts: &[(&str, Range<usize>)]) -> Self {
        let mut mentions = Self::default();
        let Some(((root, _), rest)) = parts.split_first() else {
            return mentions;
        };
        mentions.roots.insert((*root).to_owned());
        if ["alert", "steps"].contains(root) {
            mentions.untrusted_at = Some(parts[0].1.start..parts[parts.len() - 1].1.end);
        }
        let owned = |(name, range): &(&str, Range<usize>)| ((*name).to_owned(), range.clone());
        if let Some((name, range)) = rest.first().map(owned) {
            let mention = Mention {
                name,
                range,
                attribute: rest.get(1).map(owned),
                guarded: false,
            };
            match *root {
                "steps" => mentions.steps.push(mention),
                "vars" => mentions.vars.push(mention),
                _ => {}
            }
        }
        mentions
    }

    /// Whether the rendered value may depend on what an attacker can influence.
    pub(crate) fn untrusted(&self) -> bool {
        self.untrusted_at.is_some()
    }

    /// Whether it looks at the results of earlier steps.
    pub(crate) fn needs_results(&self) -> bool {
        self.roots.contains("steps")
    }
}

/// Checks a template without rendering it, and tells what it looks at.
pub(crate) fn check(text: &str, scope: Scope) -> Result<Mentions, Vec<Problem>> {
    if !is_template(text) {
        return match integration_reference(text) {
            Some(problem) => Err(vec![problem]),
            None => Ok(Mentions::default()),
        };
    }
    let program = Program::template(text).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let secrets = tokens::secrets(program.tokens(), &mut problems);
    let mentions = look(&program, scope, &mut problems);
    if problems.is_empty() {
        Ok(Mentions { secrets, ..mentions })
    } else {
        Err(problems)
    }
}

/// Checks an expression that stands without `{{ }}`, and tells what it looks at.
pub(crate) fn check_expression(text: &str, scope: Scope) -> Result<Mentions, Vec<Problem>> {
    if let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|mark| text.find(mark)).min() {
        return Err(vec![Problem {
            range: at..text.len(),
            code: Code::TemplateSyntax,
            message: "an expression stands without `{{ }}`".into(),
            hint: Some("for example `alert.severity == 'high'`".into()),
        }]);
    }
    let program = Program::expression(text).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    if let Some(range) = find_ident(program.tokens(), "secrets") {
        problems.push(looked_at_secret(range));
    }
    let mentions = look(&program, scope, &mut problems);
    if problems.is_empty() {
        Ok(mentions)
    } else {
        Err(problems)
    }
}

/// A secret where its value would decide something.
pub(crate) fn looked_at_secret(range: Range<usize>) -> Problem {
    Problem {
        range,
        code: Code::SecretTransformed,
        message: "a secret may be placed in a text, but not looked at or changed".into(),
        hint: Some("a condition would see a handle, not the value; decide with `vars`".into()),
    }
}

/// What a template or an expression looks at; everything wrong with it is added to `problems`.
fn look(program: &Program<'_>, scope: Scope, problems: &mut Vec<Problem>) -> Mentions {
    let (text, tokens) = (program.text(), program.tokens());
    let mut roots: BTreeSet<String> = program.free().iter().map(|root| (*root).to_owned()).collect();
    problems.extend(integration_reference(text));
    let in_scope = |root: &str| ROOTS.contains(&root) || (matches!(scope, Scope::Item { .. }) && ITEM.contains(&root));
    let unknown: Vec<String> = roots.iter().filter(|root| !in_scope(root)).cloned().collect();
    let mut torn: Vec<Range<usize>> = Vec::new();
    for root in unknown {
        if scope == Scope::AlertFields && root != "null" {
            roots.remove(&root);
            roots.insert("alert".to_owned());
            continue;
        }
        let at = (0..tokens.len()).find(|at| is_root(tokens, *at, &root));
        let Some(name) = at.and_then(|at| tokens::torn_name(tokens, at)) else {
            problems.push(undefined_root(text, tokens, &root, scope));
            continue;
        };
        if !torn.contains(&name) {
            // That is what would change a secret.
            problems.retain(|other| {
                other.code != Code::SecretTransformed || other.range.end <= name.start || other.range.start >= name.end
            });
            problems.push(torn_apart(text, &name));
            torn.push(name);
        }
    }
    check_filters(tokens, problems);
    check_tests(tokens, problems);
    let entries = |root: &str| {
        let ours = roots.contains(root);
        let at = (0..tokens.len()).filter(move |at| ours && is_root(tokens, *at, root));
        at.filter_map(|at| mention(tokens, at)).collect()
    };
    Mentions {
        secrets: Vec::new(),
        steps: entries("steps"),
        vars: entries("vars"),
        untrusted_at: untrusted_at(text, tokens, &roots, scope),
        roots,
    }
}

fn undefined_root(text: &str, tokens: &Tokens<'_>, root: &str, scope: Scope) -> Problem {
    let at = (0..tokens.len()).find(|at| is_root(tokens, *at, root));
    let hint = match root {
        "null" => Some("write `none`".to_owned()),
        _ if ITEM.contains(&root) => Some("`item` is there in the params of a step that has `for_each`".to_owned()),
        _ if matches!(scope, Scope::Item { .. }) => suggestion(root, ROOTS.into_iter().chain(ITEM)),
        _ => suggestion(root, ROOTS),
    };
    Problem {
        range: at.map_or(0..text.len(), |at| tokens[at].1.clone()),
        code: Code::UndefinedVariable,
        message: format!("`{root}` is not defined"),
        hint,
    }
}

/// A name that holds `-`, of which only a part is taken for a name.
fn torn_apart(text: &str, name: &Range<usize>) -> Problem {
    let written = &text[name.clone()];
    let hint = if text[..name.start].ends_with("secrets.") {
        "give the secret a name of letters, digits and `_`".to_owned()
    } else {
        format!("a name that holds `-` stands in brackets: `['{written}']`")
    };
    Problem {
        range: name.clone(),
        code: Code::UndefinedVariable,
        message: format!("`{written}` is read as a subtraction"),
        hint: Some(hint),
    }
}

/// Where a template first names something that an attacker can influence.
fn untrusted_at(text: &str, tokens: &Tokens<'_>, roots: &BTreeSet<String>, scope: Scope) -> Option<Range<usize>> {
    let sources = [
        ("alert", true),
        ("steps", true),
        ("item", scope == Scope::Item { untrusted: true }),
        ("item_index", scope == Scope::Item { untrusted: true }),
    ];
    let named = sources.iter().filter(|(root, counts)| *counts && roots.contains(*root));
    // A field of the alert can be named without it.
    let places = named.map(|(root, _)| find_ident(tokens, root).unwrap_or(0..text.len()));
    places.min_by_key(|range| range.start)
}

/// The entry that is looked at where a root stands.
fn mention(tokens: &Tokens<'_>, at: usize) -> Option<Mention> {
    let parts = path(tokens, at);
    let guarded = is_guarded(tokens, place_of(&parts)?.end);
    let mut parts = parts.into_iter().skip(1);
    let (name, range) = parts.next()?;
    Some(Mention {
        name,
        range,
        attribute: parts.next(),
        guarded,
    })
}

fn check_filters(tokens: &Tokens<'_>, problems: &mut Vec<Problem>) {
    for pair in tokens.windows(2) {
        if let [(Token::Pipe, _), (Token::Ident(name), range)] = pair
            && !FILTERS.contains(name)
        {
            problems.push(Problem {
                range: range.clone(),
                code: Code::UnknownFilter,
                message: format!("there is no filter `{name}`"),
                hint: suggestion(name, FILTERS),
            });
        }
    }
}

fn check_tests(tokens: &Tokens<'_>, problems: &mut Vec<Problem>) {
    for (at, (token, _)) in tokens.iter().enumerate() {
        let is_attribute = at > 0 && matches!(tokens[at - 1].0, Token::Dot);
        if !matches!(token, Token::Ident("is")) || is_attribute {
            continue;
        }
        let negated = matches!(tokens.get(at + 1), Some((Token::Ident("not"), _)));
        if let Some((Token::Ident(name), range)) = tokens.get(at + 1 + usize::from(negated))
            && !TESTS.contains(name)
        {
            problems.push(Problem {
                range: range.clone(),
                code: Code::UnknownTest,
                message: format!("there is no test `{name}`"),
                hint: if *name == "null" {
                    Some("did you mean `none`?".into())
                } else {
                    suggestion(name, TESTS)
                },
            });
        }
    }
}

/// `${NAME}` is how `AiSOC` playbooks name an integration, which only `AiSOC`'s server can look up.
pub(super) fn integration_reference(text: &str) -> Option<Problem> {
    let start = text.find("${")?;
    let end = start + text[start..].find('}')? + 1;
    let name = &text[start + 2..end - 1];
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| Problem {
        range: start..end,
        code: Code::IntegrationReference,
        message: format!("`${{{name}}}` refers to an integration that only AiSOC's server can look up"),
        hint: Some(format!(
            "write the value here, or use `{{{{ secrets.{} }}}}` or `{{{{ vars.{} }}}}`",
            name.to_lowercase(),
            name.to_lowercase()
        )),
    })
}
