//! The page that `--report` writes, read by a real browser.
//!
//! Screenshots are left in the folder `html-report` of cargo's folder for test files, to be looked at.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer};
use tempfile::TempDir;

use super::browser::Browser;
use crate::command::run;

const TOKEN: &str = "a-token-that-must-never-be-seen";

/// Cells that would run, load or hide something if the page let them.
const HOSTILE: [&str; 6] = [
    "</script><script>window.ran = 1</script>",
    "<img src=https://evil.example/x onerror=\"window.ran = 1\">",
    "\" onmouseover=\"window.ran = 1\" autofocus onfocus=\"window.ran = 1",
    "</td></tr></table><iframe src=\"https://evil.example\"></iframe>",
    "photo_\u{202e}gnp.exe",
    "\u{1b}[31mred\u{1b}[0m",
];

/// A run against hosts of every fate, one of them with hostile cells and one with many rows.
async fn page(folder: &TempDir) -> PathBuf {
    let user = |user: &str, pid: usize| json!({"type": "user", "user": user, "tty": "pts/0", "host": "10.20.9.5", "time": 1_795_000_000, "pid": pid});
    let hostile: Vec<Value> = HOSTILE.iter().map(|text| user(text, 1)).collect();
    let many: Vec<Value> = (0..400).map(|n| user(&format!("user-{n}"), n)).collect();
    let fleet: Fleet = serde_json::from_value(json!({"token": TOKEN, "hosts": [
        {"hostname": "web-01", "tables": {"logged_in_users": [user("root", 900), user("deploy", 2201), user("admin", 31)]}},
        {"hostname": "web-02", "tables": {"logged_in_users": []}},
        {"hostname": "evil-01", "tables": {"logged_in_users": hostile}},
        {"hostname": "busy-01", "tables": {"logged_in_users": many}},
        {"hostname": "laptop-7", "online": false},
        {"hostname": "build-03", "behaviour": {"error": "<b>denylisted</b>"}},
    ]}))
    .unwrap();
    let server = FleetServer::start(fleet).await.unwrap();
    let step = |id: &str, hosts: Value| {
        json!({"id": id, "name": format!("Who is logged in: {id}"), "type": "osquery_live_query", "on_failure": "continue", "params": {
            "backend": "fleetdm",
            "base_url": server.url(),
            "api_token": "{{ secrets.token }}",
            "template": "logged_in_users",
            "template_params": {"limit": 1000},
            "target_hosts": hosts,
            "timeout_seconds": 2,
        }})
    };
    let playbook = json!({"id": "triage", "name": "Triage of a suspicious download", "steps": [
        step("everywhere", json!(["web-01", "web-02", "evil-01", "busy-01", "laptop-7", "build-03"])),
        step("nowhere", json!(["unknown-9"])),
    ]});
    let (file, page) = (folder.path().join("playbook.yaml"), folder.path().join("run.html"));
    std::fs::write(&file, playbook.to_string()).unwrap();
    // What was there before is replaced, and what comes after is as private as the results.
    std::fs::write(&page, "an older page").unwrap();
    let args = ["run", file.to_str().unwrap(), "--report", page.to_str().unwrap()];
    let done = run(&args, &[("token", TOKEN)]).await;
    assert_eq!(done.code(), 1, "{}{}", done.stdout, done.stderr);
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_private_and_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(&folder).await;
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text.starts_with("<!DOCTYPE html>") && text.contains("evil-01"),
        "{text}"
    );
    assert!(!text.contains(TOKEN), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_written_is_told_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = FleetServer::start(Fleet::default()).await.unwrap();
    let file = folder.path().join("playbook.yaml");
    let step = json!({"id": "ask", "type": "osquery_live_query", "params": {
        "backend": "fleetdm", "base_url": server.url(), "api_token": "x", "template": "logged_in_users", "target_hosts": ["a"],
    }});
    std::fs::write(&file, step.to_string()).unwrap();
    for (report, words) in [
        (folder.path().join("nowhere/run.html"), "cannot write to"),
        (folder.path().to_owned(), "not a regular file"),
        (PathBuf::from("/dev/null"), "not a regular file"),
    ] {
        let args = ["run", file.to_str().unwrap(), "--report", report.to_str().unwrap()];
        let done = run(&args, &[]).await;
        assert_eq!(done.code(), 2, "{}", done.stderr);
        assert!(done.stderr.contains(words), "{}", done.stderr);
        assert!(server.requests().is_empty());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one browser, which takes long to start")]
async fn a_browser_shows_searches_sorts_and_prints_the_report() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = page(&folder).await;
    let url = format!("file://{}", page.display());

    // Without script: all is there to read, and nothing that would need it.
    browser
        .call("Emulation.setScriptExecutionDisabled", json!({"value": true}))
        .await;
    browser.resize(1280, 900, "light").await;
    browser.open(&url).await;
    assert_eq!(names(&mut browser).await, json!(["web-01", "evil-01", "busy-01"]));
    assert_eq!(browser.evaluate(&rows_of("web-01")).await, 3);
    assert_eq!(browser.evaluate(&rows_of("busy-01")).await, 400);
    assert_eq!(
        browser
            .evaluate("getComputedStyle(document.getElementById('tools')).display")
            .await,
        "none"
    );
    let text = browser.evaluate("document.querySelector('main').innerText").await;
    for words in [
        "laptop-7",
        "<b>denylisted</b>",
        "web-02",
        "400 rows",
        "unknown-9",
        "photo_[U+202E]gnp.exe",
        "[ESC][31mred",
    ] {
        assert!(text.as_str().unwrap().contains(words), "{words}: {text}");
    }
    // The large table is closed, and opens on paper.
    let closed = "document.querySelector('details:not([open]) td').checkVisibility({contentVisibilityAuto: true}) \
                  && document.querySelector('details:not([open]) td').getBoundingClientRect().height > 0";
    assert_eq!(browser.evaluate(closed).await, false);
    browser
        .call("Emulation.setEmulatedMedia", json!({"media": "print"}))
        .await;
    browser.until(closed).await;
    browser.call("Emulation.setEmulatedMedia", json!({"media": ""})).await;

    // With script.
    browser
        .call("Emulation.setScriptExecutionDisabled", json!({"value": false}))
        .await;
    for (name, width, scheme) in [
        ("desktop", 1280, "light"),
        ("desktop-dark", 1280, "dark"),
        ("phone", 390, "light"),
        ("phone-dark", 390, "dark"),
    ] {
        browser.resize(width, 900, scheme).await;
        browser.open(&url).await;
        assert_eq!(names(&mut browser).await, json!(["web-01", "evil-01", "busy-01"]));
        let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overflow).await, 0, "{name}");
        keep(&format!("{name}.png"), width, &browser.screenshot().await);
    }
    search(&mut browser).await;
    sort(&mut browser).await;

    // Nothing ran, was loaded, or was stopped from being loaded.
    assert_eq!(browser.evaluate("typeof window.ran").await, "undefined");
    assert_eq!(
        browser
            .evaluate("document.querySelectorAll('iframe, img, script').length")
            .await,
        1
    );
    let requests = browser.events("Network.requestWillBeSent");
    let requested: Vec<&Value> = requests
        .iter()
        .map(|event| &event["params"]["request"]["url"])
        .collect();
    assert_eq!(requested, [&json!(url)]);
    assert_eq!(browser.events("Log.entryAdded"), [&Value::Null; 0]);
    assert_eq!(browser.events("Runtime.exceptionThrown"), [&Value::Null; 0]);
    assert_eq!(browser.events("Page.javascriptDialogOpening"), [&Value::Null; 0]);

    // Not even a hostile script that escaping had missed runs: the policy knows the page's own alone.
    let injected = std::fs::read_to_string(&page).unwrap().replace(
        "<main>",
        "<main><script>window.ran = 1</script><p id=\"x\" style=\"color: red\" onclick=\"window.ran = 1\">x</p>",
    );
    std::fs::write(&page, injected).unwrap();
    browser.open(&url).await;
    browser.evaluate("document.getElementById('x').click()").await;
    assert_eq!(browser.evaluate("typeof window.ran").await, "undefined");
    assert_ne!(
        browser
            .evaluate("getComputedStyle(document.getElementById('x')).color")
            .await,
        "rgb(255, 0, 0)"
    );
}

