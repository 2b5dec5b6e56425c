//! The routes of saved queries, which depend on the server's version.

use super::api::FleetApi;
use crate::contract::{Failure, Method, Services};
use crate::server::{Api as _, Session, foreign, is_html, is_json};

/// The server's name for saved queries, which Fleet 4.82 renamed to reports. A token that is limited to certain
/// endpoints may be allowed the new names only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routes {
    Queries,
    Reports,
}

impl Routes {
    /// Finds out which routes the server has: an unknown one is a plain 404; any other answer means that it exists.
    pub(super) async fn of<S: Services>(session: &Session<'_, S, FleetApi>) -> Result<Self, Failure> {
        let probe = session.call(Method::Get, "/reports?per_page=1", None, true).await?;
        match probe.status {
            404 if !is_html(&probe) => Ok(Self::Queries),
            300..=399 | 401 | 404 | 429 | 500.. => Err(FleetApi::refusal(&probe)),
            200 if !is_json(&probe) => Err(foreign::<FleetApi>(&probe)),
            _ => Ok(Self::Reports),
        }
    }

    /// Returns the route that lists saved queries. A query's own routes are below it.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Queries => "/queries",
            Self::Reports => "/reports",
        }
    }

    /// Returns the route that creates a campaign.
    pub(super) fn run(self) -> &'static str {
        match self {
            Self::Queries => "/queries/run",
            Self::Reports => "/reports/run",
        }
    }
}
