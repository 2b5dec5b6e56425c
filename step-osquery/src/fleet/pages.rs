//! Pages of hosts.

use jiff::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::api::{FleetApi, Session};
use super::wire::HostsPage;
use crate::contract::{Failure, Kind};
use crate::contract::{Level, Method, Services};
use crate::server::session::decode;

/// Hosts on a page. A first poll of 100,000 hosts takes a sixth longer with 250, and 10 MiB more and no less time with 1,000.
pub(super) const PAGE: usize = 500;

/// How often a page that was cut short is read again.
const RETRIES: usize = 2;

/// A page of hosts, and what the server's clock said.
pub(super) struct Page<T> {
    pub(super) hosts: Vec<T>,
    pub(super) date: Timestamp,
}

/// One page, in a stable order; none if it is cut short each time it is read.
pub(super) async fn read<S: Services, T: DeserializeOwned>(
    session: &Session<'_, S>,
    number: usize,
    filter: &str,
) -> Result<Option<Page<T>>, Failure> {
    let route = format!("/hosts?page={number}&per_page={PAGE}&order_key=id&order_direction=asc{filter}");
    for _ in 0..=RETRIES {
        let response = session.call(Method::Get, &route, None, true).await?;
        match decode::<FleetApi, HostsPage<T>>(&response) {
            Ok(page) if page.error.is_none() => {
                return Ok(Some(Page {
                    hosts: page.hosts,
                    date: session.date(&response),
                }));
            }
            Err(failure) if response.status != 200 || !ends_early(&response.body) => return Err(failure),
            // Fleet begins its answer before it has read all hosts. What fails then is said beside them, or not at all.
            _ => session.log(Level::Debug, "a page of hosts was cut short"),
        }
    }
    Ok(None)
}

fn ends_early(json: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(json).is_err_and(|error| error.is_eof())
}

/// One page, where one that is cut short is a failure.
pub(super) async fn require<S: Services, T: DeserializeOwned>(
    session: &Session<'_, S>,
    number: usize,
    filter: &str,
) -> Result<Page<T>, Failure> {
    let page = read(session, number, filter).await?;
    page.ok_or_else(|| Failure::new(Kind::Unavailable, "Fleet keeps failing while it lists its hosts"))
}
