//! From the start of the process to the first byte on the wire.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::table::{Table, median, ms, ratio};
use crate::{Outcome, child};

/// How often each start is measured.
const STARTS: usize = 41;

/// The same with nothing in the cache, which compiles the plugin.
const COLD_STARTS: usize = 5;

pub(crate) fn measure(table: &mut Table) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("playbook.yaml");
    std::fs::write(&file, playbook(&url))?;
    let command = || {
        let mut command = child::playbook()?;
        command.arg("run").arg(&file);
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(command)
    };
    let (mut warm, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        warm.push(first_byte(&listener, command()?)?);
        bare.push(first_byte(&listener, child::part(&["request", &url])?)?);
    }
    let cold = (0..COLD_STARTS).map(|number| {
        let mut command = command()?;
        command.env("XDG_CACHE_HOME", directory.path().join(format!("cold-{number}")));
        first_byte(&listener, command)
    });
    let cold = cold.collect::<Outcome<Vec<_>>>()?;
    let (warm, bare) = (median(warm), median(bare));
    table.add(
        "`playbook run`, from process start to the first byte on the wire",
        ms(warm),
        format!(
            "a program that makes one request with reqwest: {}, {}",
            ms(bare),
            ratio(warm, bare)
        ),
        "20 ms, 2×",
    );
    table.add("the same with an empty cache", ms(median(cold)), "", "600 ms");
    Ok(())
}

fn playbook(url: &str) -> String {
    format!(
        "id: users
name: Who is logged in
type: osquery_live_query
params:
  backend: fleetdm
  base_url: {url}
  api_token: '{{{{ secrets.fleetdm_token }}}}'
  template: logged_in_users
  target_hosts: [host-1.corp.example]
  timeout_seconds: 5
"
    )
}

/// Starts a process and waits for the first byte that it sends. It then gets no answer.
fn first_byte(listener: &TcpListener, mut command: Command) -> Outcome<Duration> {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let (mut connection, _) = listener.accept()?;
    connection.read_exact(&mut [0])?;
    let took = began.elapsed();
    drop(connection);
    child.kill()?;
    child.wait()?;
    Ok(took)
}

/// A program that makes one request.
pub(crate) fn request(url: &str) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = reqwest::Client::builder().build()?.get(url).send().await?;
        println!("{}", answer.text().await?.len());
        Ok(())
    })
}
