//! The allowlist.
