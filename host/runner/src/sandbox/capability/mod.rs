//! What a plugin can do besides computing: one module for each interface that it may import.

pub(crate) mod cancellation;
pub(crate) mod clock;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod results;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod websocket;
