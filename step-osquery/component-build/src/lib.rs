//! Compiles a guest for `wasm32-unknown-unknown` and makes a component of it. For build scripts.
//!
//! The same tree gives the same bytes, wherever it lies: paths are mapped to fixed names, and every path crate is inside
//! the workspace, whose root cargo leaves out of its hashes.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "build scripts talk to cargo through the environment and standard output"
)]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};
use wasm_encoder::ComponentSection as _;

const TARGET: &str = "wasm32-unknown-unknown";

const MISSING_TARGET: &str =
    "the plugin is compiled for wasm32-unknown-unknown, which is not installed. One of these helps:
  rustup target add wasm32-unknown-unknown
  apt-get install --no-install-recommends rustc-web rust-web-src     (Debian, as root)";

/// What the outer cargo tells this script and must not reach the inner one.
const PREFIXES: [&str; 4] = ["CARGO", "RUST", "DEP_", "CLIPPY"];
const NAMES: [&str; 11] = [
    "TARGET",
    "HOST",
    "OUT_DIR",
    "OPT_LEVEL",
    "DEBUG",
    "PROFILE",
    "NUM_JOBS",
    "MAKEFLAGS",
    "CC",
    "CFLAGS",
    "LD_LIBRARY_PATH",
];

/// What the inner cargo needs all the same: where crates come from, and which toolchain rustup picks.
const KEPT: [&str; 6] = [
    "CARGO_HOME",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "RUSTUP_",
];

/// A compiler and how it gets a standard library for the target.
struct Toolchain {
    rustc: PathBuf,
    /// Built from its sources, because the target is not installed.
    build_std: bool,
}

/// A crate of this workspace that is a plugin.
#[derive(Debug, Clone, Copy)]
pub struct Guest<'a> {
    /// The package.
    pub package: &'a str,
    /// Files and folders, from the workspace's root, that the component depends on besides the contract.
    pub inputs: &'a [&'a str],
    /// A file from the workspace's root that says what the plugin provides: it is put into the component.
    pub provides: &'a str,
    /// The environment variable that can name a component to take instead.
    pub prebuilt: Option<&'a str>,
}

/// Compiles the guest, and writes the component to a file in `OUT_DIR`, with its SHA-256 in another. To be called by a build script.
///
/// The crates that guests have in common are compiled once if one guest's `target_dir` is given to the next.
#[allow(clippy::missing_panics_doc, reason = "a build script can do nothing better")]
pub fn build(guest: Guest<'_>, target_dir: Option<&Path>, file: &str) {
    let out = PathBuf::from(variable("OUT_DIR"));
    let component = out.join(file);
    if let Some(name) = guest.prebuilt {
        println!("cargo::rerun-if-env-changed={name}");
        if let Some(prebuilt) = env::var_os(name) {
            println!("cargo::rerun-if-changed={}", Path::new(&prebuilt).display());
            write(
                &component,
                &fs::read(&prebuilt).expect("the variable names a readable file"),
            );
            return;
        }
    }
    // Asked at run time: checkouts that share a target directory share this crate's compiled form, too.
    let script = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = script.ancestors().find(|folder| folder.join("wit").is_dir());
    let root = root.expect("the build script is in the workspace, which has the contract");
    let contract = ["wit", "Cargo.toml", "Cargo.lock", guest.provides];
    for source in guest.inputs.iter().chain(&contract) {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let target_dir = target_dir.map_or_else(|| out.join("guest"), Path::to_owned);
    println!("cargo::metadata=guest={}", target_dir.display());
    let core = compile(guest.package, &Toolchain::find(), root, &target_dir);
    let core = fs::read(core).expect("cargo said it made this file");
    let mut encoded = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&core)
        .and_then(wit_component::ComponentEncoder::encode)
        .expect("the guest implements the contract");
    let provides = fs::read_to_string(root.join(guest.provides)).expect("what the guest provides is written down");
    let contract = fs::read_to_string(root.join("wit/plugin.wit")).expect("the contract is in the workspace");
    let section = wasm_encoder::CustomSection {
        name: SECTION.into(),
        data: statement(&contract, &provides).into_bytes().into(),
    };
    section.append_to_component(&mut encoded);
    write(&component, &encoded);
}

/// Writes a component, and its SHA-256 beside it.
fn write(path: &Path, component: &[u8]) {
    let sha256 = format!("{:x}", Sha256::digest(component));
    let beside = path.with_added_extension("sha256");
    fs::write(path, component)
        .and_then(|()| fs::write(beside, sha256))
        .expect("OUT_DIR can be written");
}

