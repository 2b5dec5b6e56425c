//! `playbook check`: who we are, and whether that suffices.

use serde_json::json;
use sim::fleet::{Fleet, FleetServer, Team, User};
use sim::osctrl::{Levels, Osctrl, OsctrlServer};
use sim::{Fault, What};

use super::command::{fleet, hosts, start};
use super::polled::{Polled, TOKEN};
use crate::command::{Finished, run};

async fn check(polled: &Polled) -> Finished {
    let file = polled.path("connector.yaml");
    run(&["check", file.to_str().unwrap()], &[("token", TOKEN)]).await
}

#[tokio::test]
async fn check_says_who_we_are_and_whether_that_suffices() {
    let (_server, polled) = start(fleet(3), json!({})).await;
    let done = check(&polled).await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    for words in [
        "✔ user          sweep-bot@corp.example (API-only)",
        "✔ server        Fleet 4.93.0",
        "✔ role          observer, which may read hosts and reports",
        "✔ live queries  not with the role observer",
        "✔ hosts         3",
    ] {
        assert!(done.stdout.contains(words), "{words} is not in {}", done.stdout);
    }

    for (levels, code, words) in [
        (Levels::default(), 0, "allowed, and may be expired"),
        (
            Levels {
                admin: false,
                ..Levels::default()
            },
            0,
            "allowed; expiring them needs the level `admin`",
        ),
        (
            Levels {
                user: true,
                query: false,
                admin: false,
            },
            1,
            "✘ polling       this user needs the level `query` in production",
        ),
        (
            Levels {
                user: false,
                query: true,
                admin: false,
            },
            1,
            "needs the level `user`",
        ),
    ] {
        let server = OsctrlServer::start(Osctrl {
            token: TOKEN.into(),
            levels,
            hosts: hosts(2),
            ..Osctrl::default()
        })
        .await
        .unwrap();
        let polled = Polled::new(
            "osctrl",
            server.url(),
            &json!({"environment": "production"}),
            &json!({}),
        );
        let done = check(&polled).await;
        assert_eq!(done.code(), code, "{words}: {}{}", done.stdout, done.stderr);
        assert!(done.stdout.contains(words), "{words} is not in {}", done.stdout);
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn check_has_its_own_words_for_each_failure() {
    let with = |what: What, path: &str| Fleet {
        faults: vec![Fault {
            path: path.into(),
            query: None,
            times: None,
            what,
        }],
        ..fleet(1)
    };
    let team = Fleet {
        teams: vec![Team {
            id: 3,
            name: "Servers".into(),
        }],
        ..fleet(1)
    };
    let free = Fleet {
        premium: false,
        ..fleet(1)
    };
    let none = Fleet {
        role: "gitops".into(),
        ..fleet(1)
    };
    let stranger = Fleet {
        token: "another-token".into(),
        users: Vec::<User>::new(),
        ..fleet(1)
    };
    for (fleet, config, words) in [
        (stranger, json!({}), "did not accept the token"),
        (with(What::Status(403), "/me"), json!({}), "the user may not do this"),
        (with(What::Html, "/me"), json!({}), "a web page"),
        (with(What::Nonsense, "/me"), json!({}), "not what its protocol says"),
        (with(What::Status(500), "/me"), json!({}), "the server is failing"),
        (
            with(What::Redirect("https://elsewhere.example.com/".into()), "/me"),
            json!({}),
            "redirects to",
        ),
        (team, json!({"team_id": 3}), "team 3 has no hosts"),
        (free, json!({"team_id": 3}), "teams exist in Fleet Premium only"),
        (none, json!({}), "polling needs observer"),
    ] {
        let server = FleetServer::start(fleet).await.unwrap();
        let polled = Polled::new("fleetdm", server.url(), &config, &json!({}));
        let done = check(&polled).await;
        let said = format!("{}{}", done.stdout, done.stderr);
        assert_eq!(done.code(), 1, "{words}: {said}");
        assert!(said.contains(words) && !said.contains(TOKEN), "{words}: {said}");
    }
    for (url, words) in [
        (
            "http://127.0.0.1:1",
            "check that base_url is right and that the server is running",
        ),
        ("https://no-such-host.invalid", "check the host name in base_url"),
    ] {
        let done = check(&Polled::new("fleetdm", url, &json!({}), &json!({}))).await;
        assert_eq!(done.code(), 1);
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    // Fleet's paths on an old osctrl server, and osctrl's on one that has a check mark for everything.
    let osctrl = OsctrlServer::start(Osctrl {
        version: "0.5.2".into(),
        token: TOKEN.into(),
        ..Osctrl::default()
    })
    .await
    .unwrap();
    let done = check(&Polled::new("fleetdm", osctrl.url(), &json!({}), &json!({}))).await;
    assert!(
        done.code() == 1 && done.stderr.contains("not the API of Fleet"),
        "{}",
        done.stderr
    );
    let config = json!({"environment": "productoin"});
    let done = check(&Polled::new("osctrl", osctrl.url(), &config, &json!({}))).await;
    assert!(
        done.code() == 1 && done.stderr.contains("productoin"),
        "{}",
        done.stderr
    );
}
