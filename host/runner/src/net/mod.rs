//! The network as a call may use it: one granted origin, restricted by the operator's policy.
//!
//! A [`Policy`] says which servers may be reached and how; a [`Network`] holds the connections that all calls share; a
//! [`Grant`] is the one [`Origin`] that a call may reach, with its [`Tls`] settings.
//!
//! ```
//! use playbook_host::net::{Origin, Policy};
//!
//! let server = Origin::of("https://server.example.com")?;
//! assert!(Policy::default().check(&server).is_ok());
//! let metadata = Origin::of("https://169.254.169.254")?;
//! assert!(Policy::default().check(&metadata).is_err());
//! # Ok::<(), playbook_host::net::OriginError>(())
//! ```

pub(crate) mod address;
pub(crate) mod egress;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod resolver;
pub(crate) mod tls;

pub use self::egress::{Grant, Network, Sessions};
pub use self::origin::{Origin, OriginError};
pub use self::policy::{POLICY_SCHEMA, Policy, PolicyError};
pub use self::tls::{Identity, Tls, TlsError, Trust};
