//! Templates of params that decide, and alerts that must not.

use playbook_host::Playbook;
use serde_json::json;

use crate::files::{RUNNER, RUNTIME, inputs, shown};

/// A template for a param that decides where, as whom or what: whatever it is, two alerts give one plan, and none of them shows
/// in it. The first byte chooses the param.
pub fn provenance(data: &[u8]) {
    const DECIDING: [&str; 6] = [
        "base_url",
        "environment",
        "username",
        "template",
        "backend",
        "verify_tls",
    ];
    const CANARIES: [&str; 2] = ["canary1q", "canary2q"];
    let Some((choice, template)) = data.split_first() else {
        return;
    };
    let Ok(template) = std::str::from_utf8(template) else {
        return;
    };
    if CANARIES.iter().any(|canary| template.contains(canary)) {
        return;
    }
    let mut params = json!({
        "backend": "osctrl", "environment": "production", "base_url": "https://osctrl.example.com",
        "username": "{{ vars.user }}", "password": "{{ secrets.token }}",
        "template": "logged_in_users", "target_hosts": ["{{ alert.host }}"],
    });
    params[DECIDING[usize::from(*choice) % DECIDING.len()]] = template.into();
    let mut step = json!({"id": "ask", "type": "osquery_live_query", "params": params});
    if choice & 0x80 != 0 {
        step["for_each"] = "{{ alert.items }}".into();
    }
    let Ok(playbook) = Playbook::parse("provenance.yaml", &json!([step]).to_string()) else {
        return;
    };
    let plans = CANARIES.map(|canary| {
        let item = json!({"url": format!("https://{canary}.example"), "name": canary, canary: 1});
        let alert = json!({
            "host": canary, "url": format!("https://{canary}.example"), "template": canary, "on": canary == CANARIES[0],
            "items": [item, canary], canary: canary, "nested": {"list": [canary, {"url": canary}]},
        });
        let mut inputs = inputs(alert);
        inputs.vars.insert("user".to_owned(), "soc".into());
        let prepared = shown(data, RUNNER.prepare(playbook.clone(), inputs))?;
        let plan = RUNTIME.block_on(RUNNER.plan(&prepared, jiff::Timestamp::UNIX_EPOCH));
        let calls = plan.steps.iter().flat_map(|step| &step.calls).map(|call| {
            let server = call.server.as_ref().map(|server| (&server.origin, server.verify_tls));
            let template = call.template.as_ref().map(|template| &template.name);
            let environment = call.params.get("environment");
            let backend = call.params.get("backend");
            format!(
                "{server:?} {:?} {template:?} {environment:?} {backend:?}",
                call.credentials
            )
        });
        let decided: Vec<String> = calls.collect();
        for canary in CANARIES {
            assert!(!decided.concat().to_lowercase().contains(canary), "{decided:?}");
        }
        Some(decided)
    });
    if let [Some(one), Some(other)] = plans {
        assert_eq!(one, other);
    }
}
