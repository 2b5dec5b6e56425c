//! Authenticated calls to the JSON API of a server, whichever product it is. Knows the contract, and nothing of
//! queries, polls or a particular fleet manager.

mod api;
mod base_url;
mod credentials;
mod session;

pub(crate) use self::api::{Api, StatusOnly, common_refusal, decode, foreign, is_html, is_json, message, refused};
pub use self::base_url::BaseUrl;
pub use self::credentials::Credentials;
pub(crate) use self::session::Session;
