//! The connections that calls share.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Host;

use super::error::root_cause;
use crate::net::policy::{Policy, is_this_machine};
use crate::net::resolver::Resolver;
use crate::net::tls::{self, Tls, TlsError};

/// The connections that calls share: HTTP clients by how they are secured.
#[derive(Default, Clone)]
pub struct Network {
    policy: Arc<Policy>,
    known: Arc<Mutex<HashMap<Tls, Clients>>>,
}

/// The clients that are secured in one way.
#[derive(Clone)]
struct Clients {
    /// By the proxies of the environment, if it names some.
    proxied: Client,
    /// For this machine: a proxy would carry off what http may be used for only because it stays here.
    direct: Client,
}

/// Two clients, because a websocket upgrade exists in HTTP/1.1 only.
#[derive(Clone)]
pub(crate) struct Client {
    /// Whether the environment names proxies that it may use.
    pub(super) proxies: bool,
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

    /// The same, to be kept.
    pub(super) fn shared_policy(&self) -> Arc<Policy> {
        self.policy.clone()
    }

    /// The clients for a server.
    pub(crate) fn client(&self, tls: &Tls, host: &Host<impl AsRef<str>>) -> Result<Client, TlsError> {
        let clients = self.clients(tls)?;
        Ok(if is_this_machine(host) {
            clients.direct
        } else {
            clients.proxied
        })
    }

    /// Makes the clients that are used if nothing else is asked for, so that they are there when they are.
    pub(crate) fn prepare(&self) -> Result<(), TlsError> {
        self.clients(&Tls::default()).map(drop)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where connections come from")]
    fn clients(&self, tls: &Tls) -> Result<Clients, TlsError> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(clients) = known.get(tls) {
            return Ok(clients.clone());
        }
        let proxies = proxy_hosts();
        let named = !proxies.is_empty();
        let resolver = Resolver::new(self.policy.clone(), proxies);
        // Reading the platform's certificates is most of the work, so it is done once.
        let secured = tls::client_config(tls)?;
        let build = |builder: reqwest::ClientBuilder, protocols: &[&str]| {
            let mut tls = secured.clone();
            tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
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
        let pair = |proxies, builder: fn() -> reqwest::ClientBuilder| {
            Ok(Client {
                proxies,
                http: build(builder(), &["h2", "http/1.1"])?,
                websocket: build(builder().http1_only(), &["http/1.1"])?,
            })
        };
        let clients = Clients {
            proxied: pair(named, reqwest::Client::builder)?,
            direct: pair(false, || reqwest::Client::builder().no_proxy())?,
        };
        known.insert(tls.clone(), clients.clone());
        Ok(clients)
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
