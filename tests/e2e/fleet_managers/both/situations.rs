//! Situations, and what comes of them.

use sim::{Behaviour, Host, What};

use super::TOKEN;
use super::server::Place;

/// A situation and what comes of it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) hosts: Vec<Host>,
    pub(super) targets: &'static [&'static str],
    pub(super) secret: &'static str,
    pub(super) may_query: bool,
    pub(super) down: bool,
    pub(super) fault: Option<(Place, Option<usize>, What)>,
    pub(super) timeout: u32,
    pub(super) status: i32,
    /// Hosts with results, timed-out hosts and failed hosts, if the step has a result.
    pub(super) result: Option<(
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
    )>,
    /// The kind of the error, if it has none, and words of its message and hint.
    pub(super) error: Option<(&'static str, [&'static str; 2])>,
    pub(super) queries: usize,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: "",
            hosts: vec![host("web-01"), host("web-02"), host("db-01")],
            targets: &["web-01", "web-02"],
            secret: TOKEN,
            may_query: true,
            down: false,
            fault: None,
            timeout: 30,
            status: 0,
            result: None,
            error: None,
            queries: 1,
        }
    }
}

fn host(name: &str) -> Host {
    Host {
        hostname: name.into(),
        ..Host::default()
    }
}

pub(super) fn behaving(name: &str, behaviour: Behaviour) -> Host {
    Host {
        behaviour,
        ..host(name)
    }
}

/// Returns the situations.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    let silent = |name| behaving(name, Behaviour::Silent);
    vec![
        Case {
            name: "success",
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "names in any case, repeated",
            targets: &["WEB-01", "web-01"],
            result: Some((&["WEB-01", "web-01"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "answers that come twice",
            hosts: vec![behaving("web-01", Behaviour::Duplicate), host("web-02")],
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "partial",
            hosts: vec![host("web-01"), silent("web-02")],
            timeout: 3,
            status: 3,
            result: Some((&["web-01"], &["web-02"], &[])),
            ..Case::default()
        },
        Case {
            name: "an offline host",
            hosts: vec![
                host("web-01"),
                Host {
                    online: false,
                    ..host("web-02")
                },
            ],
            timeout: 3,
            status: 3,
            result: Some((&["web-01"], &["web-02"], &[])),
            ..Case::default()
        },
        Case {
            name: "all silent",
            hosts: vec![silent("web-01"), silent("web-02")],
            timeout: 2,
            status: 3,
            result: Some((&[], &["web-01", "web-02"], &[])),
            ..Case::default()
        },
        Case {
            name: "an unknown host among others",
            targets: &["web-01", "nobody"],
            status: 3,
            result: Some((&["web-01"], &[], &["nobody"])),
            ..Case::default()
        },
        Case {
            name: "only an unknown host",
            targets: &["nobody"],
            status: 1,
            error: Some((
                "not-found",
                ["none of the target hosts can be asked", "target_hosts takes"],
            )),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "an ambiguous host",
            hosts: vec![host("web-01"), host("web-02"), host("web-02")],
            status: 3,
            result: Some((&["web-01"], &[], &["web-02"])),
            ..Case::default()
        },
        Case {
            name: "an osquery error",
            hosts: vec![
                host("web-01"),
                behaving("web-02", Behaviour::Error("no such table: x".into())),
            ],
            status: 3,
            result: Some((&["web-01"], &[], &["web-02"])),
            ..Case::default()
        },
        Case {
            name: "an osquery error without a message",
            hosts: vec![host("web-01"), behaving("web-02", Behaviour::Error(String::new()))],
            status: 3,
            result: Some((&["web-01"], &[], &["web-02"])),
            ..Case::default()
        },
        Case {
            name: "a wrong token",
            secret: "another-token-that-must-never-be-seen",
            status: 1,
            error: Some(("auth", ["did not accept the token (status 401)", "expired"])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "no permission",
            may_query: false,
            status: 1,
            error: Some((
                "permission",
                ["the user may not do this (status 403)", "live queries need"],
            )),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "the server down",
            down: true,
            timeout: 1,
            status: 1,
            error: Some(("unavailable", ["cannot connect to", "check that base_url is right"])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "slow to look up",
            fault: Some((Place::Lookup, None, What::Delay(700))),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "a slow body",
            fault: Some((Place::Lookup, None, What::SlowBody(700))),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "too slow to look up",
            fault: Some((Place::Lookup, None, What::Delay(60_000))),
            timeout: 1,
            status: 1,
            error: Some(("timeout", ["no answer from", ""])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "a connection that is reset once",
            fault: Some((Place::Lookup, Some(1), What::Reset)),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "a reset while the query is started",
            fault: Some((Place::Start, Some(1), What::Reset)),
            status: 1,
            error: Some(("unavailable", ["the connection to", ""])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "failing once",
            fault: Some((Place::Lookup, Some(1), What::Status(503))),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "failing while the query is started",
            fault: Some((Place::Start, Some(1), What::Status(500))),
            status: 1,
            error: Some(("unavailable", ["the server is failing (status 500)", ""])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "a web page",
            fault: Some((Place::Lookup, None, What::Html)),
            status: 1,
            error: Some(("protocol", ["answered with a web page", "check base_url"])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "a redirect",
            fault: Some((Place::Lookup, None, What::Redirect("https://sso.example/login".into()))),
            status: 1,
            error: Some(("protocol", ["redirects to https://sso.example/login", "base_url"])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "garbage",
            fault: Some((Place::Lookup, None, What::Nonsense)),
            status: 1,
            error: Some(("protocol", ["is not what its protocol says", ""])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "a body cut off while the query is started",
            fault: Some((Place::Start, Some(1), What::Truncate)),
            status: 1,
            error: Some(("unavailable", ["the connection to", ""])),
            queries: 1,
            ..Case::default()
        },
        Case {
            name: "slow where the answers come",
            fault: Some((Place::Answers, Some(1), What::Delay(200))),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
    ]
}
