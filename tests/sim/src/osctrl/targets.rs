//! Which nodes a query goes to.

use std::collections::HashSet;

use serde_json::Value;

use super::nodes::is_active;
use super::registry::Node;
use super::state::State;

/// Nodes, one entry for each time they are selected, and what selected them.
pub(super) type Selection = (Vec<u64>, Vec<(String, String)>);

/// The whole environment.
pub(super) fn everybody(state: &State) -> Selection {
    let all = state.nodes.all().iter().map(|node| node.enrolled.id).collect();
    (all, vec![("environment".into(), state.osctrl.environment.clone())])
}

/// The nodes that a request selects: an intersection in which an empty side counts for nothing. Fails for an unknown one.
pub(super) fn select(state: &State, request: &Value) -> Result<Selection, ()> {
    let list = |name: &str| -> Vec<String> {
        let texts = request[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let (uuids, hosts) = (list("uuid_list"), list("host_list"));
    let (platforms, environments) = (list("platform_list"), list("environment_list"));
    let nodes = state.nodes.all();
    let active = |wanted: &dyn Fn(&Node) -> bool| -> Vec<u64> {
        let active = nodes.iter().filter(|node| is_active(state, node) && wanted(node));
        active.map(|node| node.enrolled.id).collect()
    };
    if [&uuids, &hosts, &platforms, &environments]
        .iter()
        .all(|list| list.is_empty())
    {
        return Ok(if state.is_at_least(5, 4) {
            everybody(state)
        } else if state.is_at_least(5, 3) {
            (active(&|_| true), Vec::new())
        } else {
            (Vec::new(), Vec::new())
        });
    }
    let find = |texts: &[String], named: fn(&Node, &str) -> bool| -> Result<Vec<u64>, ()> {
        let texts = texts.iter().filter(|text| !text.is_empty());
        // With several matches the lowest id wins.
        let found = texts.map(|text| nodes.iter().find(|node| named(node, text)));
        found.map(|node| node.map(|node| node.enrolled.id).ok_or(())).collect()
    };
    let sides = [
        find(&uuids, |node, text| node.uuid() == text.to_uppercase())?,
        find(&hosts, Node::is_named)?,
        active(&|node| platforms.contains(&node.enrolled.host.platform)),
        active(&|_| environments.contains(&state.osctrl.environment)),
    ];
    let mut selected = Vec::new();
    for side in sides.into_iter().filter(|side| !side.is_empty()) {
        if selected.is_empty() {
            selected = side;
        } else {
            let other: HashSet<u64> = side.into_iter().collect();
            selected.retain(|id| other.contains(id));
        }
    }
    let typed = |kind: &str, texts: Vec<String>| -> Vec<(String, String)> {
        texts.into_iter().map(|text| (kind.to_owned(), text)).collect()
    };
    let targets = [
        typed("uuid", uuids),
        typed("host", hosts),
        typed("platform", platforms),
        typed("environment", environments),
    ];
    Ok((selected, targets.concat()))
}
