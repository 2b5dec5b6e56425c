//! The filters and tests that templates have: pure functions of bounded cost.
//!
//! Nothing else is registered, so that nothing else can be named in a text either (`map('indent')`). Those of the engine are
//! used as they are where what they do is bounded by their input; the others are asked first whether their arguments ask for
//! more.

use std::borrow::Cow;

use minijinja::value::{Kwargs, Rest, StringInput, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value, escape_formatter, filters, tests};

use super::guarded::{COMPARED, IN_TEXT, MADE};
use super::limits::{LARGEST_IN_TEXT, LONGEST_ATTRIBUTE, MOST_ATTRIBUTES, MOST_PARTS, MOST_TRIMMED, WIDEST_INDENT};
use super::weight;

/// The filters, by name.
pub(super) const FILTERS: [&str; 37] = [
    "abs",
    "attr",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "upper",
];

/// The tests that may follow `is`.
pub(super) const TESTS: [&str; 32] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

pub(super) fn register(environment: &mut Environment<'_>) {
    guards(environment);
    of_texts(environment);
    of_numbers(environment);
    of_lists(environment);
    of_order(environment);
    tests_of_kinds(environment);
    tests_of_values(environment);
}

fn guards(environment: &mut Environment<'_>) {
    environment.add_filter(MADE, weight::made);
    environment.add_filter(IN_TEXT, |state: &State<'_, '_>, value: Value| {
        weight::in_text(state, &value).map(|_| value)
    });
    environment.add_filter(COMPARED, |state: &State<'_, '_>, value: Value| {
        weight::compared(state, &value).map(|()| value)
    });
    environment.set_formatter(|out, state, value| {
        weight::in_text(state, value)?;
        escape_formatter(out, state, value)
    });
}

fn of_texts(environment: &mut Environment<'_>) {
    environment.add_filter("capitalize", |state: &State<'_, '_>, value: &Value| {
        text(state, value).map(filters::capitalize)
    });
    environment.add_filter("lower", |state: &State<'_, '_>, value: &Value| {
        text(state, value).map(filters::lower)
    });
    environment.add_filter("upper", |state: &State<'_, '_>, value: &Value| {
        text(state, value).map(filters::upper)
    });
    environment.add_filter("title", |state: &State<'_, '_>, value: &Value| {
        text(state, value).map(|text| filters::title(Cow::Borrowed(text.as_str())))
    });
    environment.add_filter("string", |state: &State<'_, '_>, value: &Value| {
        weight::in_text(state, value)?;
        filters::string(state, value)
    });
    environment.add_filter("trim", trim);
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
    environment.add_filter("split", split);
    environment.add_filter("lines", lines);
    environment.add_filter("tojson", tojson);
}

fn of_numbers(environment: &mut Environment<'_>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("bool", filters::bool);
    environment.add_filter("float", filters::float);
    environment.add_filter("int", filters::int);
    environment.add_filter("round", filters::round);
    environment.add_filter("sum", sum);
}

fn of_lists(environment: &mut Environment<'_>) {
    environment.add_filter("attr", filters::attr);
    environment.add_filter("d", filters::default);
    environment.add_filter("default", filters::default);
    environment.add_filter("list", filters::list);
    for name in ["count", "length"] {
        environment.add_filter(name, |value: &Value| {
            defined(value)?;
            filters::length(value)
        });
    }
    environment.add_filter("first", |value: &Value| {
        defined(value)?;
        filters::first(value)
    });
    environment.add_filter("last", |value: Value| {
        defined(&value)?;
        filters::last(value)
    });
    environment.add_filter("items", |value: &Value| {
        defined(value)?;
        filters::items(value)
    });
    environment.add_filter("reverse", |state: &State<'_, '_>, value: &Value| {
        defined(value)?;
        state.consume_fuel(value.len().unwrap_or_default() as u64 / 2)?;
        filters::reverse(value)
    });
    environment.add_filter(
        "slice",
        |state: &State<'_, '_>, value: Value, count: usize, filler: Option<Value>| {
            parts(count)?;
            filters::slice(state, value, count, filler)
        },
    );
    environment.add_filter(
        "map",
        |state: &mut State<'_, '_>, value: Value, arguments: Rest<ValueOrKwargs>| {
            if let Some(Ok(named)) = arguments.last().map(|last| Kwargs::try_from((**last).clone())) {
                let path: Option<Value> = named.peek("attribute")?;
                attribute(path.as_ref().and_then(Value::as_str))?;
            }
            filters::map(state, value, arguments)
        },
    );
    environment.add_filter("select", filters::select);
    environment.add_filter("reject", filters::reject);
    environment.add_filter(
        "selectattr",
        |state: &mut State<'_, '_>,
         value: Value,
         name: Cow<'_, str>,
         test: Option<Cow<'_, str>>,
         more: Rest<ValueOrKwargs>| {
            attribute(Some(&name))?;
            filters::selectattr(state, value, name, test, more)
        },
    );
    environment.add_filter(
        "rejectattr",
        |state: &mut State<'_, '_>,
         value: Value,
         name: Cow<'_, str>,
         test: Option<Cow<'_, str>>,
         more: Rest<ValueOrKwargs>| {
            attribute(Some(&name))?;
            filters::rejectattr(state, value, name, test, more)
        },
    );
}

