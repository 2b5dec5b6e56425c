//! Finds the nodes that the names in a playbook mean.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::contract::{Failure, Services};
use crate::live_query::{LiveQuery, Sighting, ambiguous};
use crate::osctrl::api::OsctrlApi;
use crate::osctrl::environment::Environment;
use crate::osctrl::node_uuid::canonical;
use crate::osctrl::nodes;
use crate::osctrl::wire::Node;

/// Go's zero time, which a node has that enrolled and never checked in.
const NEVER: &str = "0001-01-01";

/// Finds the node of each name. A name that means no node, or several, is refused.
///
/// The first calls also find out whether the environment exists and whether the user may query it.
pub(crate) async fn resolve<S: Services>(
    query: &LiveQuery<'_, S, OsctrlApi>,
    environment: &Environment,
) -> Result<(), Failure> {
    let nodes = nodes::all(&query.session, environment).await?;
    let by_name = by_name(&nodes);
    let mut tally = query.tally.borrow_mut();
    for (index, name) in query.names.iter().enumerate() {
        let found = by_name.get(&name.to_lowercase()).map_or(&[][..], Vec::as_slice);
        match node_of(found, environment) {
            Ok(node) => tally.resolve(index, canonical(&node.uuid), sighting(node)),
            Err(reason) => tally.refuse(index, reason),
        }
    }
    Ok(())
}

fn by_name(nodes: &[Node]) -> HashMap<String, Vec<&Node>> {
    let mut by_name: HashMap<String, Vec<&Node>> = HashMap::new();
    for node in nodes {
        let names = [&node.hostname, &node.localname, &node.uuid, &node.hardware_serial];
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let found = by_name.entry(name.to_lowercase()).or_default();
            // A query selects nodes by uuid, so nodes that share one are asked as one.
            if !found.iter().any(|known| same(&known.uuid, &node.uuid)) {
                found.push(node);
            }
        }
    }
    by_name
}

/// Returns the node that a name means, or the reason why it cannot be asked.
fn node_of<'n>(found: &[&'n Node], environment: &Environment) -> Result<&'n Node, String> {
    match found {
        [] => Err(format!(
            "the environment {} has no node with this name",
            environment.as_str()
        )),
        [node] if node.uuid.is_empty() => Err("osctrl has no uuid for this node".into()),
        [node] => Ok(node),
        several => Err(ambiguous(several, |node| {
            format!("{} (uuid {}, {})", node.hostname, node.uuid, seen(node))
        })),
    }
}

fn same(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// Returns the state of a node, without whether it is online: osctrl counts a node as active for days.
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
        // The fraction of a second is of no use to anybody.
        let seen = node.last_seen.parse().ok().map(|seen: Timestamp| seen.as_second());
        let seen = seen.and_then(|second| Timestamp::from_second(second).ok());
        let seen = seen.map_or_else(|| node.last_seen.clone(), |seen| seen.to_string());
        format!("last seen {seen}")
    }
}
