//! What `--help` says after the flags: examples, and the exit statuses.

use std::sync::LazyLock;

use playbook_host::sandbox::{CONTRACT, RUNTIME};

/// What `--version` says after the name.
pub(crate) static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (contract {CONTRACT}, {RUNTIME})", env!("CARGO_PKG_VERSION")));

pub(crate) const ALL: &str = "\
Examples:
  playbook init triage
  playbook validate triage/playbook.yaml
  playbook test triage/playbook.yaml
  playbook run triage/playbook.yaml --alert alert.json

Exit status:
  0    success
  1    a step failed; polling or a check failed
  2    the input was invalid, and nothing was sent
  3    finished, but something is missing from the result
  130  interrupted";

pub(crate) const RUN: &str = "\
Examples:
  playbook run triage.yaml --alert alert.json --secrets secrets.yaml
  echo '{\"host\": \"web-01\"}' | playbook run triage.yaml --alert - --output json
  playbook run triage.yaml --alert alert.json --check
  playbook run triage.yaml --alert alert.json --output ndjson | jq 'select(.event == \"part\")'
  playbook run triage.yaml --alert alert.json --record records --record-traffic

Secrets come from --secrets or the environment: {{ secrets.api_token }} is PLAYBOOK_SECRET_API_TOKEN.
Results go to stdout, everything else to stderr.

Exit status: 0 success, 1 a step failed, 2 invalid input (nothing was sent), 3 partial, 130 interrupted; with --dry-run or --check, 1 a step would fail or something that was found is not as it should be";

pub(crate) const SHOW: &str = "\
Examples:
  playbook show records/019a2f7e-3c51-7d8e-9b0a-6f1c2d3e4a5b.json
  playbook show record.json --report run.html

Exit status: 0 it was shown, however the run had ended, 2 it is no record that can be read";

pub(crate) const REPLAY: &str = "\
Examples:
  playbook run triage.yaml --alert alert.json --record records --record-traffic
  playbook replay records/019a2f7e-3c51-7d8e-9b0a-6f1c2d3e4a5b.json
  playbook replay record.json --plugin fixed.wasm

Nothing is sent, and no secret is needed: what a plugin asks its server for is answered from the record. A request that the record does not have ends the step, and is named.

Exit status: 0 all as recorded, 1 something differs, 2 it is no record that can be read, or was made without --record-traffic";

pub(crate) const VALIDATE: &str = "\
Examples:
  playbook validate playbooks/*.yaml
  playbook validate triage.yaml --alert alert.json --secrets secrets.yaml
  playbook validate playbooks/*.yaml --output sarif > playbooks.sarif

With --alert, --secrets or --var the templates are filled in, too, as `run` would do before it sends anything. `playbook explain CODE` says more about a problem.

Exit status: 0 all valid, 2 not all";

pub(crate) const TEST: &str = "\
Examples:
  playbook test triage.yaml
  playbook test playbooks/*.test.yaml --output json

A case has an alert, what steps return, and what is expected: which steps run, where the run branches, the params and the text that would be sent. Secrets are stubbed, and nothing is waited for. `playbook schema test` describes the file.

Exit status: 0 all passed, 1 some failed, 2 a file is invalid";

pub(crate) const EXPLAIN: &str = "\
Examples:
  playbook explain
  playbook explain undefined-variable

Exit status: 0 success, 2 there is no such kind";

pub(crate) const POLL: &str = "\
Examples:
  playbook poll connector.yaml --secrets secrets.yaml --sink events.ndjson
  playbook poll connector.yaml --once --state state

Events go to stdout, one JSON object a line, unless --sink names something else. A line for each poll goes to stderr. What was polled is remembered in the state directory: each event is delivered at least once, and after a crash the batch that was under way again, with the same dedupe_key.

Exit status: 0 asked to stop, or with --once all was read, 1 failed, 2 invalid input (nothing was sent), 3 with --once parts could not be read, 130 interrupted";

pub(crate) const CHECK: &str = "\
Example:
  playbook check connector.yaml --secrets secrets.yaml

Exit status: 0 all is as it should be, 1 something is not, 2 invalid input (nothing was sent)";

pub(crate) const TEMPLATES: &str = "\
Examples:
  playbook templates
  playbook templates running_processes --param limit=20

Exit status: 0 success, 2 there is no such template, or a parameter does not fit";

pub(crate) const SCHEMA: &str = "\
Examples:
  playbook schema
  playbook schema playbook > playbook.schema.json
  playbook schema --all schemas

The schemas of playbooks and connector files hold the params of every step type and connector that the loaded plugins provide. An editor with a YAML language server uses them in files that begin with a line such as
  # yaml-language-server: $schema=schemas/playbook.schema.json

--all makes the directory if need be and replaces earlier versions of the schemas, but no other file.

Exit status: 0 success, 1 a file could not be written, 2 there is no such schema, or a file is in the way";

pub(crate) const INIT: &str = "\
Examples:
  playbook init
  playbook init triage

Writes playbook.yaml with its tests in playbook.test.yaml, connector.yaml and, for editors, their schemas under schemas/. A file that is there already stays as it is: if it has another text, nothing is written.

Exit status: 0 success, 1 a file could not be written, 2 a file is in the way";

pub(crate) const PLUGIN: &str = "\
Examples:
  playbook plugin inspect plugin.wasm
  playbook plugin lock plugin.wasm

Exit status: 0 success, 2 the plugin cannot be loaded";

pub(crate) const INSPECT: &str = "\
Examples:
  playbook plugin inspect
  playbook plugin inspect plugin.wasm --output json

Exit status: 0 success, 2 the plugin cannot be loaded";

pub(crate) const LOCK: &str = "\
Examples:
  playbook plugin lock plugins/*.wasm
  playbook plugin lock notify.wasm --lock playbooks/playbook.lock

The lock file pins each plugin by its SHA-256, with what it says it provides; put it under version control. From then on `--plugin` takes these files and no others, wherever a playbook.lock lies beside the playbook or `--lock` names one. Nothing of the plugins is run to write it.

Exit status: 0 success, 1 the lock file cannot be written, 2 a file is not a plugin";

pub(crate) const DEMO: &str = "\
Example:
  playbook demo

Exit status: 0 success, 1 a step failed, 130 interrupted";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  playbook completions bash > ~/.local/share/bash-completion/completions/playbook
  playbook completions zsh > ~/.zfunc/_playbook          # with ~/.zfunc in $fpath
  playbook completions fish > ~/.config/fish/completions/playbook.fish

Exit status: 0 success, 2 there is no such shell";

pub(crate) const MAN: &str = "\
Examples:
  playbook man | man -l -
  playbook man ~/.local/share/man/man1

With a directory, each command has a page of its own there. Earlier versions of the pages are replaced, but no other file.

Exit status: 0 success, 1 a page could not be written, 2 a file is in the way";
