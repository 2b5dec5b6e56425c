//! The servers that URLs name.

use std::net::{IpAddr, Ipv6Addr};

use playbook_host::net::{Origin, Policy, PolicyError};

/// A server's URL. No address that leads to a cloud's metadata, to this machine or to a private network passes a policy that
/// denies them, however it is written.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(origin) = Origin::of(text) else { return };
    let mut policy = Policy::default();
    policy.deny_private = true;
    let verdict = policy.check(&origin);
    let url = format!("{origin}/");
    assert_eq!(Origin::of(&url).ok().as_ref(), Some(&origin), "{url}");
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split([':', '/']).next(),
    };
    let Some(address) = host.and_then(|host| host.parse().ok()) else {
        return;
    };
    if leads_inside(address) {
        assert!(
            matches!(verdict, Err(PolicyError::Address { .. })),
            "{url}: {verdict:?}"
        );
    }
}

/// Whether an address is one of those that nobody disputes, or carries one at a place where translators look.
fn leads_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unicast_link_local()
                || v6.is_unique_local()
                || embedded(v6).into_iter().any(leads_inside)
        }
    }
}

fn embedded(v6: Ipv6Addr) -> Option<IpAddr> {
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => (high, low),
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(IpAddr::from((u32::from(high) << 16 | u32::from(low)).to_be_bytes()))
}
