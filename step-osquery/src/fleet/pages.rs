//! Pages of hosts.

use jiff::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::api::FleetApi;
use super::wire::HostsPage;
use crate::contract::{Failure, FailureKind};
use crate::contract::{Level, Method, Services};
use crate::server::{Session, decode};

/// The number of hosts on a page. A first poll of 100,000 hosts takes a sixth longer with 250, and 10 MiB more and no
/// less time with 1,000.
pub(super) const PAGE_SIZE: usize = 500;

/// The number of times that a page that was cut short is read again.
const RETRIES: usize = 2;

/// A page of hosts, and the time by the server's clock.
pub(super) struct Page<T> {
    pub(super) hosts: Vec<T>,
    pub(super) date: Timestamp,
}

/// Reads one page, in a stable order. Returns none if it is cut short each time.
pub(super) async fn read<S: Services, T: DeserializeOwned>(
    session: &Session<'_, S, FleetApi>,
    number: usize,
    filter: &str,
) -> Result<Option<Page<T>>, Failure> {
    let route = format!("/hosts?page={number}&per_page={PAGE_SIZE}&order_key=id&order_direction=asc{filter}");
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
            // Fleet begins its answer before it has read all hosts. A later failure stands beside them, or nowhere.
            _ => session.log(Level::Debug, "a page of hosts was cut short"),
        }
    }
    Ok(None)
}

fn ends_early(json: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(json).is_err_and(|error| error.is_eof())
}

/// Reads one page, and fails if it is cut short each time.
pub(super) async fn require<S: Services, T: DeserializeOwned>(
    session: &Session<'_, S, FleetApi>,
    number: usize,
    filter: &str,
) -> Result<Page<T>, Failure> {
    let page = read(session, number, filter).await?;
    page.ok_or_else(|| Failure::new(FailureKind::Unavailable, "Fleet keeps failing while it lists its hosts"))
}
