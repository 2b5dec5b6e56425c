//! The command line, flag by flag.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum, ValueHint};

use crate::help;

/// Runs security playbooks whose steps are sandboxed WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "playbook", version = help::VERSION.as_str(), after_help = help::ALL, max_term_width = 100)]
pub(crate) struct Args {
    /// Say more on stderr: -v what plugins log, -vv also what the runner does
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a playbook
    #[command(after_help = help::RUN)]
    Run(RunArgs),
    /// Print a recorded run again, as `run` printed it
    #[command(after_help = help::SHOW)]
    Show(ShowArgs),
    /// Run the steps of a recorded run again, offline, and compare what comes of them
    #[command(after_help = help::REPLAY)]
    Replay(ReplayArgs),
    /// Check playbooks and connector files without running them; no network
    #[command(after_help = help::VALIDATE)]
    Validate(ValidateArgs),
    /// Run the tests of playbooks: no network, and what steps return is given
    #[command(after_help = help::TEST)]
    Test(TestArgs),
    /// Say what a kind of problem means, with an example; without CODE, list all kinds
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Poll a connector on its interval, and deliver what changed as events
    #[command(after_help = help::POLL)]
    Poll(PollArgs),
    /// Test a connector's connection: who we are, and whether that suffices
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// List the texts that steps may send; with a name, show one
    #[command(after_help = help::TEMPLATES)]
    Templates(TemplatesArgs),
    /// Print a JSON Schema, or write all of them, for editors
    #[command(after_help = help::SCHEMA)]
    Schema(SchemaArgs),
    /// Write a playbook and a connector file to begin with
    #[command(after_help = help::INIT)]
    Init(InitArgs),
    /// Look into plugins
    #[command(after_help = help::PLUGIN)]
    Plugin(PluginArgs),
    /// Run a shipped playbook against simulated servers on this machine
    #[command(after_help = help::DEMO)]
    Demo(DemoArgs),
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Print the manual page; with a directory, write those of all commands
    #[command(after_help = help::MAN)]
    Man(ManArgs),
}

/// Which plugins to load.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct PluginsArgs {
    /// Load this plugin; the built-in one too unless this provides the same step type
    #[arg(long = "plugin", value_name = "FILE.wasm")]
    pub(crate) plugins: Vec<PathBuf>,
    /// Load no plugin that is not in this lock file; by default playbook.lock beside the first file, if it is there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) lock: Option<PathBuf>,
}

/// Where secrets come from, besides the environment.
#[derive(Debug, clap::Args)]
pub(crate) struct SecretsArgs {
    /// Secrets, a YAML map of names to values; readable by you alone
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
    /// Run this for secrets that are in neither file nor environment, such as `pass show soc/{name}`; without `{name}`,
    /// it prints a YAML map
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    pub(crate) secrets_command: Option<String>,
    #[cfg(feature = "keyring")]
    /// Look in the system's keyring, under this service, for secrets that are nowhere else
    #[arg(long, value_name = "SERVICE")]
    pub(crate) secrets_keyring: Option<String>,
}

/// What plugins may reach and use.
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    /// A policy: which servers may be reached, and what a plugin may use
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Let steps reach this server only; repeat for more. Of a policy's servers, only those that are also named here
    #[arg(long = "allow-origin", value_name = "URL")]
    pub(crate) allow_origins: Vec<String>,
    /// Let steps and sinks reach servers of other machines over http, where anybody on the way can read and change what is sent
    #[arg(long)]
    pub(crate) allow_http: bool,
    /// Let steps reach no private address, and none of this machine
    #[arg(long)]
    pub(crate) deny_private: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables, for people
    Table,
    /// One JSON object, for programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunOutput {
    /// Tables, for people
    Table,
    /// One JSON object, for programs
    Json,
    /// JSON objects, one a line, each as soon as it is known: what each host answered, steps that ended, the run
    Ndjson,
}

/// How to show a run.
#[derive(Debug, clap::Args)]
pub(crate) struct ViewArgs {
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = RunOutput::Table)]
    pub(crate) output: RunOutput,
    /// Do not cut values to the width of the terminal
    #[arg(long)]
    pub(crate) wide: bool,
    /// Also write the run as one HTML page, readable by you alone
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

