//! Looking up names: what comes out is what is connected to, so what is refused here is reached by nobody.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::net::policy::{Policy, PolicyError};

/// Looks names up with the system's resolver, and gives only addresses that the policy lets through.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    policy: Arc<Policy>,
    /// The hosts of proxies. Where they are is the operator's business, and they look up the servers.
    proxies: Arc<HashSet<String>>,
}

impl Resolver {
    pub(crate) fn new(policy: Arc<Policy>, proxies: HashSet<String>) -> Self {
        Self {
            policy,
            proxies: Arc::new(proxies),
        }
    }
}

impl Resolve for Resolver {
    #[expect(clippy::disallowed_methods, reason = "the one place where names are looked up")]
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            // The port is put in by whoever connects.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = if resolver.proxies.contains(name.as_str()) {
                found
            } else {
                permitted(&resolver.policy, name.as_str(), found)?
            };
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be connected to; if there are none, why.
fn permitted(policy: &Policy, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, PolicyError> {
    let mut refused = None;
    let mut allowed = Vec::with_capacity(found.len());
    for address in found {
        match policy.check_address(name, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if allowed.is_empty() => Err(error),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_only_to_addresses_that_the_policy_lets_through() {
        let policy = Policy::default();
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let mixed = addresses(&["169.254.169.254:0", "10.0.0.7:0", "[::ffff:169.254.169.254]:0"]);
        assert_eq!(
            permitted(&policy, "fleet.example.com", mixed),
            Ok(addresses(&["10.0.0.7:0"]))
        );
        let refused = permitted(&policy, "fleet.example.com", addresses(&["169.254.169.254:0"]));
        assert!(matches!(refused, Err(PolicyError::Address { .. })), "{refused:?}");
        assert_eq!(permitted(&policy, "fleet.example.com", Vec::new()), Ok(Vec::new()));
    }
}
