//! Which values are accepted, and what the refusals say.

use serde_json::{Value, json};
use step_osquery::template::{Param, Template, TemplateError};

use crate::{now, render, required};

#[test]
fn the_statements_with_default_values_are_these() {
    for template in Template::all() {
        let sql = template
            .render(&required(template), now())
            .expect("defaults are accepted");
        insta::assert_snapshot!(template.name(), sql.as_str());
    }
}

#[test]
fn the_allowlist_is_these_templates_with_these_params() {
    let list: Vec<String> = Template::all()
        .map(|template| {
            let params: Vec<_> = template.params().iter().map(Param::name).collect();
            format!("{}({})", template.name(), params.join(", "))
        })
        .collect();
    assert_eq!(
        list,
        [
            "active_connections(limit)",
            "listening_ports(limit)",
            "logged_in_users(limit)",
            "package_inventory(limit)",
            "process_tree(pid, max_depth)",
            "recent_files(directory, limit)",
            "recently_modified_files(since, path, limit)",
            "running_processes(limit)",
        ]
    );
}

#[test]
fn integers_are_json_integers_or_numeric_texts_in_range() {
    for (value, rendered) in [
        (json!(1), "1"),
        (json!(1000), "1000"),
        (json!("1"), "1"),
        (json!("1000"), "1000"),
    ] {
        let sql = render("running_processes", json!({ "limit": value })).expect("in range");
        assert!(sql.ends_with(&format!("LIMIT {rendered}")), "{sql}");
    }
    for (value, expected) in [
        (json!(0), "out of range"),
        (json!(-1), "out of range"),
        (json!(1001), "out of range"),
        (json!(u64::MAX), "out of range"),
        (json!("0"), "out of range"),
        (json!("-5"), "out of range"),
        (json!("99999999999999999999"), "out of range"),
        (json!(true), "a boolean"),
        (json!(null), "null"),
        (json!(10.0), "a fraction or an exponent"),
        (json!(10.5), "a fraction or an exponent"),
        (json!([10]), "a list"),
        (json!({ "a": 1 }), "an object"),
        (json!(""), "not a whole number"),
        (json!(" 10"), "not a whole number"),
        (json!("+10"), "not a whole number"),
        (json!("010"), "not a whole number"),
        (json!("-0"), "not a whole number"),
        (json!("1e2"), "not a whole number"),
        (json!("0x10"), "not a whole number"),
        (json!("10; DROP TABLE processes"), "not a whole number"),
        (json!("1 UNION SELECT 1"), "not a whole number"),
        (json!("１０"), "not a whole number"),
    ] {
        refused(
            "running_processes",
            "limit",
            &value,
            expected,
            "an integer from 1 to 1000",
        );
    }
}

#[test]
fn a_time_is_a_moment_or_a_duration_before_now() {
    for (since, seconds) in [
        ("90s", 1_769_947_110),
        ("90m", 1_769_941_800),
        ("24h", 1_769_860_800),
        ("7d", 1_769_342_400),
        ("2w", 1_768_737_600),
        ("1970-01-01", 0),
        ("2026-01-31", 1_769_817_600),
        ("2026-01-31T12:00:00Z", 1_769_860_800),
        ("2026-01-31t12:00:00.123456789z", 1_769_860_800),
        ("2026-01-31 12:00:00+02:00", 1_769_853_600),
        ("2026-02-01T12:00:00Z", 1_769_947_200),
    ] {
        let sql = render("recently_modified_files", json!({ "since": since })).expect(since);
        assert!(sql.contains(&format!("mtime > {seconds}\n")), "{since}: {sql}");
    }
    for (since, expected) in [
        (json!("2026-02-01T12:00:01Z"), "in the future"),
        (json!("2026-02-02"), "in the future"),
        (json!("9999-12-01"), "in the future"),
        (json!("1969-12-31"), "before 1970"),
        (json!("0000-01-01T00:00:00Z"), "before 1970"),
        (json!("999999w"), "before 1970"),
        (json!("2026-01-31T12:00:00"), "no time zone"),
        (json!("2026-02-30"), "does not exist"),
        (json!("2026-01-31T25:00:00Z"), "does not exist"),
        (json!("-24h"), "neither a time nor a duration"),
        (json!("0h"), "neither a time nor a duration"),
        (json!("1000000h"), "neither a time nor a duration"),
        (json!("24 h"), "neither a time nor a duration"),
        (json!("h"), "neither a time nor a duration"),
        (json!("24"), "neither a time nor a duration"),
        (json!("1_0h"), "neither a time nor a duration"),
        (json!("yesterday"), "neither a time nor a duration"),
        (json!("2026-01-31T12:00:00Z[UTC]"), "neither a time nor a duration"),
        (json!("2026-01-31T12:00:00.Z"), "neither a time nor a duration"),
        (json!("0 OR 1=1"), "neither a time nor a duration"),
        (json!(""), "neither a time nor a duration"),
        (json!(1_769_860_800), "a number"),
        (json!(false), "a boolean"),
    ] {
        refused("recently_modified_files", "since", &since, expected, "24h");
    }
}

