//! A call's line to its server: live, played from a record, or silent; with an optional tape that writes down what is said.

use std::time::Duration;

use crate::limits::InFlight;
use crate::net::egress::{Egress, LiveSocket, Request, Response};
use crate::sandbox::transcript::{PlayedSocket, Player, SocketTape, Tape, WireError};

/// The wire of one call.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    server: Server,
    tape: Option<Tape>,
}

/// The end that answers.
#[derive(Debug, Clone)]
enum Server {
    /// None: the call has no network.
    Silent,
    /// The granted origin.
    Live(Egress),
    /// A record of an earlier call.
    Played(Player),
}

/// An open websocket. It can be sent to and received from at once.
#[derive(Debug)]
pub(crate) struct Socket {
    line: Peer,
    tape: Option<SocketTape>,
}

/// The other end of a websocket.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a call has few websockets, and each is shared")]
enum Peer {
    Live(LiveSocket),
    Played(PlayedSocket),
}

impl Wire {
    /// A wire to nowhere.
    pub(crate) fn silent() -> Self {
        Self::to(Server::Silent)
    }

    /// A wire to the granted server.
    pub(crate) fn live(egress: Egress) -> Self {
        Self::to(Server::Live(egress))
    }

    /// A wire on which a record answers.
    pub(crate) fn played(player: Player) -> Self {
        Self::to(Server::Played(player))
    }

    fn to(server: Server) -> Self {
        Self { server, tape: None }
    }

    /// The wire with a tape that writes down what is said.
    pub(crate) fn taped(self, tape: Option<Tape>) -> Self {
        Self { tape, ..self }
    }

    /// Sends a request and returns the whole answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, WireError> {
        let written = self.tape.as_ref().map(|tape| (tape, tape.request(&request)));
        let outcome = match &self.server {
            Server::Silent => Err(WireError::Silent),
            Server::Live(egress) => egress.send(request).await.map_err(WireError::from),
            Server::Played(player) => player.send(&request).await,
        };
        if let Some((tape, ticket)) = written {
            tape.answered(ticket, &outcome);
        }
        outcome
    }

    /// Returns the answer to a login, which may be an earlier one. A record has it as if this call had sent it.
    pub(crate) async fn open_session(
        &self,
        user: &str,
        login: Request,
        refused: Option<&str>,
    ) -> Result<Response, WireError> {
        let written = self.tape.as_ref().map(|tape| (tape, tape.request(&login)));
        let outcome = match &self.server {
            Server::Silent => Err(WireError::Silent),
            Server::Live(egress) => {
                let opened = egress.open_session(user, login, refused).await;
                opened.map_err(WireError::from)
            }
            Server::Played(player) => player.send(&login).await,
        };
        if let Some((tape, ticket)) = written {
            tape.answered(ticket, &outcome);
        }
        outcome
    }

    /// Opens a websocket.
    pub(crate) async fn connect(
        &self,
        path: &str,
        headers: &[(String, String)],
        timeout: Duration,
    ) -> Result<Socket, WireError> {
        let tape = self.tape.as_ref().map(|tape| tape.socket(path, headers));
        let line = match &self.server {
            Server::Silent => Err(WireError::Silent),
            Server::Live(egress) => {
                let socket = egress.connect(path, headers, timeout).await;
                socket.map(Peer::Live).map_err(WireError::from)
            }
            Server::Played(player) => player.connect(path).await.map(Peer::Played),
        };
        if let Some(tape) = &tape {
            tape.opened(line.as_ref().map(drop));
        }
        Ok(Socket { line: line?, tape })
    }

    /// Whether the server may have acted on something that must not be sent twice.
    pub(crate) fn acted(&self) -> bool {
        match &self.server {
            Server::Live(egress) => egress.acted(),
            Server::Silent | Server::Played(_) => false,
        }
    }
}

impl Socket {
    /// Sends a JSON document, with values in the place of handles.
    pub(crate) async fn send(&self, json: &str) -> Result<(), WireError> {
        let outcome = match &self.line {
            Peer::Live(socket) => socket.send(json).await.map_err(WireError::from),
            Peer::Played(socket) => socket.send(json).await,
        };
        if let Some(tape) = &self.tape {
            tape.sent(json, &outcome);
        }
        outcome
    }

    /// The room of the texts that were received last, to be held until the plugin has them.
    pub(crate) fn received(&self) -> Option<InFlight> {
        match &self.line {
            Peer::Live(socket) => Some(socket.received()),
            Peer::Played(_) => None,
        }
    }

    /// Waits for texts, and returns those that have arrived; none once the peer has closed.
    pub(crate) async fn receive(&self, timeout: Duration) -> Result<Vec<String>, WireError> {
        let outcome = match &self.line {
            Peer::Live(socket) => socket.receive(timeout).await.map_err(WireError::from),
            Peer::Played(socket) => socket.receive(timeout).await,
        };
        if let Some(tape) = &self.tape {
            tape.received(&outcome);
        }
        outcome
    }

    /// Closes with a closing handshake.
    pub(crate) async fn close(&self) {
        match &self.line {
            Peer::Live(socket) => socket.close().await,
            Peer::Played(socket) => socket.close().await,
        }
        if let Some(tape) = &self.tape {
            tape.closed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_without_a_grant_reaches_nothing() {
        let request = Request {
            method: reqwest::Method::GET,
            path: "/".into(),
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(1),
            repeatable: true,
            capture: Vec::new(),
        };
        assert!(matches!(Wire::silent().send(request).await, Err(WireError::Silent)));
        let opened = Wire::silent().connect("/", &[], Duration::from_secs(1)).await;
        assert!(matches!(opened, Err(WireError::Silent)));
        assert!(!Wire::silent().acted());
    }
}