async fn search(browser: &mut Browser) {
    type_in(browser, "evil-01 script").await;
    browser
        .until("document.getElementById('found').value === '1 of 412 rows'")
        .await;
    assert_eq!(names(browser).await, json!(["evil-01"]));
    type_in(browser, "USER-39").await;
    // user-39, and user-390 to user-399; their table is opened.
    browser
        .until("document.getElementById('found').value === '11 of 412 rows'")
        .await;
    assert_eq!(names(browser).await, json!(["busy-01"]));
    assert_eq!(
        browser
            .evaluate("document.querySelectorAll('details[open] tbody tr:not([hidden])').length")
            .await,
        11
    );
    type_in(browser, "no such thing").await;
    browser
        .until("document.getElementById('found').value === '0 of 412 rows'")
        .await;
    type_in(browser, "").await;
    browser.until("document.getElementById('found').value === ''").await;
    assert_eq!(names(browser).await, json!(["web-01", "evil-01", "busy-01"]));
    assert_eq!(
        browser
            .evaluate("document.querySelectorAll('details[open]').length")
            .await,
        2
    );
}

/// Types into the search field, as a person does.
async fn type_in(browser: &mut Browser, text: &str) {
    browser
        .evaluate("document.getElementById('find').focus(); document.getElementById('find').select()")
        .await;
    if text.is_empty() {
        for kind in ["keyDown", "keyUp"] {
            browser
                .call(
                    "Input.dispatchKeyEvent",
                    json!({"type": kind, "key": "Delete", "windowsVirtualKeyCode": 46}),
                )
                .await;
        }
    } else {
        browser.call("Input.insertText", json!({"text": text})).await;
    }
}

