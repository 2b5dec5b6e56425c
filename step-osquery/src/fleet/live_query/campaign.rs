//! One live query: a campaign and the websocket on which its answers arrive.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use serde_json::json;

use super::{HostId, LiveQuery};
use crate::contract::{ConnectError, Level, Services, Socket, TransportError};
use crate::contract::{Failure, Kind};
use crate::fleet::api::Routes;
use crate::fleet::wire::{CampaignCreated, Frame, HostResult, row};
use crate::live_query::Answer;

/// How long opening the websocket may take.
const OPENING: Duration = Duration::from_secs(10);

/// How long closing it may take: the step's time is up by then.
const CLOSING: Duration = Duration::from_millis(200);

/// How a campaign ended.
pub(super) enum Ended {
    /// Every host has answered, or the time was up.
    Complete,
    /// The websocket was refused with this status before anything was asked.
    Blocked(u16),
    /// It failed; answers that came before are counted.
    Failed(Failure),
}

/// Asks these hosts and counts their answers until all have come or the time is up.
///
/// The order loses least: a websocket that cannot be opened is known before any host runs anything, and the answers of the
/// quickest host find somebody listening.
pub(super) async fn run<S: Services>(query: &LiveQuery<'_, S>, routes: Routes, hosts: &[HostId]) -> Ended {
    let path = query.session.path("/results/websocket");
    let opening = OPENING.min(query.deadline.left(query.services));
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
    query: &LiveQuery<'_, S>,
    routes: Routes,
    hosts: &[HostId],
    socket: &S::Socket,
) -> Result<(), Failure> {
    let token = query.session.token().await?;
    let send = |kind: &str, data| socket.send(json!({"type": kind, "data": data}).to_string());
    send("auth", json!({"token": token})).await.map_err(broken)?;
    let body = json!({"query": query.sql, "selected": {"hosts": hosts, "labels": [], "teams": []}});
    let created: CampaignCreated = query.session.post(routes.run(), Some(&body)).await?;
    if query.session.token().await? != token {
        // The socket was opened with a token that had expired by then; the campaign belongs to the same user.
        return Err(
            Failure::new(Kind::Auth, "the token expired while the query was being started").hint("run the step again"),
        );
    }
    send("select_campaign", json!({"campaign_id": created.campaign.id}))
        .await
        .map_err(broken)?;

    let mut deadline = pin!(query.services.sleep(query.deadline.left(query.services)));
    while awaits_any(query, hosts) {
        let frame = match select(pin!(socket.receive()), deadline.as_mut()).await {
            Either::Left((frame, _)) => frame.map_err(broken)?,
            Either::Right(_) => return Ok(()),
        };
        let Some(frame) = frame else {
            return Err(Failure::new(
                Kind::Unavailable,
                "Fleet closed the stream of answers before this host had answered",
            ));
        };
        read(query, &frame)?;
    }
    Ok(())
}

/// Whether any of these hosts has yet to answer.
fn awaits_any<S: Services>(query: &LiveQuery<'_, S>, hosts: &[HostId]) -> bool {
    let tally = query.tally.borrow();
    hosts.iter().any(|host| tally.awaits(host))
}

/// Counts what a frame says.
fn read<S: Services>(query: &LiveQuery<'_, S>, frame: &str) -> Result<(), Failure> {
    // `o` and `h` belong to SockJS, which stands behind this route and sometimes shows.
    if matches!(frame, "o" | "h") {
        return Ok(());
    }
    let unreadable = |_| Failure::new(Kind::Protocol, "Fleet sent a frame that is not what its protocol says");
    let frame: Frame = serde_json::from_str(frame).map_err(unreadable)?;
    match frame.kind.as_str() {
        "result" => {
            let result: HostResult = serde_json::from_value(frame.data).map_err(unreadable)?;
            let answer = match result.error {
                Some(error) if error.is_empty() => {
                    Answer::Failed("the query failed on this host, and its agent did not say why".into())
                }
                Some(error) => Answer::Failed(error),
                None => Answer::Rows(result.rows.unwrap_or_default().into_iter().map(row).collect()),
            };
            query.count(&result.host.id, answer);
            Ok(())
        }
        "error" => {
            let said = frame
                .data
                .as_str()
                .map_or_else(|| frame.data.to_string(), str::to_owned);
            let said: String = said.chars().take(300).collect();
            let kind = match said.as_str() {
                "unauthorized" => Kind::Auth,
                "forbidden" => Kind::Permission,
                _ => Kind::Unavailable,
            };
            Err(Failure::new(kind, format!("Fleet ended the query: {said}")))
        }
        // `finished` comes early when hosts are offline and never when some stay silent: the answers are counted instead.
        "totals" | "status" => Ok(()),
        other => {
            query
                .services
                .log(Level::Debug, &format!("ignored a frame of the unknown type `{other}`"));
            Ok(())
        }
    }
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
