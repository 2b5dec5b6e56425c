//! Reports for people: as text for a terminal, as a page for a browser.
//!
//! ```no_run
//! # fn example(report: playbook_host::RunReport) {
//! print!("{}", playbook_host::views::text_report(&report, Some(80)));
//! # }
//! ```

pub(crate) mod html_report;
pub(crate) mod layout;
pub(crate) mod text_report;

pub use self::html_report::html_report;
pub use self::text_report::text_report;
