//! The question of a live query.

use super::targets::TargetHosts;
use super::timeout::TimeoutSeconds;
use crate::server::{BaseUrl, Credentials};
use crate::template::Sql;

/// The validated params that every fleet manager needs.
#[derive(Debug)]
pub struct Question {
    /// The address of the server.
    pub base_url: BaseUrl,
    /// The credentials for it.
    pub credentials: Credentials,
    /// The statement to run.
    pub sql: Sql,
    /// The hosts to ask.
    pub targets: TargetHosts,
    /// The time to wait for the answers.
    pub timeout: TimeoutSeconds,
}
