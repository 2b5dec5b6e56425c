//! A host as lists and single reads show it.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::inventory::FleetHost;
use super::state::State;

/// What all hosts have in common, as the rest of an object. It is most of a host: as text it makes pages cheap.
static COMMON: LazyLock<String> = LazyLock::new(|| {
    let common: Value = serde_json::from_str(include_str!("host.json")).expect("the shipped host is valid JSON");
    common.to_string().replacen('{', ",", 1)
});

/// What is a host's own.
#[derive(Serialize)]
pub(super) struct HostBody<'h> {
    pub(super) id: u64,
    pub(super) uuid: &'h str,
    pub(super) hostname: &'h str,
    pub(super) computer_name: &'h str,
    pub(super) display_name: String,
    display_text: &'h str,
    pub(super) platform: &'h str,
    platform_like: &'h str,
    pub(super) os_version: &'static str,
    pub(super) hardware_serial: &'h str,
    pub(super) primary_ip: String,
    primary_mac: String,
    team_id: Option<u64>,
    pub(super) team_name: Option<&'h str>,
    #[serde(flatten)]
    renamed: Option<Renamed<'h>>,
    status: &'static str,
    pub(super) seen_time: String,
    detail_updated_at: String,
    last_enrolled_at: String,
    pub(super) created_at: String,
    pub(super) updated_at: String,
}

/// The names that teams have since 4.82.
#[derive(Serialize)]
struct Renamed<'h> {
    fleet_id: Option<u64>,
    fleet_name: Option<&'h str>,
}

impl<'h> HostBody<'h> {
    pub(super) fn of(state: &'h State, host: &'h FleetHost, now: Timestamp) -> Self {
        let (enrolled, platform) = (&host.enrolled, host.enrolled.host.platform.as_str());
        let team = state.fleet.team(host.team).ok().flatten();
        let team_name = team.map(|team| team.name.as_str());
        let seen = host.seen(now).to_string();
        let created = host.created.to_string();
        Self {
            id: enrolled.id,
            uuid: &enrolled.facts.uuid,
            hostname: &enrolled.facts.hostname,
            computer_name: &enrolled.computer_name,
            display_name: host.display_name(),
            display_text: &enrolled.facts.hostname,
            platform,
            platform_like: if platform == "ubuntu" { "debian" } else { platform },
            os_version: match platform {
                "darwin" => "macOS 15.5",
                "windows" => "Windows 11 Pro 24H2 10.0.26100.4061",
                "ubuntu" => "Ubuntu 24.04.2 LTS",
                _ => "Debian GNU/Linux 12",
            },
            hardware_serial: &enrolled.serial,
            primary_ip: primary_ip(enrolled.id),
            primary_mac: format!("02:00:00:{:02x}:{:02x}:{:02x}", id(host, 16), id(host, 8), id(host, 0)),
            team_id: host.team,
            team_name,
            renamed: state.has_reports().then_some(Renamed {
                fleet_id: host.team,
                fleet_name: team_name,
            }),
            status: host.status(),
            detail_updated_at: seen.clone(),
            updated_at: seen.clone(),
            seen_time: seen,
            last_enrolled_at: created.clone(),
            created_at: created,
        }
    }

    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a host is JSON");
        text.pop();
        text + &COMMON
    }
}

/// The address of the host with this id.
pub(super) fn primary_ip(id: u64) -> String {
    format!("10.{}.{}.{}", 20 + id / 62_500, id / 250 % 250, id % 250)
}

/// A byte of a host's id.
fn id(host: &FleetHost, shift: u32) -> u8 {
    (host.id() >> shift) as u8
}
