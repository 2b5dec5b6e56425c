//! The identifier of a node.

/// A node's uuid in upper case, as osctrl keeps it. It can be any text, since an agent can be configured to use any.
pub(super) type NodeUuid = String;

/// Returns a uuid in the form in which osctrl compares them.
pub(super) fn canonical(uuid: &str) -> NodeUuid {
    uuid.to_uppercase()
}
