//! The connections that calls share.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::error::root_cause;
use crate::policy::Policy;
use crate::resolver::Resolver;
use crate::tls::{self, Tls, TlsError};

/// The connections that calls share: HTTP clients by how they are secured.
#[derive(Default, Clone)]
pub struct Network {
    policy: Arc<Policy>,
    known: Arc<Mutex<HashMap<Tls, Client>>>,
}

/// Two clients, because a websocket upgrade exists in HTTP/1.1 only.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(super) websocket: reqwest::Client,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Network").field(&self.policy).finish()
    }
}

impl fmt::Debug for Client {
    // It knows the proxies of the environment, with their passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Network {
    /// Network that reach what a policy allows.
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy: Arc::new(policy),
            known: Arc::default(),
        }
    }

    /// What may be reached.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where connections come from")]
    pub(crate) fn get(&self, tls: &Tls) -> Result<Client, TlsError> {
        let mut clients = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = clients.get(tls) {
            return Ok(client.clone());
        }
        let resolver = Resolver::new(self.policy.clone(), proxy_hosts());
        // Reading the platform's certificates is most of the work, so it is done once.
        let mut websocket_tls = tls::client_config(tls)?;
        let mut http_tls = websocket_tls.clone();
        websocket_tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        http_tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let build = |builder: reqwest::ClientBuilder, tls: rustls::ClientConfig| {
            builder
                .tls_backend_preconfigured(tls)
                .dns_resolver(resolver.clone())
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .connect_timeout(Duration::from_secs(10))
                .user_agent(concat!("playbook-host/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|e| TlsError::Platform(root_cause(&e)))
        };
        let client = Client {
            http: build(reqwest::Client::builder(), http_tls)?,
            websocket: build(reqwest::Client::builder().http1_only(), websocket_tls)?,
        };
        clients.insert(tls.clone(), client.clone());
        Ok(client)
    }
}

/// The hosts of the proxies that the environment names, as the client reads it.
#[allow(clippy::disallowed_methods, reason = "proxies are named in the environment only")]
fn proxy_hosts() -> HashSet<String> {
    let named = ["http_proxy", "https_proxy", "all_proxy"].into_iter();
    let values = named.flat_map(|name| [std::env::var(name), std::env::var(name.to_uppercase())]);
    let hosts = values.flatten().filter_map(|value| {
        let url = url::Url::parse(&value).or_else(|_| url::Url::parse(&format!("http://{value}")));
        url.ok()?.host_str().map(str::to_owned)
    });
    hosts.collect()
}
