//! Serves a simulated fleet manager until it is interrupted: `cargo run -p sim --example serve -- fleet|osctrl FILE.json`.
//! The file describes a [`sim::fleet::Fleet`] or a [`sim::osctrl::Osctrl`]. Prints the server's address.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "an example that prints addresses"
)]

use std::error::Error;

use sim::fleet::FleetServer;
use sim::osctrl::OsctrlServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, file] = args.as_slice() else {
        return Err("usage: serve fleet|osctrl FILE.json".into());
    };
    let description = std::fs::read_to_string(file)?;
    match kind.as_str() {
        "fleet" => {
            let server = FleetServer::start(serde_json::from_str(&description)?).await?;
            serve(server.url()).await;
        }
        "osctrl" => {
            let server = OsctrlServer::start(serde_json::from_str(&description)?).await?;
            serve(server.url()).await;
        }
        other => return Err(format!("`{other}` is neither fleet nor osctrl").into()),
    }
    Ok(())
}

/// Says where, and then lets the server run: it serves for as long as it is not dropped.
async fn serve(url: &str) {
    println!("{url}");
    std::future::pending::<()>().await;
}
