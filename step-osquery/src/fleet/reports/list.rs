//! The list of saved queries, and the server's version.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::contract::{Failure, PollServices};
use crate::fleet::api::FleetApi;
use crate::fleet::config::FleetConfig;
use crate::fleet::routes::Routes;
use crate::fleet::wire::{QueriesPage, SavedQuery, Version};
use crate::polling::Poll;

/// The number of queries on a page.
const PAGE_SIZE: usize = 100;

/// Lists the global queries and, with a team, the team's and those that it inherits, each once. Returns the time by the
/// server's clock with them.
pub(super) async fn list<S: PollServices>(
    poll: &Poll<'_, S, FleetApi>,
    routes: Routes,
    config: &FleetConfig,
) -> Result<(Vec<SavedQuery>, Timestamp), Failure> {
    let mut filters = vec![String::new()];
    // Old servers do not know `merge_inherited`, so the global ones are asked for in any case.
    filters.extend(
        config
            .team_id
            .map(|team| format!("&team_id={team}&merge_inherited=true")),
    );
    let mut queries: BTreeMap<u64, SavedQuery> = BTreeMap::new();
    let mut date = poll.services.now();
    for filter in filters {
        for number in 0.. {
            let route = format!(
                "{}?page={number}&per_page={PAGE_SIZE}&order_key=id&order_direction=asc{filter}",
                routes.list()
            );
            let (page, now) = poll.session.get_dated::<QueriesPage>(&route).await?;
            date = now;
            let found = page.queries.or(page.reports).unwrap_or_default();
            let fresh = found.len();
            let known = queries.len();
            queries.extend(found.into_iter().map(|query| (query.id, query)));
            let more = page.meta.is_none_or(|meta| meta.has_next_results);
            // A server without pages gives everything at once, every time.
            if fresh < PAGE_SIZE || !more || (number > 0 && queries.len() == known) {
                break;
            }
        }
    }
    Ok((queries.into_values().collect(), date))
}

/// Reads the server's version, which some users may not ask for.
pub(super) async fn version<S: PollServices>(poll: &Poll<'_, S, FleetApi>) -> Option<(u32, u32)> {
    let version: Version = poll.session.get("/version").await.ok()?;
    let mut parts = version.version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}
