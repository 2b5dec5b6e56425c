//! Events of hosts whose posture changed.

use std::rc::Rc;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::contract::Severity;
use crate::event::{About, Event, HostRef, Source, digest_of};
use crate::fleet::posture::Posture;
use crate::fleet::wire::Host;

/// Returns the event of a host whose posture is now this.
pub(super) fn posture_event(source: &Source, host: &Host, after: &Posture, now: Timestamp, raw: &RawValue) -> Event {
    let status = if after.flapping { "flapping" } else { &after.status };
    let id = host.id.to_string();
    let (seq, at) = (after.seq.to_string(), after.at.to_string());
    // The id, since a host that is only enrolling has no uuid yet. The time sets apart a host that was forgotten and
    // came back.
    let parts = [source.connector, &source.origin, "host", &id, status, &seq, &at];
    let severity = match status {
        "flapping" => Severity::of_status("offline"),
        status => Severity::of_status(status),
    };
    Event {
        severity,
        title: format!("FleetDM host status: {status}"),
        description: format!(
            "hostname={} platform={} os={}{}",
            host.hostname,
            host.platform,
            host.os_version,
            if after.flapping {
                format!(
                    " last status={}; its changes are not told until it settles",
                    after.status
                )
            } else {
                String::new()
            }
        ),
        alert_id: format!("{}-host-{id}-{status}", source.connector),
        dedupe_key: digest_of(&parts),
        about: About::Host {
            status: status.to_owned(),
            platform: host.platform.clone(),
            os_version: host.os_version.clone(),
            raw: raw.to_owned(),
        },
        host: Some(Rc::new(HostRef {
            hostname: host.hostname.clone(),
            id: id.clone(),
        })),
        external_id: id,
        time: now,
    }
}