/// The custom section in which a component says what it is, so that nobody has to run it to know.
const SECTION: &str = "playbook:plugin";

/// What stands in that section: a JSON object with the contract and what the plugin provides.
fn statement(contract: &str, provides: &str) -> String {
    let package = contract.lines().find_map(|line| line.strip_prefix("package "));
    let package = package
        .and_then(|rest| rest.strip_suffix(';'))
        .expect("the contract has a name");
    let provides = provides
        .trim()
        .strip_prefix('{')
        .expect("what is provided is a JSON object");
    format!("{{\"contract\": \"{package}\",{provides}")
}

impl Toolchain {
    /// The toolchain in use if it has the target, else the first one that has the sources of the standard library.
    fn find() -> Self {
        println!("cargo::rerun-if-env-changed=RUSTC");
        let current = PathBuf::from(variable("RUSTC"));
        if has_target(&current) {
            return Self {
                rustc: current,
                build_std: false,
            };
        }
        let candidates = [current, "rustc".into(), "/usr/bin/rustc".into()];
        let with_sources = candidates.into_iter().find(|rustc| {
            sysroot(rustc).is_some_and(|root| root.join("lib/rustlib/src/rust/library/std/Cargo.toml").exists())
        });
        match with_sources {
            Some(rustc) => Self { rustc, build_std: true },
            None => panic!("{MISSING_TARGET}"),
        }
    }
}

/// Runs cargo for the guest and returns the core module's path.
fn compile(package: &str, toolchain: &Toolchain, root: &Path, target_dir: &Path) -> PathBuf {
    let mut cargo = Command::new(variable("CARGO"));
    for (name, _) in env::vars_os() {
        if is_ours(&name) {
            cargo.env_remove(name);
        }
    }
    cargo
        .current_dir(root)
        .env("RUSTC", &toolchain.rustc)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(toolchain, root, target_dir).join("\u{1f}"),
        )
        .args([
            "build",
            "--locked",
            "--package",
            package,
            "--lib",
            "--profile",
            "component",
            "--target",
            TARGET,
        ])
        // A directory of its own: the outer cargo holds the lock of the usual one.
        .arg("--target-dir")
        .arg(target_dir);
    if toolchain.build_std {
        cargo
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["-Z", "build-std=std,panic_abort"]);
    }
    let status = cargo.status().expect("cargo runs, since it runs this script");
    assert!(
        status.success(),
        "the plugin did not compile; cargo's messages stand above"
    );
    let file = format!("{}.wasm", package.replace('-', "_"));
    target_dir.join(TARGET).join("component").join(file)
}

fn flags(toolchain: &Toolchain, root: &Path, target_dir: &Path) -> Vec<String> {
    let mut flags = Vec::new();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cargo")));
    // The last matching prefix wins, so the target directory, which may lie inside the tree, comes after it.
    let mapped = [
        (sysroot(&toolchain.rustc), "/sysroot"),
        (cargo_home, "/cargo"),
        (Some(root.to_owned()), "/source"),
        (Some(target_dir.to_owned()), "/target"),
    ];
    for (path, name) in mapped {
        if let Some(path) = path {
            flags.push(format!("--remap-path-prefix={}={name}", path.display()));
        }
    }
    if toolchain.build_std
        && let Some(linker) = rust_lld(&toolchain.rustc)
    {
        flags.push(format!("-Clinker={}", linker.display()));
    }
    flags
}

/// The linker for WebAssembly. Toolchains of distributions may lack it; any other toolchain's does.
fn rust_lld(rustc: &Path) -> Option<PathBuf> {
    let host = variable("HOST");
    let in_sysroot = |root: PathBuf| root.join("lib/rustlib").join(&host).join("bin/rust-lld");
    let of_rustc = [rustc, Path::new(&variable("RUSTC"))].map(|rustc| sysroot(rustc).map(in_sysroot));
    let on_path = ["/usr/bin/rust-lld", "/usr/bin/wasm-ld", "/usr/bin/lld"].map(|path| Some(PathBuf::from(path)));
    of_rustc.into_iter().chain(on_path).flatten().find(|path| path.exists())
}

/// `--print target-libdir` names a directory even when the target is not installed, so its content decides.
fn has_target(rustc: &Path) -> bool {
    let Some(directory) = print(rustc, &["target-libdir", "--target", TARGET]) else {
        return false;
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    print(rustc, &["sysroot"]).map(PathBuf::from)
}

fn print(rustc: &Path, what: &[&str]) -> Option<String> {
    let output = Command::new(rustc)
        .arg("--print")
        .args(what)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn is_ours(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&&*name);
    ours && !KEPT.iter().any(|kept| name.starts_with(kept))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