/// The filters that compare what is in a list.
fn of_order(environment: &mut Environment<'_>) {
    environment.add_filter("dictsort", |state: &State<'_, '_>, value: &Value, kwargs: Kwargs| {
        let entries = value.len().unwrap_or_default() as u64;
        weight::compared(state, value)?;
        state.consume_fuel(entries.saturating_mul(1 + u64::from(entries.max(1).ilog2())))?;
        filters::dictsort(value, kwargs)
    });
    environment.add_filter("max", |state: &State<'_, '_>, value: Value, kwargs: Kwargs| {
        ordered(state, &value, &kwargs)?;
        filters::max(state, value, kwargs)
    });
    environment.add_filter("min", |state: &State<'_, '_>, value: Value, kwargs: Kwargs| {
        ordered(state, &value, &kwargs)?;
        filters::min(state, value, kwargs)
    });
    environment.add_filter("sort", |state: &State<'_, '_>, value: Value, kwargs: Kwargs| {
        ordered(state, &value, &kwargs)?;
        filters::sort(state, value, kwargs)
    });
}

fn tests_of_kinds(environment: &mut Environment<'_>) {
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("divisibleby", |value: &Value, other: &Value| {
        if other.is_number() && !other.is_true() {
            return Err(Error::new(ErrorKind::InvalidOperation, "nothing is divisible by zero"));
        }
        Ok(tests::is_divisibleby(value, other))
    });
    environment.add_test("even", tests::is_even);
    environment.add_test("false", tests::is_false);
    environment.add_test("float", tests::is_float);
    environment.add_test("int", tests::is_integer);
    environment.add_test("integer", tests::is_integer);
    environment.add_test("iterable", tests::is_iterable);
    environment.add_test("lower", |state: &State<'_, '_>, value: &Value| {
        read_through(state, value).map(|()| tests::is_lower(value))
    });
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("string", tests::is_string);
    environment.add_test("true", tests::is_true);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("upper", |state: &State<'_, '_>, value: &Value| {
        read_through(state, value).map(|()| tests::is_upper(value))
    });
}

/// Charges for a text that is read letter by letter.
fn read_through(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    /// How many bytes are a step.
    const STEP: usize = 100;
    let length = value.as_str().map_or(0, str::len);
    state.consume_fuel((length / STEP) as u64)
}

fn tests_of_values(environment: &mut Environment<'_>) {
    type Compare = fn(&Value, &Value) -> bool;
    // The signs are for `selectattr('severity', '==', 'high')`.
    let comparisons: [(&[&str], Compare); 7] = [
        (&["eq", "equalto", "=="], tests::is_eq),
        (&["ne", "!="], tests::is_ne),
        (&["lt", "lessthan", "<"], tests::is_lt),
        (&["le", "<="], tests::is_le),
        (&["gt", "greaterthan", ">"], tests::is_gt),
        (&["ge", ">="], tests::is_ge),
        (&["sameas"], tests::is_sameas),
    ];
    for (names, compare) in comparisons {
        for name in names {
            environment.add_test(*name, move |state: &State<'_, '_>, value: &Value, other: &Value| {
                weight::compared(state, value).map(|()| compare(value, other))
            });
        }
    }
    environment.add_test("in", |state: &State<'_, '_>, value: &Value, other: &Value| {
        weight::in_text(state, value)?;
        weight::compared(state, other)?;
        tests::is_in(state, value, other)
    });
    let ends: [(&str, Ends); 2] = [
        ("endingwith", tests::is_endingwith),
        ("startingwith", tests::is_startingwith),
    ];
    for (name, has) in ends {
        environment.add_test(name, move |state: &State<'_, '_>, value: &Value, other: &Value| {
            let (value, other) = (text(state, value)?, text(state, other)?);
            Ok::<_, Error>(has(value.as_str().into(), other.as_str().into()))
        });
    }
}

/// Whether a text has another at one of its ends.
type Ends = fn(Cow<'_, str>, Cow<'_, str>) -> bool;

/// A value as the text that it becomes, if that is not too large.
fn text<'v>(state: &State<'_, '_>, value: &'v Value) -> Result<StringInput<'v>, Error> {
    weight::in_text(state, value)?;
    StringInput::new(state, value)
}

fn trim(state: &State<'_, '_>, value: &Value, trimmed: Option<&Value>) -> Result<Value, Error> {
    let trimmed = trimmed.map(|trimmed| text(state, trimmed)).transpose()?;
    let trimmed = trimmed.as_ref().map(StringInput::as_str);
    if trimmed.is_some_and(|trimmed| trimmed.chars().count() > MOST_TRIMMED) {
        return Err(exceeded(&format!("trims more than {MOST_TRIMMED} characters")));
    }
    Ok(filters::trim(text(state, value)?, trimmed.map(Cow::Borrowed)))
}

