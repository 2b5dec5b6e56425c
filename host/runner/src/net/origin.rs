//! The one place on the network that a step may talk to.

use std::fmt;

use url::{Host, Url};

/// A scheme, host and port: the unit in which network access is granted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: Host<String>,
    port: u16,
}

/// Why a URL names no origin that can be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// Not a URL.
    #[error("not a URL: {0}")]
    Url(#[from] url::ParseError),
    /// Neither http nor https.
    #[error("the scheme `{0}` is not supported; use https (or http)")]
    Scheme(String),
    /// `https://user:password@host`.
    #[error("a URL must not hold a user name or password")]
    Credentials,
    /// A URL of another origin than the granted one.
    #[error("{asked} is not the granted {granted}")]
    Foreign {
        /// What was asked for.
        asked: String,
        /// What was granted.
        granted: String,
    },
}

impl Origin {
    /// The origin of a URL. What follows the port is ignored.
    pub fn of(url: &str) -> Result<Self, OriginError> {
        Self::of_url(&Url::parse(url)?)
    }

    /// The same of what is a URL already.
    pub(crate) fn of_url(url: &Url) -> Result<Self, OriginError> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(OriginError::Scheme(other.to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::Credentials);
        }
        let host = url.host().ok_or(url::ParseError::EmptyHost)?.to_owned();
        let port = url.port_or_known_default().expect("http and https have default ports");
        Ok(Self { secure, host, port })
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host.
    pub(crate) fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The URL of a path (and query) at this origin.
    ///
    /// The result is compared with the origin again, so that no spelling of a path can name another host.
    pub(crate) fn join(&self, path: &str) -> Result<Url, OriginError> {
        let url = Url::parse(&format!("{self}{path}"))?;
        let asked = Self::of_url(&url)?;
        if asked != *self {
            return Err(OriginError::Foreign {
                asked: asked.to_string(),
                granted: self.to_string(),
            });
        }
        Ok(url)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.secure { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_same_however_it_is_spelt() {
        for (spelling, origin) in [
            ("https://Fleet.Example.COM", "https://fleet.example.com"),
            ("https://fleet.example.com:443/prefix/?q#f", "https://fleet.example.com"),
            ("http://127.1:8080/", "http://127.0.0.1:8080"),
            ("http://0x7f000001", "http://127.0.0.1"),
            ("http://[0:0::1]:80", "http://[::1]"),
        ] {
            assert_eq!(Origin::of(spelling).unwrap().to_string(), origin, "{spelling}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for url in [
            "",
            "fleet.example.com",
            "ftp://fleet",
            "https://",
            "https://me:pw@fleet",
            "https://me@fleet",
        ] {
            assert!(Origin::of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn no_path_leads_to_another_origin() {
        let origin = Origin::of("https://fleet.example.com").unwrap();
        for path in [".evil.example", ":8080/x", "@evil.example/x", "\\@evil.example"] {
            let joined = origin.join(path);
            assert!(
                joined.is_err() || joined.as_ref().unwrap().host_str() == Some("fleet.example.com"),
                "{path}: {joined:?}"
            );
        }
        assert_eq!(
            origin.join("//evil.example/x").unwrap().as_str(),
            "https://fleet.example.com//evil.example/x"
        );
    }
}