#[test]
fn paths_are_absolute_and_rendered_as_they_are() {
    for (path, directory, below) in [
        ("/", "/", "/%%"),
        ("/tmp", "/tmp", "/tmp/%%"),
        ("/tmp/", "/tmp", "/tmp/%%"),
        (
            "/var/my files (1)/a_b-c+d,e@f=g~",
            "/var/my files (1)/a_b-c+d,e@f=g~",
            "/var/my files (1)/a_b-c+d,e@f=g~/%%",
        ),
        (
            "/opt/a:b/.hidden/..name/...",
            "/opt/a:b/.hidden/..name/...",
            "/opt/a:b/.hidden/..name/.../%%",
        ),
        (
            "/home/zoë/日本語/re\u{301}sume\u{301}",
            "/home/zoë/日本語/re\u{301}sume\u{301}",
            "/home/zoë/日本語/re\u{301}sume\u{301}/%%",
        ),
        ("C:\\", "C:\\", "C:\\%%"),
        ("c:\\Users\\PROGRA~1", "c:\\Users\\PROGRA~1", "c:\\Users\\PROGRA~1\\%%"),
        ("C:\\Temp\\", "C:\\Temp", "C:\\Temp\\%%"),
    ] {
        let sql = render("recent_files", json!({ "directory": path })).expect(path);
        assert!(sql.contains(&format!("directory = '{directory}' AND")), "{path}: {sql}");
        let sql = render("recently_modified_files", json!({ "path": path })).expect(path);
        assert!(sql.contains(&format!("path LIKE '{below}' AND")), "{path}: {sql}");
    }
    assert!(render("recent_files", json!({ "directory": format!("/{}", "x".repeat(1023)) })).is_ok());
}

