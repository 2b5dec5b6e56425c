//! What a step or connector may reach, and how it reaches it.

mod policy;
mod proxies;
mod tls;