fn replace(state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    type Arguments<'v> = (&'v Value, &'v Value, &'v Value, Option<i64>, Kwargs);
    let arguments = arguments.into_values();
    let (value, from, to, count, named): Arguments<'_> = from_args(&arguments)?;
    let count = match count {
        Some(count) => Some(count),
        None => named.get("count")?,
    };
    named.assert_all_used()?;
    let (value, from, to) = (text(state, value)?, text(state, from)?, text(state, to)?);
    let most = count
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(usize::MAX);
    let replaced = value.as_str().matches(from.as_str()).take(most).count();
    let grown = replaced.saturating_mul(to.as_str().len().saturating_sub(from.as_str().len()));
    if grown.saturating_add(value.as_str().len()) as u64 > LARGEST_IN_TEXT {
        return Err(exceeded(&format!(
            "makes a text of more than {} MiB",
            LARGEST_IN_TEXT >> 20
        )));
    }
    match count {
        None => filters::replace(state, value, from, to),
        Some(_) => Ok(Value::from(value.as_str().replacen(from.as_str(), to.as_str(), most))),
    }
}

fn join(
    state: &mut State<'_, '_>,
    value: &Value,
    joiner: Option<&Value>,
    of: Option<&str>,
    named: Kwargs,
) -> Result<Value, Error> {
    let path: Option<&str> = of.map_or_else(|| named.peek("attribute"), |of| Ok(Some(of)))?;
    match path {
        Some(path) => attribute(Some(path))?,
        None => drop(weight::in_text(state, value)?),
    }
    let joiner = joiner.map(|joiner| text(state, joiner)).transpose()?;
    filters::join(state, value, joiner, of, named)
}

fn split(value: &Value, separator: Option<&str>, most: Option<i64>) -> Result<Value, Error> {
    if let Some(value) = value.as_str() {
        parts(match separator {
            Some(separator) => 1 + value.matches(separator).count(),
            None => value.split_whitespace().count(),
        })?;
    }
    filters::split(value, separator.map(Into::into), most)
}

fn lines(value: &Value) -> Result<Value, Error> {
    parts(value.as_str().map_or(0, |value| value.lines().count()))?;
    filters::lines(value)
}

fn tojson(state: &State<'_, '_>, value: &Value, indent: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let weight = weight::in_text(state, value)?;
    let asked: Option<Value> = indent
        .clone()
        .map_or_else(|| named.peek("indent"), |indent| Ok(Some(indent)))?;
    let spaces = asked.and_then(|asked| u64::try_from(asked).ok()).unwrap_or_default();
    if spaces > WIDEST_INDENT {
        return Err(exceeded(&format!("indents by more than {WIDEST_INDENT} spaces")));
    }
    if weight.levels.saturating_mul(spaces) > LARGEST_IN_TEXT {
        return Err(exceeded(&format!(
            "makes a text of more than {} MiB",
            LARGEST_IN_TEXT >> 20
        )));
    }
    let json = filters::tojson(value, indent, named)?;
    // As much as the engine's own form of this filter asks for: a quarter of a unit for each byte.
    state.consume_fuel(json.as_str().map_or(0, str::len) as u64 / 4)?;
    Ok(json)
}

/// Adds up numbers. Texts and lists could be added, too, each time all over again.
fn sum(
    state: &State<'_, '_>,
    values: Value,
    of: Option<&str>,
    start: Option<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    attribute(of)?;
    attribute(named.peek("attribute")?)?;
    let from: Option<Value> = start
        .clone()
        .map_or_else(|| named.peek("start"), |start| Ok(Some(start)))?;
    if from.is_some_and(|from| !from.is_number()) {
        return Err(Error::new(ErrorKind::InvalidOperation, "can only sum numbers"));
    }
    filters::sum(state, values, of, start, named)
}

/// Charges for what is put in order, by attributes or as it is.
fn ordered(state: &State<'_, '_>, value: &Value, named: &Kwargs) -> Result<(), Error> {
    attribute(named.peek("attribute")?)?;
    weight::compared(state, value)
}

/// Refuses a path of attributes that no author would write: it is followed for every item.
fn attribute(path: Option<&str>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    if path.len() > LONGEST_ATTRIBUTE || path.split(',').count() > MOST_ATTRIBUTES {
        return Err(exceeded(&format!(
            "names attributes in more than {LONGEST_ATTRIBUTE} bytes, or more than {MOST_ATTRIBUTES} of them"
        )));
    }
    Ok(())
}

fn parts(count: usize) -> Result<(), Error> {
    if count > MOST_PARTS {
        return Err(exceeded(&format!("makes more than {MOST_PARTS} parts")));
    }
    Ok(())
}

/// As in the engine's own filters, what is undefined is an error.
fn defined(value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(())
}

fn exceeded(limit: &str) -> Error {
    Error::new(ErrorKind::OutOfFuel, format!("the template {limit}"))
}
