//! The context that the reports of a poll share.

use std::collections::HashMap;
use std::rc::Rc;

use futures::lock::Mutex;
use jiff::Timestamp;

use crate::contract::PollServices;
use crate::fleet::api::FleetApi;
use crate::fleet::routes::Routes;
use crate::polling::{Initial, Poll};

/// The context that the reports of a poll share.
pub(super) struct ReportsPoll<'a, 'b, S> {
    pub(super) poll: &'a Poll<'b, S, FleetApi>,
    pub(super) routes: Routes,
    /// The filter for reports of the team.
    pub(super) team: String,
    /// The server's version, if the user may ask for it.
    pub(super) version: Option<(u32, u32)>,
    /// True until a poll has read every report.
    pub(super) first: bool,
    /// The time by the server's clock.
    pub(super) now: Timestamp,
    /// The hostnames of all hosts, once they were read.
    pub(super) all_hostnames: Mutex<Option<Rc<HashMap<u64, String>>>>,
}

impl<S: PollServices> ReportsPoll<'_, '_, S> {
    /// Returns true if this is a first poll whose rows are remembered without an event.
    pub(super) fn is_quiet(&self) -> bool {
        self.first && self.poll.options.initial == Initial::Skip
    }
}
