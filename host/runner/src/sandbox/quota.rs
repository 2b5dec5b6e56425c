//! More than a call may send to the host at once, or have of it.

/// More than a call may send to the host at once, or have of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} {} more than the {limit} bytes allowed", if *.many { "hold" } else { "holds" })]
pub(crate) struct Quota {
    /// What is too large, as the subject of a sentence.
    pub(crate) what: &'static str,
    /// Whether that is a plural.
    pub(crate) many: bool,
    pub(crate) limit: usize,
}
