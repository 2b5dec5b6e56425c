//! Whether a component speaks this host's contract.

use semver::Version;

/// The contract that this host speaks, in its latest version. Plugins that were made for another version run, too, if semantic
/// versioning says that the versions are compatible.
pub const CONTRACT: &str = "playbook:plugin@0.2.0";

/// The package of the contract, and the version that this host speaks.
fn spoken() -> (&'static str, Version) {
    let (package, version) = CONTRACT.split_once('@').expect("the contract has a version");
    (package, version.parse().expect("it is a semantic version"))
}

/// Whether this is the name of an interface of the contract, in a version that this host speaks.
pub(super) fn is_export(name: &str, interface: &str) -> bool {
    let (package, _) = spoken();
    let of_name = name.strip_prefix(package).and_then(|rest| rest.strip_prefix('/'));
    of_name
        .and_then(|rest| rest.split_once('@'))
        .is_some_and(|(named, version)| named == interface && is_spoken(version))
}

/// Whether this names the contract, in a version that this host speaks.
pub(super) fn is_contract(name: &str) -> bool {
    let (package, _) = spoken();
    name.split_once('@')
        .is_some_and(|(named, version)| named == package && is_spoken(version))
}

/// Whether a plugin that was made for this version runs on this host, unless it needs something that was added later.
fn is_spoken(version: &str) -> bool {
    let (_, host) = spoken();
    Version::parse(version).is_ok_and(|plugin| {
        let track = |version: &Version| match version.major {
            0 => (0, version.minor),
            major => (major, 0),
        };
        track(&plugin) == track(&host) && plugin.pre.is_empty()
    })
}

/// The version of a component's contract, if it is later than this host's.
pub(super) fn later(imports: &[String], exports: &[String]) -> Option<Version> {
    let (_, host) = spoken();
    let versions = imports.iter().chain(exports).filter_map(|name| name.rsplit_once('@'));
    let versions = versions.filter_map(|(_, version)| Version::parse(version).ok());
    versions.max().filter(|version| *version > host)
}

/// Says in one sentence why a component cannot be linked, where the linker would name a type mismatch.
pub(super) fn check(imports: &[String], exports: &[String]) -> Result<(), String> {
    let (package, version) = spoken();
    let ours = |name: &str| name.split_once('/').is_some_and(|(of, _)| of == package);
    if let Some(foreign) = imports.iter().find(|name| !ours(name)) {
        return Err(format!(
            "it imports `{foreign}`, and this host offers nothing but {CONTRACT}"
        ));
    }
    let versions = imports.iter().chain(exports).filter(|name| ours(name));
    for name in versions {
        let made_for = name.rsplit_once('@').map_or("none", |(_, version)| version);
        if !is_spoken(made_for) {
            return Err(format!(
                "it was made for {package}@{made_for}, and this host speaks {CONTRACT}"
            ));
        }
    }
    if !exports
        .iter()
        .any(|name| is_export(name, "step") || is_export(name, "connector"))
    {
        return Err(format!(
            "it provides nothing: neither `{package}/step@{version}` nor `{package}/connector@{version}` is among its exports"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compatible_as_semantic_versioning_says() {
        for (version, is_one) in [
            ("0.2.0", true),
            ("0.2.7", true),
            ("0.2.7+build", true),
            ("0.2.7-rc.1", false),
            ("0.1.9", false),
            ("0.3.0", false),
            ("1.2.0", false),
            ("0.2", false),
            ("", false),
        ] {
            assert_eq!(
                is_export(&format!("playbook:plugin/step@{version}"), "step"),
                is_one,
                "{version}"
            );
            assert_eq!(is_contract(&format!("playbook:plugin@{version}")), is_one, "{version}");
        }
        for other in [
            "playbook:plugins/step@0.2.0",
            "playbook:plugin/steps@0.2.0",
            "playbook:plugin/step",
        ] {
            assert!(!is_export(other, "step"), "{other}");
        }
    }
}
