//! What the statements find.

use serde_json::{Value, json};
use step_osquery::template::Template;

use crate::{host::Host, now, render, required};

/// One column of what a template finds on a host.
fn found(host: &Host, template: &str, params: Value, column: &str) -> Vec<String> {
    let sql = render(template, params).unwrap_or_else(|error| panic!("{error}"));
    host.column(&sql, column)
}

#[test]
fn every_statement_answers_with_the_columns_it_promises() {
    let host = Host::new();
    for template in Template::all() {
        let sql = template
            .render(&required(template), now())
            .expect("defaults are accepted");
        let (columns, _) = host
            .query(sql.as_str())
            .unwrap_or_else(|error| panic!("{}: {error}", template.name()));
        assert_eq!(columns, template.columns(), "{}", template.name());
    }
}

#[test]
fn the_limit_bounds_the_rows_and_keeps_the_newest() {
    let host = Host::with(
        "INSERT INTO processes (pid, name, start_time) VALUES (1, 'init', 10), (2, 'old', 20), (3, 'new', 40), (4, 'mid', 30)",
    );
    assert_eq!(
        found(&host, "running_processes", json!({}), "name"),
        ["new", "mid", "old", "init"]
    );
    assert_eq!(
        found(&host, "running_processes", json!({ "limit": 2 }), "name"),
        ["new", "mid"]
    );
}

#[test]
fn active_connections_are_established_ones_with_their_process_if_known() {
    let host = Host::with(
        "INSERT INTO processes (pid, name) VALUES (7, 'sshd'), (8, 'nginx');
         INSERT INTO process_open_sockets (pid, family, protocol, local_port, remote_address, remote_port, state, path) VALUES
           (7, 2, 6, 22, '192.0.2.1', 50000, 'ESTABLISHED', ''), (7, 2, 6, 22, '0.0.0.0', 0, 'LISTEN', ''),
           (8, 2, 6, 443, '192.0.2.2', 50001, 'TIME_WAIT', ''), (8, 2, 6, 443, '192.0.2.3', 50002, 'CLOSE_WAIT', ''),
           (8, 2, 17, 53, '192.0.2.9', 53, '', ''), (8, 1, 0, 0, '', 0, '', '/run/x.sock'),
           (-1, 10, 6, 8080, '2001:db8::1', 50003, 'ESTABLISHED', '')",
    );
    assert_eq!(
        found(&host, "active_connections", json!({}), "remote_address"),
        ["2001:db8::1", "192.0.2.1"]
    );
    assert_eq!(found(&host, "active_connections", json!({}), "name"), ["", "sshd"]);
}

#[test]
fn logged_in_users_are_sessions_on_every_platform() {
    let host = Host::with(
        "INSERT INTO logged_in_users (type, user, host, time) VALUES
           ('boot_time', 'reboot', '6.1.0', 1), ('runlevel', 'runlevel', '6.1.0', 2), ('login', 'LOGIN', '', 3), ('dead', '', '', 4),
           ('init', '', '', 5), ('user', 'root', '192.0.2.1', 6), ('active', 'Alice', '', 8), ('disconnected', 'Bob', '', 7)",
    );
    assert_eq!(
        found(&host, "logged_in_users", json!({}), "user"),
        ["Alice", "Bob", "root"]
    );
}

#[test]
fn recently_modified_files_are_new_and_under_the_path_at_any_depth() {
    let day = 24 * 60 * 60;
    let now = now().as_second();
    let host = Host::with(&format!(
        "INSERT INTO file (path, mtime, type) VALUES
           ('/tmp/new', {now} - 60, 'regular'), ('/tmp/a/b/newer', {now} - 30, 'regular'), ('/tmp/old', {now} - {day} - 1, 'regular'),
           ('/tmp/exactly', {now} - {day}, 'regular'), ('/tmp/a', {now} - 30, 'directory'), ('/tmpfile', {now} - 30, 'regular'),
           ('/tmp', {now} - 30, 'directory'), ('/var/tmp/new', {now} - 30, 'regular'), ('C:\\Temp\\new', {now} - 30, 'regular')"
    ));
    let find = |params| found(&host, "recently_modified_files", params, "path");
    assert_eq!(find(json!({})), ["/tmp/a/b/newer", "/tmp/new"]);
    assert_eq!(find(json!({ "limit": 1 })), ["/tmp/a/b/newer"]);
    assert_eq!(find(json!({ "since": "45s" })), ["/tmp/a/b/newer"]);
    assert_eq!(
        find(json!({ "since": "7d" })),
        ["/tmp/a/b/newer", "/tmp/new", "/tmp/exactly", "/tmp/old"]
    );
    assert_eq!(find(json!({ "since": "2026-02-01T11:59:15Z" })), ["/tmp/a/b/newer"]);
    assert_eq!(find(json!({ "path": "/tmp/a/" })), ["/tmp/a/b/newer"]);
    assert_eq!(
        find(json!({ "path": "/", "since": "45s" })),
        ["/tmp/a/b/newer", "/tmpfile", "/var/tmp/new"]
    );
    assert_eq!(find(json!({ "path": "C:\\Temp" })), ["C:\\Temp\\new"]);
}

