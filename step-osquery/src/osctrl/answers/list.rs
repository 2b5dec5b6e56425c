//! The list of distributed queries.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::contract::{Failure, PollServices};
use crate::osctrl::api::OsctrlApi;
use crate::osctrl::environment::Environment;
use crate::osctrl::wire::{QueriesPage, QueryListed};
use crate::polling::Poll;

/// The number of queries on a page, the most that osctrl gives.
const PAGE_SIZE: usize = 500;

/// Lists all queries, hidden, finished and deleted ones included. Returns the time by the server's clock with them.
pub(super) async fn list<S: PollServices>(
    poll: &Poll<'_, S, OsctrlApi>,
    environment: &Environment,
) -> Result<(Vec<QueryListed>, Timestamp), Failure> {
    let (mut queries, mut seen, mut date) = (Vec::new(), BTreeSet::new(), poll.services.now());
    // The answers to a deleted query can still be read, and no other list has it.
    for list in ["all-full", "deleted"] {
        for number in 1.. {
            let route = format!(
                "/queries/{}/list/{list}?page={number}&page_size={PAGE_SIZE}&sort=created&dir=asc",
                environment.segment()
            );
            let page = poll.session.get_dated::<QueriesPage>(&route).await;
            let (page, now) = page.map_err(|failure| environment.name_in(failure))?;
            date = now;
            // A query can stand on two pages when others are deleted in between.
            queries.extend(page.items.into_iter().filter(|query| seen.insert(query.name.clone())));
            if number >= page.total_pages {
                break;
            }
        }
    }
    Ok((queries, date))
}
