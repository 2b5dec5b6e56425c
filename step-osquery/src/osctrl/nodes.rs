//! From the names in a playbook to the uuids of nodes.

use std::collections::{HashMap, HashSet};

use futures::future::try_join;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use super::api::Session;
use super::environment::Environment;
use super::live_query::{LiveQuery, NodeUuid};
use super::wire::{Anything, Node, NodesPage};
use crate::contract::Services;
use crate::contract::{Failure, Kind};
use crate::live_query::{Sighting, ambiguous};

/// Nodes on a page, the most that osctrl gives.
const PAGE: usize = 500;

/// Pages under way at once.
const CONCURRENT: usize = 4;

/// Go's zero time, which a node has that enrolled and never checked in.
const NEVER: &str = "0001-01-01";

/// Finds the node of each name. A name that means no node, or several, is entered as failed.
///
/// The first calls also tell whether the environment exists and whether the user may query it.
pub(super) async fn resolve<S: Services>(query: &LiveQuery<'_, S>, environment: &Environment) -> Result<(), Failure> {
    let nodes = all(&query.session, environment).await?;
    let mut by_name: HashMap<String, Vec<&Node>> = HashMap::new();
    for node in &nodes {
        let names = [&node.hostname, &node.localname, &node.uuid, &node.hardware_serial];
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let found = by_name.entry(name.to_lowercase()).or_default();
            // The uuid is what a query selects by: nodes that share it are asked as one.
            if !found.iter().any(|known| same(&known.uuid, &node.uuid)) {
                found.push(node);
            }
        }
    }
    let mut tally = query.tally.borrow_mut();
    for (index, name) in query.names.iter().enumerate() {
        match by_name.get(&name.to_lowercase()).map(Vec::as_slice) {
            None | Some([]) => tally.refuse(
                index,
                format!("the environment {} has no node with this name", environment.as_str()),
            ),
            Some([node]) if node.uuid.is_empty() => tally.refuse(index, "osctrl has no uuid for this node".into()),
            Some([node]) => tally.resolve(index, canonical(&node.uuid), sighting(node)),
            Some(several) => tally.refuse(
                index,
                ambiguous(several, |node| {
                    format!("{} (uuid {}, {})", node.hostname, node.uuid, seen(node))
                }),
            ),
        }
    }
    Ok(())
}

/// As osctrl compares uuids.
pub(super) fn canonical(uuid: &str) -> NodeUuid {
    uuid.to_uppercase()
}

fn same(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// Whether the node is online is unknown: osctrl's idea of active spans days.
fn sighting(node: &Node) -> Sighting {
    Sighting {
        state: format!("node {}, {}", node.uuid, seen(node)),
        excuse: format!("did not answer in time, {}", seen(node)),
    }
}

fn seen(node: &Node) -> String {
    if node.last_seen.is_empty() || node.last_seen.starts_with(NEVER) {
        "never seen since it enrolled".into()
    } else {
        // Its fraction of a second tells nobody anything.
        let seen = node.last_seen.parse().ok().map(|seen: Timestamp| seen.as_second());
        let seen = seen.and_then(|second| Timestamp::from_second(second).ok());
        let seen = seen.map_or_else(|| node.last_seen.clone(), |seen| seen.to_string());
        format!("last seen {seen}")
    }
}

/// All nodes of the environment.
pub(super) async fn all<S: Services>(
    session: &Session<'_, S>,
    environment: &Environment,
) -> Result<Vec<Node>, Failure> {
    // Authenticate alone, so that a wrong token is one refusal and a login happens before it is needed twice.
    session.token().await?;
    let may_query = format!("/queries/{}/list/active?page=1&page_size=1", environment.segment());
    let may_query = async {
        let asked = session.get::<Anything>(&may_query).await;
        asked.map_err(|failure| name(failure, environment))
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

/// One page, in an order that does not move while nodes check in.
async fn page<S: Services>(
    session: &Session<'_, S>,
    environment: &Environment,
    number: usize,
) -> Result<NodesPage, Failure> {
    let route = format!(
        "/nodes/{}?status=all&sort=uuid&dir=asc&page={number}&page_size={PAGE}",
        environment.segment()
    );
    let page = session.get(&route).await;
    page.map_err(|failure| name(failure, environment))
}

/// Says which environment it is that the server does not have. The routes have different words for that.
pub(super) fn name(failure: Failure, environment: &Environment) -> Failure {
    let words = ["environment not found", "error getting environment"];
    if failure.kind != Kind::NotFound || !words.iter().any(|words| failure.message.contains(words)) {
        return failure;
    }
    let message = format!("osctrl has no environment `{}`", environment.as_str());
    Failure::new(Kind::NotFound, message).hint("environment takes the name or the uuid, spelt exactly as in osctrl")
}
