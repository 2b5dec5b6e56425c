//! The one way to the template engine: what is run was within the limits before it was parsed, and guarded before it was
//! compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use minijinja::machinery::{CodeGenerator, Instructions, eval, make_string_output, parse, parse_expr};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::tokens::{self, Tokens};
use super::{Problem, explain, filters, free, guarded, limits};

/// What all templates share: our filters and tests, and nothing else.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    // With it, an error's text would hold the variables' values.
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(limits::FUEL));
    environment.set_recursion_limit(50);
    filters::register(&mut environment);
    environment
});

/// A template or an expression, ready to run.
pub(super) struct Program<'t> {
    text: &'t str,
    tokens: Tokens<'t>,
    free: BTreeSet<&'t str>,
    instructions: Instructions<'t>,
}

impl<'t> Program<'t> {
    /// A text with templates in it.
    pub(super) fn template(text: &'t str) -> Result<Self, Problem> {
        let wrong = |error: Error| explain(&error, text);
        let tokens = tokens::of(text, false)?;
        let parsed = parse(text, "<template>", SyntaxConfig::default()).map_err(wrong)?;
        let statement = guarded::statement(&parsed)
            .map_err(|guarded::Unsupported| wrong(Error::new(ErrorKind::SyntaxError, "unknown statement")))?;
        let mut code = CodeGenerator::new("<template>", text);
        code.compile_stmt(&statement);
        Ok(Self {
            text,
            tokens,
            free: free::names(&parsed),
            instructions: code.finish().0,
        })
    }

    /// An expression that stands without braces.
    pub(super) fn expression(text: &'t str) -> Result<Self, Problem> {
        let tokens = tokens::of(text, true)?;
        let parsed = parse_expr(text).map_err(|error| explain(&error, text))?;
        let mut code = CodeGenerator::new("<expression>", text);
        code.compile_expr(&guarded::expression(&parsed));
        Ok(Self {
            text,
            tokens,
            free: free::names_of_expression(&parsed),
            instructions: code.finish().0,
        })
    }

    /// Its text.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Its tokens.
    pub(super) fn tokens(&self) -> &Tokens<'t> {
        &self.tokens
    }

    /// The names that it takes from outside of itself.
    pub(super) fn free(&self) -> &BTreeSet<&'t str> {
        &self.free
    }

    /// What the template becomes.
    pub(super) fn render(&self, context: &Value) -> Result<String, Error> {
        let mut rendered = String::new();
        self.run(context, &mut rendered)?;
        Ok(rendered)
    }

    /// The value of the expression.
    pub(super) fn evaluate(&self, context: &Value) -> Result<Value, Error> {
        let value = self.run(context, &mut String::new())?;
        Ok(value.unwrap_or(Value::UNDEFINED))
    }

    fn run(&self, context: &Value, into: &mut String) -> Result<Option<Value>, Error> {
        let mut output = make_string_output(into);
        let blocks = BTreeMap::new();
        let (environment, code) = (&*ENVIRONMENT, &self.instructions);
        let ended = eval(
            environment,
            code,
            context.clone(),
            &blocks,
            &mut output,
            AutoEscape::None,
        )?;
        Ok(ended.0)
    }
}