/// What to keep of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    /// Keep a record of the run in this directory, as RUN-ID.json, readable by you alone
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with_all = ["dry_run", "check"])]
    pub(crate) record: Option<PathBuf>,
    /// Keep in the record what the steps said to their servers and heard, without secrets, for `playbook replay`
    #[arg(long, requires = "record")]
    pub(crate) record_traffic: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The playbook
    pub(crate) file: PathBuf,
    /// The alert, a JSON object, as {{ alert.… }} in the playbook; `-` reads stdin
    #[arg(long, value_name = "FILE|-")]
    pub(crate) alert: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretsArgs,
    /// Set {{ vars.NAME }}
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(crate) vars: Vec<String>,
    /// Run only this step
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Option<String>,
    /// Skip steps whose type no loaded plugin provides
    #[arg(long)]
    pub(crate) skip_unknown_steps: bool,
    /// Show what each step would do, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The same, and also ask the servers whether each step could run and which hosts its targets are; asks no host
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) keep: RecordArgs,
    #[command(flatten)]
    pub(crate) plugins: PluginsArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The record
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The record, of a run with --record-traffic
    pub(crate) file: PathBuf,
    /// Run only this step again
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Option<String>,
    #[command(flatten)]
    pub(crate) plugins: PluginsArgs,
    /// How to print how they compare
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// The playbooks and connector files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Check this alert, too, and fill it in
    #[arg(long, value_name = "FILE|-")]
    pub(crate) alert: Option<PathBuf>,
    /// Check this file of secrets, too, and fill them in
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
    /// Set {{ vars.NAME }}
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(crate) vars: Vec<String>,
    /// Take steps whose type no loaded plugin provides as skipped
    #[arg(long)]
    pub(crate) skip_unknown_steps: bool,
    #[command(flatten)]
    pub(crate) plugins: PluginsArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// How to print the problems
    #[arg(short, long, value_enum, default_value_t = ProblemOutput::Table)]
    pub(crate) output: ProblemOutput,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// The files of tests, or playbooks: `triage.test.yaml` has the tests of `triage.yaml`
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Skip steps whose type no loaded plugin provides
    #[arg(long)]
    pub(crate) skip_unknown_steps: bool,
    #[command(flatten)]
    pub(crate) plugins: PluginsArgs,
    /// How to print what came of them
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProblemOutput {
    /// The lines, with what is wrong underlined, for people
    Table,
    /// A list of JSON objects, for programs
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The kind of problem, as in `error[CODE]`
    pub(crate) code: Option<String>,
}

/// Which connector, and with what.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectorArgs {
    /// The connector file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) secrets: SecretsArgs,
    /// Set {{ vars.NAME }}
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(crate) vars: Vec<String>,
    #[command(flatten)]
    pub(crate) plugins: PluginsArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PollArgs {
    #[command(flatten)]
    pub(crate) connector: ConnectorArgs,
    /// Poll each stream once, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Where to remember what was polled; by default playbook in your state directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,
    /// Where events go: `-` for stdout, a file, or an http or https URL; several get all events each
    #[arg(long = "sink", value_name = "-|FILE|URL", value_hint = ValueHint::AnyPath)]
    pub(crate) sinks: Vec<String>,
    /// A header for the URLs, such as `Authorization: Bearer {{ secrets.ingest_token }}`
    #[arg(long = "sink-header", value_name = "NAME: VALUE", requires = "sinks")]
    pub(crate) sink_headers: Vec<String>,
    /// The form of the events: aisoc, ocsf or ecs
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<String>,
    /// Serve counters for Prometheus at `http://ADDR/metrics`; a port alone is 127.0.0.1's
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) connector: ConnectorArgs,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TemplatesArgs {
    /// The template to show
    pub(crate) name: Option<String>,
    /// Fill in a parameter, and print the text that would be sent
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "name")]
    pub(crate) params: Vec<String>,
    #[command(flatten)]
    pub(crate) plugins: PluginsArgs,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// `playbook`, `connector`, `test`, `run`, `run-event`, `plan`, `policy`, `record`, `plugin`, a step type, or `CONNECTOR.config` and the like. Without a name: list them
    pub(crate) name: Option<String>,
    /// Write all of them, as NAME.schema.json
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "name")]
    pub(crate) all: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plugins: PluginsArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Where to; by default here
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plugins: PluginsArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Show what a plugin imports, exports and provides, without running it
    #[command(after_help = help::INSPECT)]
    Inspect(InspectArgs),
    /// Write down which plugins may be loaded
    #[command(after_help = help::LOCK)]
    Lock(LockArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// The component; without it, the built-in one
    pub(crate) file: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LockArgs {
    /// The components: all that may be loaded besides the built-in one
    #[arg(required = true, value_name = "FILE.wasm", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// The lock file to write; by default playbook.lock here
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) lock: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// Where to write the pages; without it, the first is printed
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}
