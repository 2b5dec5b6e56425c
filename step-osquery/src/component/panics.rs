//! Reports panics to the host.

use super::bindings::playbook::plugin::log;

/// Makes panics reach the host: by itself, a trap has no message. Every export calls this first.
pub(super) fn report_panics() {
    std::panic::set_hook(Box::new(|info| log::panicked(&info.to_string())));
}
