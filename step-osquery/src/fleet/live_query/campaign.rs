//! A campaign, and the websocket on which its answers arrive.

use std::pin::pin;
use std::time::Duration;

use futures::future::select;
use serde_json::json;

use super::frame::{self, Message};
use crate::contract::{
    ConnectError, Failure, FailureKind, Level, Services, Socket as _, TransportError, TransportKind,
};
use crate::fleet::api::{FleetApi, HostId};
use crate::fleet::routes::Routes;
use crate::fleet::wire::CampaignCreated;
use crate::live_query::LiveQuery;

/// The time that opening the websocket may take.
const OPENING: Duration = Duration::from_secs(10);

/// The time that closing it may take: the step's time is up by then.
const CLOSING: Duration = Duration::from_millis(200);

/// The end of a campaign.
pub(super) enum Ended {
    /// Every host has answered, or the time is up.
    Complete,
    /// The websocket was refused with this status before anything was asked.
    Blocked(u16),
    /// It failed; earlier answers are counted.
    Failed(Failure),
}

/// Asks these hosts, and counts their answers until all have come or the time is up.
///
/// The order loses least: a websocket that cannot be opened is known before any host runs anything, and the answers of
/// the quickest host are not missed.
pub(super) async fn run<S: Services>(query: &LiveQuery<'_, S, FleetApi>, routes: Routes, hosts: &[HostId]) -> Ended {
    let path = query.session.path("/results/websocket");
    let opening = OPENING.min(query.time_left());
    let socket = match query.services.connect(&path, opening).await {
        Ok(socket) => socket,
        Err(ConnectError::Rejected(status)) => return Ended::Blocked(status),
        Err(ConnectError::Failed(error)) => return Ended::Failed(error.into()),
    };
    let outcome = ask(query, routes, hosts, &socket).await;
    // Closing is what stops the campaign on the server. Dropping the socket does it, too, should this take too long.
    let closing = pin!(socket.close());
    let patience = pin!(query.services.sleep(CLOSING));
    select(closing, patience).await;
    match outcome {
        Ok(()) => Ended::Complete,
        Err(failure) => Ended::Failed(failure),
    }
}

async fn ask<S: Services>(
    query: &LiveQuery<'_, S, FleetApi>,
    routes: Routes,
    hosts: &[HostId],
    socket: &S::Socket,
) -> Result<(), Failure> {
    start(query, routes, hosts, socket).await?;
    while awaits_any(query, hosts) {
        let frames = match socket.receive(query.time_left()).await {
            Ok(frames) => frames,
            Err(error) if error.kind == TransportKind::Timeout => return Ok(()),
            Err(error) => return Err(broken(error)),
        };
        if frames.is_empty() {
            return Err(Failure::new(
                FailureKind::Unavailable,
                "Fleet closed the stream of answers before this host had answered",
            ));
        }
        for frame in frames {
            match frame::parse(&frame)? {
                Message::Answer(host, answer) => query.count(&host, answer),
                Message::Ignored => {}
                Message::Unknown(kind) => query
                    .services
                    .log(Level::Debug, &format!("ignored a frame of the unknown type `{kind}`")),
            }
        }
    }
    Ok(())
}

/// Authenticates on the socket, creates the campaign, and subscribes to its answers.
async fn start<S: Services>(
    query: &LiveQuery<'_, S, FleetApi>,
    routes: Routes,
    hosts: &[HostId],
    socket: &S::Socket,
) -> Result<(), Failure> {
    let token = query.session.token().await?;
    let send = |kind: &str, data| socket.send(json!({"type": kind, "data": data}).to_string());
    send("auth", json!({"token": token.handle})).await.map_err(broken)?;
    let body = json!({"query": query.sql, "selected": {"hosts": hosts, "labels": [], "teams": []}});
    let created: CampaignCreated = query.session.post(routes.run(), Some(&body)).await?;
    if query.session.token().await?.number != token.number {
        // The socket was opened with a token that had expired by then; the campaign belongs to the same user.
        return Err(
            Failure::new(FailureKind::Auth, "the token expired while the query was being started")
                .hint("run the step again"),
        );
    }
    let subscribed = send("select_campaign", json!({"campaign_id": created.campaign.id}));
    subscribed.await.map_err(broken)
}

/// Returns true if any of these hosts has yet to answer.
fn awaits_any<S: Services>(query: &LiveQuery<'_, S, FleetApi>, hosts: &[HostId]) -> bool {
    let tally = query.tally.borrow();
    hosts.iter().any(|host| tally.awaits(host))
}

fn broken(error: TransportError) -> Failure {
    let failure = Failure::from(error);
    Failure {
        message: format!(
            "the stream of answers broke before this host had answered: {}",
            failure.message
        ),
        ..failure
    }
}