#[test]
fn listening_ports_leave_out_unix_sockets_and_name_the_process() {
    let host = Host::with(
        "INSERT INTO processes (pid, name) VALUES (7, 'sshd');
         INSERT INTO listening_ports (pid, port, protocol, family, address, path) VALUES
           (9, 443, 6, 2, '0.0.0.0', ''), (7, 22, 6, 2, '0.0.0.0', ''), (7, 0, 0, 1, '', '/run/sshd.sock')",
    );
    assert_eq!(found(&host, "listening_ports", json!({}), "port"), ["22", "443"]);
    assert_eq!(found(&host, "listening_ports", json!({}), "name"), ["sshd", ""]);
}

#[test]
fn recent_files_lie_directly_in_the_directory() {
    let host = Host::with(
        "INSERT INTO file (path, directory, filename, mtime, type) VALUES
           ('/var/log/a', '/var/log', 'a', 1, 'regular'), ('/var/log/b', '/var/log', 'b', 3, 'regular'), ('/var/log/c', '/var/log', 'c', 2, 'regular'),
           ('/var/log/apt', '/var/log', 'apt', 9, 'directory'), ('/var/log/apt/d', '/var/log/apt', 'd', 9, 'regular')",
    );
    assert_eq!(
        found(&host, "recent_files", json!({ "directory": "/var/log" }), "filename"),
        ["b", "c", "a"]
    );
    assert_eq!(
        found(
            &host,
            "recent_files",
            json!({ "directory": "/var/log/", "limit": 1 }),
            "filename"
        ),
        ["b"]
    );
}

#[test]
fn a_process_tree_has_ancestors_and_descendants_up_to_the_depth() {
    let host = Host::with(
        "INSERT INTO processes (pid, parent, name) VALUES (1, 0, 'init'), (10, 1, 'sshd'), (20, 10, 'bash'), (30, 20, 'make'),
           (40, 30, 'cc'), (41, 30, 'ld'), (50, 40, 'as'), (21, 10, 'sibling'), (99, 1, 'cron')",
    );
    let tree = |params: Value| {
        let depths = found(&host, "process_tree", params.clone(), "depth");
        let names = found(&host, "process_tree", params, "name");
        depths
            .into_iter()
            .zip(names)
            .map(|(depth, name)| format!("{depth} {name}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        tree(json!({ "pid": 20 })),
        ["-2 init", "-1 sshd", "0 bash", "1 make", "2 cc", "2 ld", "3 as"]
    );
    assert_eq!(
        tree(json!({ "pid": 20, "max_depth": 1 })),
        ["-1 sshd", "0 bash", "1 make"]
    );
    assert_eq!(
        tree(json!({ "pid": "20", "max_depth": "2" })),
        ["-2 init", "-1 sshd", "0 bash", "1 make", "2 cc", "2 ld"]
    );
    assert_eq!(tree(json!({ "pid": 12345 })), <[&str; 0]>::default());
}

#[test]
fn a_process_tree_ends_where_the_parents_form_a_cycle() {
    let host = Host::with(
        "INSERT INTO processes (pid, parent) VALUES (0, 0), (4, 0), (5, 4), (100, 200), (200, 100), (201, 200)",
    );
    let tree = |pid: u32| {
        let params = json!({ "pid": pid, "max_depth": 20 });
        let pids = found(&host, "process_tree", params.clone(), "pid");
        let depths = found(&host, "process_tree", params, "depth");
        depths
            .into_iter()
            .zip(pids)
            .map(|(depth, pid)| format!("{depth} {pid}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(tree(4), ["-1 0", "0 4", "1 5"]);
    assert_eq!(tree(100), ["-1 200", "0 100", "1 200", "2 201"]);
}

#[test]
fn package_inventory_lists_installed_packages_of_both_managers_by_name() {
    let host = Host::with(
        "INSERT INTO deb_packages (name, version, arch, status) VALUES ('zlib1g', '1:1.3', 'amd64', 'install ok installed'),
           ('held', '1', 'amd64', 'hold ok installed'), ('gone', '2', 'amd64', 'deinstall ok config-files'), ('never', '3', 'amd64', 'unknown ok not-installed');
         INSERT INTO rpm_packages (name, version, release, arch) VALUES ('openssl', '3.2.1', '2.el9', 'x86_64')",
    );
    assert_eq!(
        found(&host, "package_inventory", json!({}), "name"),
        ["held", "openssl", "zlib1g"]
    );
    assert_eq!(
        found(&host, "package_inventory", json!({}), "manager"),
        ["deb", "rpm", "deb"]
    );
    assert_eq!(
        found(&host, "package_inventory", json!({}), "version"),
        ["1", "3.2.1-2.el9", "1:1.3"]
    );
}
