//! Arbitrary values for params: mostly wrong, often nearly right, sometimes right.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use step_osquery::template::Template;

/// A template and params for it: those without a default are always there, every other may be.
pub(crate) fn template_and_params() -> impl Strategy<Value = (&'static Template, Map<String, Value>)> {
    proptest::sample::select(Template::all().collect::<Vec<_>>()).prop_flat_map(|template| {
        let entries: Vec<_> = template
            .params()
            .iter()
            .map(|param| {
                let given = match param.default() {
                    None => value().prop_map(Some).boxed(),
                    Some(_) => proptest::option::weighted(0.8, value()).boxed(),
                };
                (Just(param.name().to_owned()), given)
            })
            .collect();
        entries.prop_map(move |entries| {
            let params = entries
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
            (template, params)
        })
    })
}

/// Any JSON value, with a liking for what templates take and for what they must not take.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-5..2000_i64).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => prop_oneof![Just(json!(null)), Just(json!(true)), Just(json!([1])), Just(json!({ "limit": 1 }))],
        8 => text().prop_map(Value::from),
    ]
}

fn text() -> impl Strategy<Value = String> {
    // What would change a statement if it came through.
    let fragment = proptest::sample::select(vec![
        "'",
        "''",
        "\"",
        "`",
        ";",
        "--",
        "/*",
        "*/",
        "\\",
        "%",
        "_",
        "\0",
        "\n",
        "\u{2019}",
        "\u{ff07}",
        "(",
        ")",
        " OR 1=1",
        " UNION SELECT 1",
        "x'00'",
        "{limit}",
        "{path/}",
        "..",
        "/",
        "//",
        "LIMIT 0",
        ",",
        "||",
        "CASE",
        "\u{200b}",
    ]);
    let path = r"(/[a-zA-Z0-9_. ~:+-]{1,8}){0,4}/?|[A-Z]:\\[a-z ]{0,5}(\\[a-zé.]{1,4}){0,2}";
    prop_oneof![
        2 => path,
        2 => (path, fragment.clone(), path).prop_map(|(a, b, c)| format!("{a}{b}{c}")),
        2 => r"[0-9]{1,7}[smhdw]?",
        2 => r"(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,3})?(Z|[+-][01][0-9]:[0-5]0)?)?",
        2 => (r"[0-9]{1,4}", fragment.clone()).prop_map(|(a, b)| format!("{a}{b}")),
        1 => proptest::collection::vec(fragment, 0..5).prop_map(|parts| parts.concat()),
        1 => any::<String>(),
        1 => any::<String>().prop_map(|text| format!("/{text}")),
    ]
}
