//! Runs playbooks.
