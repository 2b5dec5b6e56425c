//! What stands behind the `?` of lists.

use std::collections::HashMap;

use axum::extract::Query;
use axum::response::Response;

use super::reply::bad;
use super::state::State;

/// The parameters of a request.
pub(super) type Params = Query<HashMap<String, String>>;

/// How many a page has if only its number is given.
const USUAL_SIZE: usize = 20;

/// Which part of a list is wanted, and in which order.
#[derive(Debug)]
pub(super) struct ListOptions<'p> {
    page: usize,
    /// All, if none.
    size: Option<usize>,
    pub(super) order_key: Option<&'p str>,
    pub(super) descending: bool,
    /// Only what comes after this, by the order key.
    pub(super) after: Option<&'p str>,
}

impl<'p> ListOptions<'p> {
    pub(super) fn read(params: &'p HashMap<String, String>) -> Result<Self, Response> {
        let number = |name: &str| {
            let number = params.get(name).map(|text| text.parse::<usize>());
            number.transpose().map_err(|_| bad(&format!("Invalid {name}")))
        };
        let (page, size) = (number("page")?, number("per_page")?);
        if size == Some(0) {
            return Err(bad("Invalid per_page"));
        }
        let text = |name: &str| params.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let (order_key, after, direction) = (text("order_key"), text("after"), text("order_direction"));
        if order_key.is_none() && (after.is_some() || direction.is_some()) {
            return Err(bad("order_key must be specified with after and order_direction"));
        }
        let descending = match direction {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(bad(&format!("unknown order_direction: {other}"))),
        };
        Ok(Self {
            page: page.unwrap_or(0),
            size: size.or(page.map(|_| USUAL_SIZE)),
            order_key,
            descending,
            after,
        })
    }

    /// How many come before the page. None do after `after`: who counts pages on then gets the first again and again.
    fn skipped(&self) -> usize {
        match (self.after, self.size) {
            (None, Some(size)) => self.page.saturating_mul(size),
            _ => 0,
        }
    }

    /// The page of a whole list.
    pub(super) fn page<T>(&self, all: impl Iterator<Item = T>) -> Vec<T> {
        all.skip(self.skipped()).take(self.size.unwrap_or(usize::MAX)).collect()
    }

    /// Whether there is something before and after the page of a list of this length.
    pub(super) fn meta(&self, length: usize) -> serde_json::Value {
        let end = self.size.and_then(|size| self.skipped().checked_add(size));
        serde_json::json!({
            "has_next_results": end.is_some_and(|end| end < length),
            "has_previous_results": self.page > 0,
        })
    }
}

/// The id of the team that a request is limited to, where 0 is no team. 4.82.0 knows it by two names.
pub(super) fn team(state: &State, params: &HashMap<String, String>) -> Result<Option<u64>, Response> {
    let newer = params.get("fleet_id").filter(|_| state.has_reports());
    let given = match (params.get("team_id"), newer) {
        (Some(_), Some(_)) => {
            return Err(bad(
                "Conflicting field names: cannot specify both \"team_id\" (deprecated) and \"fleet_id\" in the same request",
            ));
        }
        (Some(older), None) => ("team_id", older),
        (None, Some(newer)) => ("fleet_id", newer),
        (None, None) => return Ok(None),
    };
    let (name, text) = given;
    if !state.fleet.premium {
        return Err(bad(&format!("option {name} requires a premium license")));
    }
    text.parse().map(Some).map_err(|_| bad(&format!("Invalid {name}")))
}
