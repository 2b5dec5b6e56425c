//! What the capabilities of a call share.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::component::{Accessor, HasSelf, ResourceTable};

use crate::limits::{CallBudget, GuestMemory, Held, InFlight};
use crate::sandbox::clocks::Clocks;
use crate::sandbox::event::{CallEvent, CallObserver};
use crate::sandbox::pace::Pace;
use crate::sandbox::published::Published;
use crate::sandbox::store::Memory;
use crate::sandbox::transcript::{Allowed, Tape};
use crate::sandbox::wire::Wire;
use crate::secrets::{CallSecrets, Redactor};
use crate::text::visible::is_hidden;

/// How much of a text for people is looked at, in bytes.
const LONGEST_READ: usize = 1 << 14;

/// What the capabilities of a call share. It lives as long as the instance.
pub(crate) struct CallState {
    pub(crate) table: ResourceTable,
    pub(crate) began: Instant,
    /// What the call may use.
    pub(crate) allowed: Allowed,
    pub(crate) wire: Wire,
    pub(crate) cancel: CancellationToken,
    /// What the plugin remembers from earlier calls.
    pub(crate) remembered: Memory,
    pub(crate) clocks: Clocks,
    /// Who writes down what the call says and hears.
    pub(crate) tape: Option<Tape>,
    pub(crate) panic: Option<String>,
    pub(crate) log_messages_left: u32,
    /// The account of the call's targets, if it has any.
    pub(crate) published: Option<Published>,
    pub(crate) progress: Pace,
    pub(super) budget: CallBudget,
    pub(super) memory: GuestMemory,
    pub(super) secrets: CallSecrets,
    pub(super) sink: CallObserver,
}

impl CallState {
    pub(crate) fn emit(&self, event: CallEvent) {
        self.sink.emit(event);
    }

    /// Whether pieces of a result are wanted.
    pub(crate) fn wants_parts(&self) -> bool {
        self.sink.wants_parts()
    }

    /// Removes what must not be told, tokens included that a server gave during the call.
    pub(crate) fn redactor(&self) -> Redactor {
        self.secrets.redactor()
    }

    /// A guest's text as people may see it: without secrets or control characters, and not too long.
    pub(crate) fn printable(&self, text: &str, longest: usize) -> String {
        // Far more than is shown is not looked at: a text may be as large as the guest's memory.
        let text = &text[..text.floor_char_boundary(LONGEST_READ)];
        // Secrets go first, while they are whole and as they are.
        let text = self.redactor().redact_words(text).into_owned();
        let mut text: String = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
        if text.len() > longest {
            text.truncate(text.floor_char_boundary(longest));
            text.push('…');
        }
        text
    }
}

/// Counts a function of the host that the plugin waits for. A call that waits for too many ends.
pub(crate) fn waiting<T: Send>(accessor: &Accessor<T, HasSelf<CallState>>) -> wasmtime::Result<Held> {
    let budget = accessor.with(|mut access| access.get().budget.clone());
    Ok(budget.waiting()?)
}

/// Counts an answer until it is in the plugin's memory.
pub(crate) fn lower<T: Send>(accessor: &Accessor<T, HasSelf<CallState>>, answer: Option<InFlight>) {
    if let Some(answer) = answer {
        accessor.with(|mut access| access.get().budget.lower(answer));
    }
}
