//! How much a value is, with everything in it counted as often as it is reached.
//!
//! The engine shares what occurs twice, and makes lists only when they are looked at, so what a value takes says little of
//! what a text, a comparison or a copy of it would.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use super::limits::{DEEPEST, LARGEST, LARGEST_IN_TEXT};

/// What one value costs beside its text, in bytes.
const NODE: u64 = 24;

/// How many values are looked at for a unit of fuel.
const NODES_PER_FUEL: u64 = 64;

/// What was counted.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Weight {
    /// The values.
    nodes: u64,
    /// The bytes of texts.
    bytes: u64,
    /// The levels at which the values stand, added up: what each level of an indentation costs.
    pub(super) levels: u64,
}

impl Weight {
    fn size(self) -> u64 {
        self.bytes + NODE * self.nodes
    }
}

/// Counts a value, and charges for it. Fails where more than `largest` bytes or [`DEEPEST`] levels would be counted.
fn weigh(state: &State<'_, '_>, value: &Value, largest: u64) -> Result<Weight, Error> {
    let mut weight = Weight::default();
    if is_container(value) {
        add(state, &mut weight, value, 0, largest)?;
    } else {
        weight.bytes = length(value);
        check(weight, largest)?;
    }
    Ok(weight)
}

fn add(state: &State<'_, '_>, weight: &mut Weight, value: &Value, level: u64, largest: u64) -> Result<(), Error> {
    if level > DEEPEST {
        let detail = format!("the template makes a value of more than {DEEPEST} lists and maps within each other");
        return Err(Error::new(ErrorKind::OutOfFuel, detail));
    }
    weight.nodes += 1;
    weight.levels += level;
    weight.bytes += length(value);
    check(*weight, largest)?;
    if weight.nodes.is_multiple_of(NODES_PER_FUEL) {
        state.consume_fuel(1)?;
    }
    if !is_container(value) {
        return Ok(());
    }
    // What cannot be iterated over (`secrets`) has nothing in it that could be counted.
    let Ok(items) = value.try_iter() else { return Ok(()) };
    let is_map = value.kind() == ValueKind::Map;
    for item in items.checked() {
        let item = item?;
        if is_map {
            weight.bytes += length(&item);
            add(state, weight, &value.get_item(&item)?, level + 1, largest)?;
        } else {
            add(state, weight, &item, level + 1, largest)?;
        }
    }
    Ok(())
}

fn check(weight: Weight, largest: u64) -> Result<(), Error> {
    if weight.size() <= largest {
        return Ok(());
    }
    let detail = format!("the template makes a value of more than {} MiB", largest >> 20);
    Err(Error::new(ErrorKind::OutOfFuel, detail))
}

fn is_container(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map)
}

fn length(value: &Value) -> u64 {
    let text = value.as_str().map(str::len);
    text.or_else(|| value.as_bytes().map(<[u8]>::len)).unwrap_or_default() as u64
}

/// Lets a value pass that an operator, a literal or a filter made. A list that would be made when it is looked at is made now:
/// one of another of another would be looked at ever more slowly, and recursively.
pub(super) fn made(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    weigh(state, &value, LARGEST)?;
    if value.kind() != ValueKind::Iterable {
        return Ok(value);
    }
    let items = value.try_iter()?.checked();
    items.collect::<Result<Vec<_>, _>>().map(Value::from)
}

/// Lets a value pass that becomes a text.
pub(super) fn in_text(state: &State<'_, '_>, value: &Value) -> Result<Weight, Error> {
    weigh(state, value, LARGEST_IN_TEXT)
}

/// Charges for a value that is compared.
pub(super) fn compared(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    if is_container(value) {
        weigh(state, value, u64::MAX)?;
    }
    Ok(())
}
