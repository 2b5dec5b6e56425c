//! Runs of playbooks: control flow, dry runs, records, streams of events and secrets.

mod flow;
mod plan;
mod record;
mod secrets;
mod stream;
