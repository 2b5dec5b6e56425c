//! Whether a component speaks this host's contract.

/// The contract that this host speaks.
pub const CONTRACT: &str = "playbook:plugin@0.2.0";

/// Whether this is the name of an interface of the contract.
pub(super) fn is_export(name: &str, interface: &str) -> bool {
    let (package, version) = CONTRACT.split_once('@').expect("the contract has a version");
    name == format!("{package}/{interface}@{version}")
}

/// Says in one sentence why a component cannot be linked, where the linker would name a type mismatch.
pub(super) fn check(imports: &[String], exports: &[String]) -> Result<(), String> {
    let (package, version) = CONTRACT.split_once('@').expect("the contract has a version");
    let ours = |name: &str| name.split_once('/').is_some_and(|(of, _)| of == package);
    if let Some(foreign) = imports.iter().find(|name| !ours(name)) {
        return Err(format!(
            "it imports `{foreign}`, and this host offers nothing but {CONTRACT}"
        ));
    }
    let versions = imports.iter().chain(exports).filter(|name| ours(name));
    for name in versions {
        let spoken = name.rsplit_once('@').map_or("none", |(_, version)| version);
        if spoken != version {
            return Err(format!(
                "it was made for {package}@{spoken}, and this host speaks {CONTRACT}"
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
