//! "Did you mean …": known names near a misspelt one.

use std::collections::BTreeSet;

/// How many names a hint lists at most.
const LISTED: usize = 16;

/// How long a name in a hint may be, in characters: alerts choose their own.
const LONGEST: usize = 60;

/// The known name nearest to a misspelt one, if one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let (wanted, length) = (plain(name), name.chars().count());
    known
        .into_iter()
        // What is much longer or shorter is not meant, and measuring it would take long.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= 1 + length.min(LONGEST) / 4)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        // Of names that are equally near, the first known one.
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance < candidate.chars().count())
        .map(|(_, candidate)| candidate)
}

/// "did you mean …" for a misspelt name, and otherwise what there is.
pub(crate) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(name, known.clone()) {
        return Some(format!("did you mean `{}`?", cut(near)));
    }
    let mut seen = BTreeSet::new();
    let mut known = known.into_iter().filter(|name| seen.insert(*name));
    let mut listed: Vec<String> = known.by_ref().take(LISTED).map(cut).collect();
    match known.count() {
        _ if listed.is_empty() => return None,
        0 => {}
        more => listed.push(format!("and {more} more")),
    }
    Some(format!("known here: {}", listed.join(", ")))
}

/// A name that somebody chose, short enough to be read.
pub(crate) fn cut(name: &str) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_suggested_only_if_it_may_be_meant() {
        for (name, known, expected) in [
            (
                "fleetdm_tokn",
                &["fleetdm_token", "osctrl_token"][..],
                Some("fleetdm_token"),
            ),
            ("Fleetdm-Token", &["fleetdm_token"], Some("fleetdm_token")),
            ("hsot", &["host", "port"], Some("host")),
            ("x", &["y", "id"], None),
            ("password", &["username", "api_token"], None),
            ("anything", &[], None),
        ] {
            assert_eq!(nearest(name, known.iter().copied()), expected, "{name}");
        }
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let names: Vec<String> = (0..50).map(|number| format!("{number}").repeat(100)).collect();
        let hint = suggestion("zzz", names.iter().map(String::as_str)).unwrap();
        assert!(hint.ends_with("and 34 more") && hint.len() < 1_200, "{hint}");
    }
}
