//! A live query: the question, and the account of every target's answer. Knows servers in general and no particular
//! fleet manager, and nothing of polls and events.

mod answer;
mod fleet_manager;
mod query;
mod question;
mod tally;
mod targets;
mod timeout;

pub use self::answer::{Answer, Outcome, Sighting};
pub(crate) use self::fleet_manager::FleetManager;
pub(crate) use self::query::LiveQuery;
pub use self::question::Question;
pub use self::tally::Tally;
pub use self::targets::TargetHosts;
pub(crate) use self::targets::ambiguous;
pub use self::timeout::TimeoutSeconds;
