//! The address of a server.

use crate::contract::{Failure, FailureKind};

/// The address of a server. The host decides where requests go: only the path is used in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    origin: String,
    prefix: String,
}

impl BaseUrl {
    /// Parses an address with or without a trailing slash, a path prefix, and the `/api` that people copy from the
    /// server's documentation.
    pub fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::new(
                FailureKind::InvalidParams,
                "base_url must be an http or https address such as https://fleet.corp.example.com",
            )
        };
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(wrong)?;
        let known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if !known || authority.is_empty() || rest.contains(['?', '#', '@', '\\']) {
            return Err(wrong());
        }
        let mut prefix = path.trim_end_matches('/');
        for suffix in ["/fleet", "/v1", "/latest", "/api"] {
            prefix = prefix
                .strip_suffix(suffix)
                .filter(|_| path.contains("/api"))
                .unwrap_or(prefix);
        }
        Ok(Self {
            origin: format!("{scheme}://{authority}").to_lowercase(),
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }

    /// Returns scheme, host and port as they are written, in lower case.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the path of an API call.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}
