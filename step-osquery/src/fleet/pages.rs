//! Pages of hosts.

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::api::Session;
use super::wire::HostsPage;
use crate::failure::{Failure, Kind};
use crate::services::{Level, Services};

/// Hosts on a page.
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
    for attempt in 0..=RETRIES {
        match session.get_dated::<HostsPage<T>>(&route).await {
            Ok((page, date)) if page.error.is_none() => {
                return Ok(Some(Page {
                    hosts: page.hosts,
                    date,
                }));
            }
            Ok(_) => session.log(Level::Debug, "a page of hosts was cut short"),
            // A body that ends too early says the same as the `error` key.
            Err(failure) if failure.kind == Kind::Protocol && attempt < RETRIES => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
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
