//! A websocket in the hands of a guest.

use std::sync::Arc;

use crate::sandbox::wire::Socket;

/// An open websocket. Both halves can be in use at once.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connection(pub(crate) Arc<Socket>);
