//! The texts that plugins make of their templates, and what in them counts from now.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Moment;
use crate::sandbox::plugin::{Plugin, PluginError};

/// How much later a text is made again, to see what in it changes.
const LATER: Duration = Duration::from_hours(24);

/// The text of a template.
#[derive(Debug, Clone)]
pub(super) struct TemplateText {
    pub(super) exact: String,
    pub(super) time_dependent: bool,
    pub(super) moments: Vec<Moment>,
}

impl TemplateText {
    /// Has a plugin fill in a template as of a moment. The call has no network.
    pub(super) async fn of(
        plugin: &Plugin,
        step_type: &str,
        template: &str,
        params: &Value,
        as_of: Timestamp,
    ) -> Result<Self, PluginError> {
        let at = |moment| plugin.render_template_at(Some(moment), step_type, template, params);
        let text = at(as_of).await?;
        // A text that cannot be made later is another one, too.
        let later = match as_of.checked_add(LATER) {
            Ok(later) => at(later).await.ok(),
            Err(_) => None,
        };
        Ok(Self {
            time_dependent: later.as_ref() != Some(&text),
            moments: later.map(|later| moments(&text, &later)).unwrap_or_default(),
            exact: text,
        })
    }
}

/// The numbers of a text that are larger by [`LATER`] when it is made later: seconds or milliseconds since 1970.
fn moments(text: &str, later: &str) -> Vec<Moment> {
    let (now, later) = (numbers(text), numbers(later));
    if now.len() != later.len() {
        return Vec::new();
    }
    let mut moments: Vec<Moment> = Vec::new();
    for (written, later) in now.into_iter().zip(later) {
        let (Ok(number), Ok(later)) = (written.parse::<i64>(), later.parse::<i64>()) else {
            continue;
        };
        let time = match u128::try_from(later.saturating_sub(number)) {
            Ok(seconds) if seconds == u128::from(LATER.as_secs()) => Timestamp::from_second(number),
            Ok(millis) if millis == LATER.as_millis() => Timestamp::from_millisecond(number),
            _ => continue,
        };
        if let Ok(time) = time
            && !moments.iter().any(|known| known.written == written)
        {
            let written = written.to_owned();
            moments.push(Moment { written, time });
        }
    }
    moments
}

/// The runs of digits in a text.
fn numbers(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|run| !run.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moves_with_the_clock_is_a_moment() {
        let written = |text: &str, later: &str| -> Vec<String> {
            moments(text, later)
                .into_iter()
                .map(|moment| format!("{} {}", moment.written, moment.time))
                .collect()
        };
        let text = "SELECT 1 WHERE mtime > 1795480186 LIMIT 100";
        assert_eq!(written(text, text), [""; 0]);
        assert_eq!(
            written(text, "SELECT 1 WHERE mtime > 1795566586 LIMIT 100"),
            ["1795480186 2026-11-24T00:29:46Z"]
        );
        assert_eq!(
            written("at 1795480186000", "at 1795566586000"),
            ["1795480186000 2026-11-24T00:29:46Z"]
        );
        assert_eq!(written("at 5", "at 5 and 7"), [""; 0]);
        assert_eq!(written("at 99999999999999999999", "at 99999999999999999998"), [""; 0]);
    }
}
