//! What kind of place an IP address is, however it is spelt.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This machine.
    Loopback,
    /// A network of one's own.
    Private,
    /// The Internet.
    Public,
    /// A place where no server lives that a plugin has business with, in a few words.
    Strange(&'static str),
}

/// Addresses outside the link-local range at which clouds tell machines their credentials.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// What kind of place this is.
pub(crate) fn reach(address: IpAddr) -> Reach {
    let address = canonical(address);
    if METADATA.contains(&address) {
        return Reach::Strange("a cloud's metadata service");
    }
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

/// The IPv4 address that an IPv6 address stands for, if it does: mapped, compatible, 6to4 or NAT64.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // `::` and `::1` look like compatible ones and are none.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        _ => address,
    }
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    let [a, b, ..] = v4.octets();
    match (a, b) {
        _ if v4.is_loopback() => Reach::Loopback,
        _ if v4.is_link_local() => Reach::Strange("a link-local address, where clouds keep metadata"),
        _ if v4.is_multicast() || v4.is_broadcast() => Reach::Strange("a multicast address"),
        (0, _) => Reach::Strange("an unspecified address"),
        (240.., _) => Reach::Strange("a reserved address"),
        // 100.64.0.0/10 is shared between the customers of a provider, and of overlay networks.
        (100, 64..128) => Reach::Private,
        _ if v4.is_private() => Reach::Private,
        _ => Reach::Public,
    }
}

fn reach_v6(v6: Ipv6Addr) -> Reach {
    if v6.is_loopback() {
        Reach::Loopback
    } else if v6.is_unspecified() {
        Reach::Strange("an unspecified address")
    } else if v6.is_unicast_link_local() {
        Reach::Strange("a link-local address")
    } else if v6.is_multicast() {
        Reach::Strange("a multicast address")
    // fec0::/10 is the old way to be private.
    } else if v6.is_unique_local() || v6.segments()[0] & 0xffc0 == 0xfec0 {
        Reach::Private
    } else {
        Reach::Public
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_what_it_is_in_every_spelling() {
        let strange = |address: &str| matches!(reach(address.parse().unwrap()), Reach::Strange(_));
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "febf::1",
            "100.100.100.200",
            "::ffff:100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "::ffff:0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "ff02::1",
        ] {
            assert!(strange(address), "{address}");
        }
        let kinds = [
            (
                Reach::Loopback,
                ["127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"],
            ),
            (
                Reach::Private,
                ["10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "fc00::1"],
            ),
            (
                Reach::Private,
                [
                    "::ffff:10.1.2.3",
                    "fdff::1",
                    "fec0::1",
                    "64:ff9b::10.0.0.1",
                    "2002:c0a8:1::",
                ],
            ),
            (
                Reach::Public,
                [
                    "1.1.1.1",
                    "172.32.0.1",
                    "100.128.0.1",
                    "2606:4700::1111",
                    "::ffff:8.8.8.8",
                ],
            ),
        ];
        for (kind, addresses) in kinds {
            for address in addresses {
                assert_eq!(reach(address.parse().unwrap()), kind, "{address}");
            }
        }
    }
}
