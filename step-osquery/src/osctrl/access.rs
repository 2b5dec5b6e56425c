//! The rights of a user in an environment.

use super::api::OsctrlApi;
use super::environment::Environment;
use super::wire::{EnvironmentShown, Me};
use crate::contract::{Failure, Services};
use crate::server::Session;

/// Returns true if a user may expire queries in an environment, which takes an administrator. Levels are listed by the
/// environment's uuid, and the playbook may give its name.
pub(super) async fn may_expire<S: Services>(
    session: &Session<'_, S, OsctrlApi>,
    environment: &Environment,
    user: &Me,
) -> bool {
    let admin = |uuid: &str| user.permissions.get(uuid).is_some_and(|levels| levels.admin);
    if user.admin {
        return true;
    }
    if user.permissions.contains_key(environment.as_str()) {
        return admin(environment.as_str());
    }
    let shown: Result<EnvironmentShown, Failure> =
        session.get(&format!("/environments/{}", environment.segment())).await;
    shown.is_ok_and(|shown| admin(&shown.uuid))
}

/// Describes the right to run live queries, with or without the right to expire them.
pub(super) fn live_queries(may_expire: bool) -> &'static str {
    if may_expire {
        "allowed, and may be expired"
    } else {
        "allowed; expiring them needs the level `admin`, without which they run out after an hour"
    }
}
