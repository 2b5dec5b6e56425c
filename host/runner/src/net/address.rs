//! What kind of place an IP address is, however it is written.
//!
//! The table is that of IANA's registries of special-purpose addresses for IPv4 and IPv6, as of 2026, with the addresses at
//! which clouds serve credentials. An IPv6 address that carries an IPv4 address is what that address is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

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

use Reach::{Loopback, Private, Public, Strange};

const METADATA: Reach = Strange("a cloud's metadata service");
const DOCUMENTATION: Reach = Strange("an address for documentation");
const MULTICAST: Reach = Strange("a multicast address");
const PROTOCOLS: Reach = Strange("an address reserved for protocols");
const RESERVED: Reach = Strange("a reserved address");
const TUNNEL: Reach = Strange("the address of an automatic tunnel");
const UNSPECIFIED: Reach = Strange("an unspecified address");

/// Networks and what they are. Of those that contain an address, the longest prefix counts.
const NETWORKS: [(&str, Reach); 52] = [
    // Everything that no other line names.
    ("0.0.0.0/0", Public),
    ("::/0", Strange("an address that is not assigned")),
    ("2000::/3", Public),
    // Where clouds tell machines their credentials, outside the link-local ranges.
    ("100.100.100.200/32", METADATA),
    ("168.63.129.16/32", METADATA),
    ("192.0.0.192/32", METADATA),
    ("fd00:ec2::/32", METADATA),
    ("fd20:ce::/64", METADATA),
    ("fd00:42::42/128", METADATA),
    // IPv4: https://www.iana.org/assignments/iana-ipv4-special-registry
    ("0.0.0.0/8", UNSPECIFIED),
    ("10.0.0.0/8", Private),
    // Shared between the customers of a provider, and used by overlay networks.
    ("100.64.0.0/10", Private),
    ("127.0.0.0/8", Loopback),
    (
        "169.254.0.0/16",
        Strange("a link-local address, where clouds keep metadata"),
    ),
    ("172.16.0.0/12", Private),
    ("192.0.0.0/24", PROTOCOLS),
    ("192.0.2.0/24", DOCUMENTATION),
    ("192.31.196.0/24", PROTOCOLS),
    ("192.52.193.0/24", PROTOCOLS),
    ("192.88.99.0/24", TUNNEL),
    ("192.168.0.0/16", Private),
    ("192.175.48.0/24", PROTOCOLS),
    // Networks for benchmarks are networks of one's own.
    ("198.18.0.0/15", Private),
    ("198.51.100.0/24", DOCUMENTATION),
    ("203.0.113.0/24", DOCUMENTATION),
    ("224.0.0.0/4", MULTICAST),
    ("240.0.0.0/4", RESERVED),
    ("255.255.255.255/32", MULTICAST),
    // IPv6: https://www.iana.org/assignments/iana-ipv6-special-registry
    ("::/128", UNSPECIFIED),
    ("::1/128", Loopback),
    // NAT64 of one's own (RFC 8215): the network decides where in the address IPv4 addresses stand.
    (
        "64:ff9b:1::/48",
        Strange("an address that a translator of one's own maps to another"),
    ),
    ("100::/64", Strange("an address that discards what it is sent")),
    ("100:0:0:1::/64", Strange("an address that discards what it is sent")),
    ("2001::/23", PROTOCOLS),
    // Teredo
    ("2001::/32", TUNNEL),
    ("2001:2::/48", Private),
    ("2001:db8::/32", DOCUMENTATION),
    ("2620:4f:8000::/48", PROTOCOLS),
    ("3fff::/20", DOCUMENTATION),
    ("5f00::/16", PROTOCOLS),
    ("fc00::/7", Private),
    ("fe80::/10", Strange("a link-local address")),
    // The old way to be private.
    ("fec0::/10", Private),
    ("ff00::/8", MULTICAST),
    // Of the 6bone and of early tests: given back.
    ("3ffe::/16", RESERVED),
    ("5f00::/8", RESERVED),
    // What is left of IPv4 in IPv6; whichever IPv4 address these carry, it was looked at instead.
    ("::/96", RESERVED),
    ("::ffff:0:0/96", RESERVED),
    ("::ffff:0:0:0/96", RESERVED),
    ("64:ff9b::/96", RESERVED),
    ("2002::/16", TUNNEL),
    ("200::/7", RESERVED),
];

static TABLE: LazyLock<Vec<(IpNet, Reach)>> = LazyLock::new(|| {
    let parsed = |(network, reach): (&str, Reach)| (network.parse().expect("the table has networks only"), reach);
    let mut table: Vec<(IpNet, Reach)> = NETWORKS.map(parsed).into();
    table.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
    table
});

/// What kind of place this is.
pub(crate) fn reach(address: IpAddr) -> Reach {
    let address = canonical(address);
    if let IpAddr::V6(v6) = address
        && is_isatap(v6)
    {
        return TUNNEL;
    }
    let known = TABLE.iter().find(|(network, _)| network.contains(&address));
    // Both families have a line for everything.
    known.map_or(RESERVED, |(_, reach)| *reach)
}

/// The IPv4 address that an IPv6 address stands for, if it does: mapped, translated, compatible, 6to4 or NAT64.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // `::` and `::1` look like compatible ones and are none.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // Compatible and mapped (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// Whether the lower half is an ISATAP interface (RFC 5214), which leads to the IPv4 address at its end.
fn is_isatap(v6: Ipv6Addr) -> bool {
    matches!(v6.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
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
            // Translated, NAT64 of one's own, Teredo, ISATAP.
            "::ffff:0:169.254.169.254",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1::10.0.0.1",
            "2001:0:4136:e378:8000:63bf:5601:5601",
            "2001::1",
            "fe80::5efe:10.0.0.1",
            "2606:4700::5efe:169.254.169.254",
            "2606:4700::200:5efe:10.0.0.1",
            // Metadata services over IPv6.
            "fd20:ce::254",
            "fd00:ec2::23",
            "fd00:42::42",
            // Documentation, protocols, what was never assigned.
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "2001:db8::1",
            "3fff::1",
            "192.88.99.1",
            "100::1",
            "5f00::1",
            "4000::1",
            "::2:0:0:0",
            "1::",
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
                    "fec0::1",
                    "64:ff9b::10.0.0.1",
                    "::ffff:0:192.168.0.1",
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
