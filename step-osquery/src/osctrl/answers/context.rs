//! The context that the queries of a poll share.

use std::collections::HashMap;
use std::rc::Rc;

use futures::lock::Mutex;
use jiff::Timestamp;

use super::earlier::EarlierAnswers;
use crate::osctrl::api::OsctrlApi;
use crate::osctrl::environment::Environment;
use crate::polling::Poll;

/// Present while answers are counted that cannot be read.
pub(super) const STORED_ELSEWHERE: &str = "answers/elsewhere";

/// The context that the queries of a poll share.
pub(super) struct AnswersPoll<'a, 'b, S> {
    pub(super) poll: &'a Poll<'b, S, OsctrlApi>,
    pub(super) environment: &'a Environment,
    /// True until a poll has read every query.
    pub(super) first: bool,
    /// True if this is a first poll whose answers are remembered without an event.
    pub(super) quiet: bool,
    /// True if a notice has been sent that answers are not stored here.
    pub(super) elsewhere: bool,
    /// The time by the server's clock.
    pub(super) now: Timestamp,
    /// Hostnames by uuid, once they have been needed.
    pub(super) hostnames: Mutex<Option<Rc<HashMap<String, String>>>>,
    /// Locked while answers are compared with earlier ones and their new rows are delivered.
    pub(super) earlier: Mutex<EarlierAnswers>,
}
