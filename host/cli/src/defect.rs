//! What is said when the command itself is wrong.

use std::any::Any;
use std::panic::Location;

use crate::output::{Text, text};

/// What a panic says. A message that was put together could hold anything that was being worked on, secrets included; one that
/// stands in the source cannot.
pub(crate) fn said(place: Option<&Location<'_>>, payload: &dyn Any) -> Text {
    let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
    let words = match payload.downcast_ref::<&'static str>() {
        Some(words) => format!(": {words}"),
        None => ", whose message is not shown, as it could hold a secret".to_owned(),
    };
    text!(
        "error: a defect of the runner{}{}\nhelp: please report it with what you ran\n",
        place,
        words
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_panic_is_shown_only_if_it_stands_in_the_source() {
        let panicked = |panics: fn()| std::panic::catch_unwind(panics).unwrap_err();
        let plain = panicked(|| panic!("the list is never empty"));
        let place = Location::caller();
        assert_eq!(
            said(Some(place), plain.as_ref()).drawn().lines().next().unwrap(),
            format!("error: a defect of the runner at {place}: the list is never empty")
        );
        let put_together: [fn(); 4] = [
            || panic!("no {}", std::hint::black_box("hunter2-value")),
            || std::hint::black_box(Err::<(), _>("hunter2-value")).expect("it is a number"),
            || assert_eq!(std::hint::black_box("hunter2-value"), "other"),
            || std::panic::panic_any(std::hint::black_box("hunter2-value").to_owned()),
        ];
        for panics in put_together {
            let said = said(None, panicked(panics).as_ref()).drawn();
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.contains("is not shown"), "{said}");
        }
    }
}
