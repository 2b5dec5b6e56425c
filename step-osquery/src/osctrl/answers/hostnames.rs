//! The hostnames of nodes.

use std::rc::Rc;

use super::context::AnswersPoll;
use crate::contract::{Failure, PollServices};
use crate::osctrl::node_uuid::canonical;
use crate::osctrl::nodes;

impl<S: PollServices> AnswersPoll<'_, '_, S> {
    /// Returns a node's hostname, or its uuid if the environment no longer has it.
    pub(super) async fn hostname(&self, node: &str) -> Result<String, Failure> {
        let mut hostnames = self.hostnames.lock().await;
        let known = if let Some(known) = &*hostnames {
            known.clone()
        } else {
            let nodes = nodes::all(&self.poll.session, self.environment).await?;
            let named = nodes.into_iter().map(|node| {
                let name = if node.hostname.is_empty() {
                    node.localname
                } else {
                    node.hostname
                };
                (canonical(&node.uuid), name)
            });
            hostnames.insert(Rc::new(named.collect())).clone()
        };
        let found = known.get(node).filter(|name| !name.is_empty());
        Ok(found.cloned().unwrap_or_else(|| node.to_owned()))
    }
}
