//! The nodes of an environment.

use std::collections::HashSet;

use futures::future::try_join;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::api::OsctrlApi;
use super::environment::Environment;
use super::wire::{Node, NodesPage};
use crate::contract::{Failure, Services};
use crate::server::{Session, StatusOnly};

/// The number of nodes on a page, the most that osctrl gives.
const PAGE_SIZE: usize = 500;

/// The number of pages under way at once.
const CONCURRENT: usize = 4;

/// Reads all nodes of an environment, and fails if the user may not query it.
pub(super) async fn all<S: Services>(
    session: &Session<'_, S, OsctrlApi>,
    environment: &Environment,
) -> Result<Vec<Node>, Failure> {
    // Authenticate first, so that a wrong token is one refusal, and a login happens before two calls need it.
    session.token().await?;
    let may_query = format!("/queries/{}/list/active?page=1&page_size=1", environment.segment());
    let may_query = async {
        let asked = session.get::<StatusOnly>(&may_query).await;
        asked.map_err(|failure| environment.name_in(failure))
    };
    let (first, _) = try_join(page(session, environment, 1), may_query).await?;
    let rest: Vec<NodesPage> = stream::iter(2..=first.total_pages)
        .map(|number| page(session, environment, number))
        .buffered(CONCURRENT)
        .try_collect()
        .await?;
    // A node can stand on two pages when others come or go in between.
    let mut seen = HashSet::new();
    let pages = std::iter::once(first).chain(rest);
    Ok(pages
        .flat_map(|page| page.items)
        .filter(|node| seen.insert(node.id))
        .collect())
}

/// Reads one page, in an order that does not change while nodes check in.
async fn page<S: Services>(
    session: &Session<'_, S, OsctrlApi>,
    environment: &Environment,
    number: usize,
) -> Result<NodesPage, Failure> {
    let route = format!(
        "/nodes/{}?status=all&sort=uuid&dir=asc&page={number}&page_size={PAGE_SIZE}",
        environment.segment()
    );
    let page = session.get(&route).await;
    page.map_err(|failure| environment.name_in(failure))
}