async fn sort(browser: &mut Browser) {
    let press = |column: &str| {
        format!(
            "(() => {{
                const heads = [...document.querySelector('details.rows table').tHead.rows[0].cells];
                const head = heads.find((head) => head.textContent === '{column}');
                head.querySelector('button').click();
                const cells = [...document.querySelectorAll('details.rows table')[0].tBodies[0].rows].map((row) => row.cells[head.cellIndex].textContent);
                return [head.getAttribute('aria-sort'), heads.filter((head) => head.hasAttribute('aria-sort')).length, ...cells];
            }})()"
        )
    };
    for (column, expected) in [
        ("user", json!(["ascending", 1, "admin", "deploy", "root"])),
        ("user", json!(["descending", 1, "root", "deploy", "admin"])),
        ("user", json!([null, 0, "root", "deploy", "admin"])),
        // As numbers, not as texts.
        ("pid", json!(["ascending", 1, "31", "900", "2201"])),
        ("pid", json!(["descending", 1, "2201", "900", "31"])),
    ] {
        assert_eq!(browser.evaluate(&press(column)).await, expected, "{column}");
    }
}

/// The names of the tables in view.
async fn names(browser: &mut Browser) -> Value {
    browser
        .evaluate("[...document.querySelectorAll('details.rows:not([hidden]) h3')].map((name) => name.textContent)")
        .await
}

fn rows_of(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('details.rows')].find((box) => box.querySelector('h3').textContent === '{name}').querySelectorAll('tbody tr').length"
    )
}

fn keep(name: &str, width: u32, png: &[u8]) {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(png[16..20], width.to_be_bytes(), "{name}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html-report");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), png).unwrap();
}
