//! End-to-end tests: the real command and the real component against simulated fleet managers.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests start processes, wait for them, and look at the clock"
)]

#[path = "e2e/any_text.rs"]
mod any_text;
#[path = "e2e/architecture.rs"]
mod architecture;
#[path = "e2e/backends.rs"]
mod backends;
#[path = "e2e/browser.rs"]
mod browser;
#[path = "e2e/cases.rs"]
mod cases;
#[path = "e2e/command.rs"]
mod command;
#[path = "e2e/commands.rs"]
mod commands;
#[path = "e2e/diagnostics.rs"]
mod diagnostics;
#[path = "e2e/editors.rs"]
mod editors;
#[path = "e2e/files.rs"]
mod files;
#[path = "e2e/flow.rs"]
mod flow;
#[path = "e2e/golden.rs"]
mod golden;
#[path = "e2e/help.rs"]
mod help;
#[path = "e2e/hostile.rs"]
mod hostile;
#[path = "e2e/html_report.rs"]
mod html_report;
#[path = "e2e/live_query.rs"]
mod live_query;
#[path = "e2e/lock.rs"]
mod lock;
#[path = "e2e/one_step.rs"]
mod one_step;
#[path = "e2e/osctrl.rs"]
mod osctrl;
#[path = "e2e/plan.rs"]
mod plan;
#[path = "e2e/playbook_tests.rs"]
mod playbook_tests;
#[path = "e2e/plugin.rs"]
mod plugin;
#[path = "e2e/policy.rs"]
mod policy;
#[path = "e2e/poll_check.rs"]
mod poll_check;
#[path = "e2e/poll_command.rs"]
mod poll_command;
#[path = "e2e/poll_fleet.rs"]
mod poll_fleet;
#[path = "e2e/poll_killed.rs"]
mod poll_killed;
#[path = "e2e/poll_osctrl.rs"]
mod poll_osctrl;
#[path = "e2e/poll_reports.rs"]
mod poll_reports;
#[path = "e2e/polled.rs"]
mod polled;
#[path = "e2e/proxies.rs"]
mod proxies;
#[path = "e2e/record.rs"]
mod record;
#[path = "e2e/secrets.rs"]
mod secrets;
#[path = "e2e/stream.rs"]
mod stream;
#[path = "e2e/text_report.rs"]
mod text_report;
#[path = "e2e/tls.rs"]
mod tls;
#[path = "e2e/validate.rs"]
mod validate;