#[test]
fn a_text_that_is_no_safe_path_is_refused() {
    for (path, expected) in [
        ("", "not an absolute path"),
        ("tmp", "not an absolute path"),
        ("./tmp", "not an absolute path"),
        ("~/tmp", "not an absolute path"),
        ("C:", "not an absolute path"),
        ("C:Temp", "not an absolute path"),
        ("C:/Temp", "not an absolute path"),
        ("\\\\server\\share", "not an absolute path"),
        ("é:\\x", "not an absolute path"),
        ("/tmp' OR '1'='1", "a quote"),
        ("/tmp''", "a quote"),
        ("/tmp\"", "a quote"),
        ("/tmp`id`", "a quote"),
        ("/tmp/%", "a wildcard"),
        ("/tmp/*", "a wildcard"),
        ("/tmp/?", "a wildcard"),
        ("/tmp/[ab]", "a wildcard"),
        ("/tmp/{a,b}", "a wildcard"),
        ("/tmp;", "not accepted in paths"),
        ("/tmp|x", "not accepted in paths"),
        ("/tmp<x", "not accepted in paths"),
        ("/tmp\\x", "not accepted in paths"),
        ("C:\\Temp:stream", "not accepted in paths"),
        ("C:\\Temp/x", "not accepted in paths"),
        ("/tmp\0", "a control character"),
        ("/tmp\n", "a control character"),
        ("/tmp\u{7f}", "a control character"),
        ("/tmp\u{85}", "an invisible character"),
        ("/tmp\u{200b}", "an invisible character"),
        ("/tmp\u{202e}cod", "an invisible character"),
        ("/tmp\u{feff}", "an invisible character"),
        ("/tmp\u{e0041}", "an invisible character"),
        ("//tmp", "two separators"),
        ("/tmp//x", "two separators"),
        ("/tmp//", "two separators"),
        ("//", "two separators"),
        ("C:\\\\Temp", "two separators"),
        ("/tmp/../etc", "a . or .. segment"),
        ("/tmp/..", "a . or .. segment"),
        ("/..", "a . or .. segment"),
        ("/tmp/./x", "a . or .. segment"),
        ("/tmp/.", "a . or .. segment"),
        ("C:\\Temp\\..\\Windows", "a . or .. segment"),
        (&format!("/{}", "x".repeat(1024)), "longer than 1024"),
    ] {
        refused("recent_files", "directory", &json!(path), expected, "an absolute path");
        refused(
            "recently_modified_files",
            "path",
            &json!(path),
            expected,
            "an absolute path",
        );
    }
    for value in [json!(1), json!(null), json!(true), json!(["/tmp"])] {
        refused("recent_files", "directory", &value, "is ", "an absolute path");
    }
}

#[test]
fn a_misspelt_template_is_answered_with_the_list_and_the_likely_one() {
    let error = render("logged_in_user", json!({})).expect_err("misspelt");
    assert!(
        matches!(
            &error,
            TemplateError::UnknownTemplate {
                closest: Some("logged_in_users"),
                ..
            }
        ),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("(did you mean logged_in_users?)"), "{text}");
    for template in Template::all() {
        assert!(text.contains(template.name()), "{text}");
    }
    for (name, closest) in [
        ("Running_Processes", Some("running_processes")),
        ("xyz", None),
        ("", None),
    ] {
        match Template::named(name) {
            Err(TemplateError::UnknownTemplate { closest: found, .. }) => {
                assert_eq!(found, closest, "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_hostile_name_is_shown_short_and_on_one_line() {
    let name = format!("SELECT 1;\n\u{1b}[31m{}", "x".repeat(10_000));
    let of_template = render(&name, json!({})).expect_err("unknown").to_string();
    let of_param = render("logged_in_users", json!({ name: 1 }))
        .expect_err("unknown")
        .to_string();
    for text in [of_template, of_param] {
        assert!(text.len() < 500 && !text.contains(char::is_control), "{text}");
    }
}

#[test]
fn an_unknown_or_missing_param_is_named_with_what_is_accepted() {
    for (template, params, expected) in [
        (
            "running_processes",
            json!({ "limt": 5 }),
            "template running_processes has no param `limt` (did you mean limit?); its params are limit",
        ),
        (
            "process_tree",
            json!({ "pid": 1, "sql": "SELECT 1" }),
            "template process_tree has no param `sql`; its params are pid, max_depth",
        ),
        (
            "process_tree",
            json!({}),
            "template process_tree needs the param pid: an integer from 1 to 999999999",
        ),
        (
            "recent_files",
            json!({ "limit": 5 }),
            "template recent_files needs the param directory: an absolute path such as /var/log or C:\\Temp, without quotes, wildcards or .. in it",
        ),
    ] {
        assert_eq!(render(template, params).expect_err("refused").to_string(), expected);
    }
}

/// Checks that a value is refused, naming the param, the reason and what would be accepted.
fn refused(template: &str, param: &str, value: &Value, reason: &str, accepts: &str) {
    let mut params = required(Template::named(template).expect("a template"));
    params.insert(param.to_owned(), value.clone());
    match render(template, Value::Object(params)) {
        Ok(sql) => panic!("{value} was accepted: {sql}"),
        Err(error) => {
            let text = error.to_string();
            for part in [template, param, reason, accepts] {
                assert!(text.contains(part), "{value}: `{text}` does not say `{part}`");
            }
        }
    }
}
