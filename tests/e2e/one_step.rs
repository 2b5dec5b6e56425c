//! A playbook of one step, and the servers that it asks.

use std::path::Path;

use serde_json::{Value, json};
use sim::Host;
use sim::fleet::{Fleet, FleetServer};

/// The token of the servers; playbooks have it as `{{ secrets.token }}`.
pub(crate) const TOKEN: &str = "a-token-that-must-never-be-seen";

/// The host that is asked unless a test says otherwise.
pub(crate) const HOST: &str = "host-1";

pub(crate) fn host(name: &str) -> Host {
    Host {
        hostname: name.into(),
        ..Host::default()
    }
}

pub(crate) async fn fleet(hosts: Vec<Host>) -> FleetServer {
    let fleet = Fleet {
        token: TOKEN.into(),
        hosts,
        ..Fleet::default()
    };
    FleetServer::start(fleet).await.unwrap()
}

/// Writes a playbook whose step has these params, and of the step itself `more`. Returns its path.
pub(crate) fn write(folder: &Path, params: &Value, more: &Value) -> String {
    let mut step = json!({"id": "ask", "type": "osquery_live_query", "params": {
        "backend": "fleetdm",
        "api_token": "{{ secrets.token }}",
        "template": "logged_in_users",
        "target_hosts": [HOST],
    }});
    let set = |map: &mut Value, values: &Value| {
        let values = values.as_object().unwrap().clone();
        map.as_object_mut().unwrap().extend(values);
    };
    set(&mut step["params"], params);
    set(&mut step, more);
    let path = folder.join("playbook.yaml");
    std::fs::write(&path, json!([step]).to_string()).unwrap();
    path.display().to_string()
}
