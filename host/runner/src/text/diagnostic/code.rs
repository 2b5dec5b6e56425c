//! The kinds of problems: one table, from which the words, the explanations and the rules of reports come.

use std::fmt;

use serde::{Serialize, Serializer};

use super::suggest::nearest;

/// What a kind of problem means, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The kind in one line.
    pub title: &'static str,
    /// What is wrong, why it matters, and what to do.
    pub meaning: &'static str,
    /// Where the examples belong.
    pub shown: ExampleKind,
    /// What gives the problem, line by line.
    pub wrong: &'static [&'static str],
    /// The same without the problem.
    pub right: &'static [&'static str],
}

/// Where an example belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExampleKind {
    /// It is a playbook.
    Playbook,
    /// It is part of a step.
    Step,
    /// It is part of the `params` of a step.
    Params,
    /// It is a connector file.
    Connector,
    /// It is an alert.
    Alert,
    /// It is typed in a shell.
    Shell,
}

macro_rules! codes {
    ($(#[doc = $title:literal] $variant:ident = $word:literal, $meaning:literal, $shown:ident:
        wrong [$($wrong:literal),*] right [$($right:literal),*])*) => {
        /// A kind of problem. Its word is stable; `playbook explain WORD` says what it means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!($title, ".")] $variant,)*
        }

        impl Code {
            /// Every kind there is, in the order in which a file is read.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The name of the variant.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }

            /// What it means.
            pub fn explanation(self) -> Explanation {
                match self {
                    $(Self::$variant => Explanation {
                        title: $title.trim_ascii(),
                        meaning: $meaning,
                        shown: ExampleKind::$shown,
                        wrong: &[$($wrong),*],
                        right: &[$($right),*],
                    },)*
                }
            }
        }
    };
}

impl Code {
    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }

    /// The kind whose word is nearest to a misspelt one.
    pub fn nearest(word: &str) -> Option<Self> {
        Self::from_word(nearest(word, Self::ALL.iter().map(|code| code.word()))?)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

codes! {
    /// A file cannot be read
    UnreadableFile = "unreadable-file",
    "The system did not let the file be read: it does not exist, is a directory, or belongs to somebody else. File names in a playbook or connector file start from the directory that it is in.",
    Shell: wrong ["playbook validate triage.yml"] right ["playbook validate triage.yaml"]

    /// A file is not UTF-8 text
    NotUtf8 = "not-utf8",
    "Files are read as UTF-8. The place is the first byte that is not; editors call the setting \"encoding\".",
    Shell: wrong ["iconv -t UTF-16 triage.yaml > wide.yaml && playbook validate wide.yaml"] right ["iconv -f UTF-16 -t UTF-8 wide.yaml > triage.yaml && playbook validate triage.yaml"]

    /// A file is larger than anything meant to be read
    TooLarge = "too-large",
    "Playbooks, connector files, alerts and secrets have at most 1 MiB. A larger one is likely a wrong file name.",
    Shell: wrong ["playbook validate disk.img"] right ["playbook validate triage.yaml"]

    /// A file is empty
    EmptyFile = "empty-file",
    "The file holds nothing but white space and comments.",
    Playbook: wrong ["# to be written"] right ["- id: users", "  type: osquery_live_query", "  params: {}"]

    /// A file has more problems than are shown
    TooManyProblems = "too-many-problems",
    "The first 200 problems of a file are shown. Often a few of them are behind all the others.",
    Shell: wrong ["playbook validate notes.yaml"] right ["playbook validate triage.yaml"]

    /// A text is not YAML
    YamlSyntax = "yaml-syntax",
    "The text cannot be read at all, so other problems in the file are not known yet. Most often the indentation is uneven, a quote or bracket is not closed, a tab stands where spaces belong, or a text with `: `, ` #`, `{`, `[`, `*`, `&`, `!`, `%` or `@` in a telling place is not quoted.",
    Playbook: wrong ["- id: users", "  name: Who is logged in: and since when", "  type: osquery_live_query"] right ["- id: users", "  name: \"Who is logged in: and since when\"", "  type: osquery_live_query"]

    /// A text is not JSON
    JsonSyntax = "json-syntax",
    "An alert, and a file whose name ends in .json, must be JSON: names and texts in double quotes, no comma after the last entry, no comments.",
    Alert: wrong ["{\"host\": \"web-01\",}"] right ["{\"host\": \"web-01\"}"]

    /// A file holds several YAML documents
    SeveralDocuments = "several-documents",
    "A line `---` begins another document. One file holds one playbook, connector or set of secrets; put each into a file of its own.",
    Playbook: wrong ["- id: users", "  type: osquery_live_query", "---", "- id: processes", "  type: osquery_live_query"] right ["- id: users", "  type: osquery_live_query", "- id: processes", "  type: osquery_live_query"]

    /// A key is given twice in the same map
    DuplicateKey = "duplicate-key",
    "YAML readers disagree on which of the two counts, so neither does. Remove one.",
    Params: wrong ["timeout_seconds: 60", "timeout_seconds: 90"] right ["timeout_seconds: 90"]

    /// A merge key is used
    MergeKey = "merge-key",
    "`<<` belongs to an old extension of YAML and would be an ordinary key here. Repeat the values, or use an alias for a whole value.",
    Params: wrong ["template_params: {<<: {limit: 10}}"] right ["template_params: {limit: 10}"]

    /// A value has a YAML tag
    YamlTag = "yaml-tag",
    "Tags such as `!secret` or `!include` mean something to other programs only. Secrets are written `{{ secrets.NAME }}`; a text that begins with `!` must be quoted.",
    Params: wrong ["api_token: !secret fleetdm_token"] right ["api_token: \"{{ secrets.fleetdm_token }}\""]

    /// A key is not a text
    YamlKey = "yaml-key",
    "A key is a list or a map. This happens when a template is not quoted: YAML reads `{{ x }}` as a map whose key is a map.",
    Params: wrong ["base_url: {{ vars.url }}"] right ["base_url: \"{{ vars.url }}\""]

    /// An alias names no anchor
    UnknownAlias = "unknown-alias",
    "`*name` stands for the value that was marked `&name` further up. A text that begins with `*` must be quoted.",
    Params: wrong ["target_hosts: *hosts"] right ["target_hosts: [web-01]"]

    /// An alias stands inside the value it stands for
    RecursiveAlias = "recursive-alias",
    "A value that holds itself has no end.",
    Params: wrong ["target_hosts: &hosts [web-01, *hosts]"] right ["target_hosts: [web-01]"]

    /// Values are nested too deeply
    TooDeep = "too-deep",
    "Values may be nested 64 deep. More is a mistake or an attack.",
    Params: wrong ["template_params: {limit: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"] right ["template_params: {limit: 1}"]

    /// A document has too many values
    TooManyValues = "too-many-values",
    "A document may have 200,000 values once its aliases are followed. Aliases of aliases multiply: a few lines can stand for billions of values.",
    Playbook: wrong [
        "a: &a [x, x, x, x, x, x, x, x, x, x]",
        "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]",
        "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]",
        "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]",
        "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]",
        "steps: [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]"
    ] right ["- id: users", "  type: osquery_live_query", "  params: {}"]

    /// A file is not a playbook
    NoPlaybook = "no-playbook",
    "A playbook is a map with `steps`, a bare list of steps, or a single step with `id`, `type` and `params`. A connector file is a map with `connector`.",
    Playbook: wrong ["name: Triage"] right ["name: Triage", "steps:", "  - id: users", "    type: osquery_live_query", "    params: {}"]

    /// A playbook has no steps
    NoSteps = "no-steps",
    "There is nothing to run.",
    Playbook: wrong ["name: Triage", "steps: []"] right ["name: Triage", "steps:", "  - id: users", "    type: osquery_live_query", "    params: {}"]

    /// A value has the wrong type
    WrongType = "wrong-type",
    "A number stands where a text belongs, a text where a list belongs, and so on. Quotes make a text; without them `1.10` is a number, `true` a boolean and an empty value nothing. `yes`, `no`, `on` and `off` are texts.",
    Params: wrong ["verify_tls: yes"] right ["verify_tls: true"]

    /// Something that is needed is missing
    MissingKey = "missing-key",
    "A key without which a step, a connector or a file cannot be used is not there, or the value it has only together with another.",
    Params: wrong ["username: soc@corp.example.com"] right ["username: soc@corp.example.com", "password: \"{{ secrets.fleetdm_password }}\""]

    /// A key that nothing reads
    UnknownKey = "unknown-key",
    "Nothing would look at this key, so what it says would be ignored. It may be misspelt, or stand at the wrong depth: params of a step belong under `params`, those of a template under `template_params`.",
    Params: wrong ["target_host: [web-01]"] right ["target_hosts: [web-01]"]

    /// Keys that exclude each other
    ConflictingKeys = "conflicting-keys",
    "Two keys are given of which only one can count.",
    Params: wrong ["api_token: \"{{ secrets.fleetdm_token }}\"", "username: soc@corp.example.com", "password: \"{{ secrets.fleetdm_password }}\""] right ["api_token: \"{{ secrets.fleetdm_token }}\""]

    /// A word that is not one of those there are
    UnknownValue = "unknown-value",
    "The value must be one of a few words, for example a backend or the name of a template.",
    Params: wrong ["template: logged_in_user"] right ["template: logged_in_users"]

    /// A value that cannot be meant
    InvalidValue = "invalid-value",
    "The value has the right type and the wrong form, for example an address without `https://`.",
    Params: wrong ["base_url: fleet.corp.example.com"] right ["base_url: https://fleet.corp.example.com"]

    /// A value is too small, too large, too short or too long
    OutOfRange = "out-of-range",
    "Values are never bent into their range in silence: write one that is inside it.",
    Params: wrong ["target_hosts: []"] right ["target_hosts: [web-01]"]

    /// Two steps have the same id
    DuplicateStep = "duplicate-step",
    "Results are found by the step's id (`steps.ID.result`), so each id is given once.",
    Playbook: wrong ["- {id: users, type: osquery_live_query}", "- {id: users, type: osquery_live_query}"] right ["- {id: users, type: osquery_live_query}", "- {id: users-again, type: osquery_live_query}"]

    /// A step that is referred to does not exist
    UnknownStep = "unknown-step",
    "A template, or the command line, names a step that the playbook does not have.",
    Params: wrong ["target_hosts: \"{{ steps.find.result.hosts }}\""] right ["target_hosts: [web-01]"]

    /// No loaded plugin provides this type of step
    UnknownStepType = "unknown-step-type",
    "Step types come from plugins. The type may be misspelt, or its plugin must be loaded with `--plugin FILE.wasm`.",
    Playbook: wrong ["- {id: users, type: osquery_livequery}"] right ["- {id: users, type: osquery_live_query}"]

    /// No loaded plugin provides this connector
    UnknownConnector = "unknown-connector",
    "Connectors come from plugins. The name may be misspelt, or its plugin must be loaded with `--plugin FILE.wasm`.",
    Connector: wrong ["connector: fleet", "name: corp-fleet", "config: {base_url: \"https://fleet.example.com\", api_token: \"{{ secrets.fleetdm_token }}\"}"] right ["connector: fleetdm", "name: corp-fleet", "config: {base_url: \"https://fleet.example.com\", api_token: \"{{ secrets.fleetdm_token }}\"}"]

    /// The connector has no events of this form
    UnknownFormat = "unknown-format",
    "A connector says in which forms it can spell its events.",
    Shell: wrong ["playbook poll corp-fleet.yaml --format oscf"] right ["playbook poll corp-fleet.yaml --format ocsf"]

    /// The steps go round in a circle
    Cycle = "cycle",
    "A step runs at most once, so `next_true` and `next_false` cannot lead back to a step before. To ask again, use `retry_max`; to do something for each of a list, `for_each`.",
    Playbook: wrong [
        "- {id: look, type: osquery_live_query}",
        "- {id: again, type: condition, condition: severity == 'high', next_true: look}"
    ] right [
        "- {id: look, type: osquery_live_query}",
        "- {id: again, type: condition, condition: severity == 'high', next_true: more}",
        "- {id: more, type: osquery_live_query}"
    ]

    /// No run reaches a step
    UnreachableStep = "unreachable-step",
    "The steps before it always go on elsewhere. Name it in a `next_true` or `next_false`, disable it with `enabled: false`, or remove it.",
    Playbook: wrong [
        "- {id: look, type: osquery_live_query, next_true: report}",
        "- {id: forgotten, type: osquery_live_query}",
        "- {id: report, type: osquery_live_query}"
    ] right [
        "- {id: look, type: osquery_live_query}",
        "- {id: report, type: osquery_live_query}"
    ]

    /// A branch is never taken
    BranchWithoutCondition = "branch-without-condition",
    "`next_false` is where a run goes on when the step's `condition` or `when` does not hold, and the step has neither.",
    Playbook: wrong [
        "- {id: look, type: osquery_live_query, next_false: report}",
        "- {id: report, type: osquery_live_query}"
    ] right [
        "- {id: look, type: osquery_live_query, when: alert.severity == 'high', next_false: report}",
        "- {id: report, type: osquery_live_query}"
    ]

    /// A key that has no meaning where it is
    MeaninglessKey = "meaningless-key",
    "The key is known, and nothing would come of it here: `concurrency` without `for_each`, or `params` of a step that only branches.",
    Playbook: wrong ["- {id: look, type: osquery_live_query, concurrency: 4}"] right ["- {id: look, type: osquery_live_query, concurrency: 4, for_each: [web-01, web-02]}"]

    /// A result is used before it is there
    LaterStep = "later-step",
    "A template or a condition looks at the result of the step itself, or of one that never runs before it.",
    Playbook: wrong [
        "- {id: look, type: osquery_live_query, when: steps.find.status == 'success'}",
        "- {id: find, type: osquery_live_query}"
    ] right [
        "- {id: find, type: osquery_live_query}",
        "- {id: look, type: osquery_live_query, when: steps.find.status == 'success'}"
    ]

    /// A step would run for too many items
    TooManyItems = "too-many-items",
    "`for_each` takes 1,000 items. A longer list is refused and never cut in silence; `{{ alert.many[:1000] }}` says that the first will do.",
    Step: wrong ["for_each: \"{{ alert.many }}\""] right ["for_each: \"{{ alert.many[:1000] }}\""]

    /// A variable is given that the playbook does not declare
    UnknownVar = "unknown-var",
    "A playbook that has `vars` takes the variables that it declares and no others, so that a misspelt one does not go unnoticed.",
    Shell: wrong ["playbook run triage.yaml --var fleet_ulr=https://fleet.example.com"] right ["playbook run triage.yaml --var fleet_url=https://fleet.example.com"]

    /// A variable is not given
    MissingVar = "missing-var",
    "The playbook declares the variable without a default (`null`), so each run must give it with `--var NAME=VALUE`.",
    Shell: wrong ["playbook run triage.yaml"] right ["playbook run triage.yaml --var fleet_url=https://fleet.example.com"]

    /// A template is not well-formed
    TemplateSyntax = "template-syntax",
    "Templates are minijinja: `{{ expression }}`, `{% if … %}…{% endif %}`, `{# comment #}`. A bracket, quote or `endif` is missing, or an operator stands where a value belongs. A literal `{{` is written `{{ '{{' }}`.",
    Params: wrong ["target_hosts: [\"{{ alert.host }\"]"] right ["target_hosts: [\"{{ alert.host }}\"]"]

    /// A template names something that is not there
    UndefinedVariable = "undefined-variable",
    "Templates see `alert`, `vars`, `secrets`, `steps.ID.result` and `run.id`, and with `for_each` also `item`. A name that is missing is an error and never an empty text. `{{ alert.host | default('web-01') }}` says what to use when it is missing.",
    Params: wrong ["target_hosts: [\"{{ alrt.host }}\"]"] right ["target_hosts: [\"{{ alert.host }}\"]"]

    /// A template uses a filter that does not exist
    UnknownFilter = "unknown-filter",
    "Only filters that are pure and cheap can be used.",
    Params: wrong ["target_hosts: [\"{{ alert.host | uppercase }}\"]"] right ["target_hosts: [\"{{ alert.host | upper }}\"]"]

    /// A template uses a test that does not exist
    UnknownTest = "unknown-test",
    "What follows `is` or `is not` is a test, such as `defined`, `none`, `number` or `startingwith(…)`.",
    Params: wrong ["target_hosts: [\"{{ alert.host if alert.host is defned else 'web-01' }}\"]"] right ["target_hosts: [\"{{ alert.host if alert.host is defined else 'web-01' }}\"]"]

    /// A template names a secret that there is none of
    UnknownSecret = "unknown-secret",
    "Secrets come from the file given with `--secrets` and from environment variables that begin with `PLAYBOOK_SECRET_`; the rest of the variable's name, in lower case, is the secret's.",
    Shell: wrong ["PLAYBOOK_SECRET_FLEETDM=… playbook run triage.yaml     # uses {{ secrets.fleetdm_token }}"] right ["PLAYBOOK_SECRET_FLEETDM_TOKEN=… playbook run triage.yaml"]

    /// A secret is looked at or changed
    SecretTransformed = "secret-transformed",
    "A template never sees a secret, only a handle that becomes the value in the request to the granted server. So a secret can be placed in a text, alone or joined with `~`, but filters, comparisons and conditions on it would work on the handle.",
    Params: wrong ["api_token: \"{{ secrets.fleetdm_token | trim }}\""] right ["api_token: \"{{ secrets.fleetdm_token }}\""]

    /// A reference that only AiSOC's server can look up
    IntegrationReference = "integration-reference",
    "In AiSOC's playbooks `${NAME}` stands for a configured integration. Outside of it there is nothing to look it up in; it is never sent literally.",
    Params: wrong ["base_url: \"${FLEETDM}\""] right ["base_url: \"{{ vars.fleetdm }}\""]

    /// Alert data or a result decides where to connect or as whom
    UntrustedValue = "untrusted-value",
    "Whoever triggers an alert, or answers for a host, chooses what is in it. Such data may fill the params that say so in their schema, for example the hosts to ask; the server, the credentials and the statement are decided by literals, `vars` and `secrets` alone.",
    Params: wrong ["base_url: \"https://{{ alert.server }}\""] right ["base_url: \"{{ vars.server }}\""]

    /// The server must not be reached
    ForbiddenServer = "forbidden-server",
    "What is reached is the operator's to decide: only servers that the policy lists, if it lists any; over http only this machine, unless it says otherwise; no address that is link-local or known to hand out a machine's credentials, however it is spelt.",
    Params: wrong ["base_url: \"http://fleet.example.com\""] right ["base_url: \"https://fleet.example.com\""]

    /// A template is too large, or computes too much
    TemplateTooLong = "template-too-long",
    "A template has at most 64 KiB, 10,000 parts, 250 operators around one value, 50 brackets within brackets and 100 open blocks. It may take 100,000 steps and make values of 64 MiB, or of 8 MiB where they become texts, so that no alert can keep a run busy. Loops inside loops over long lists get there.",
    Params: wrong ["target_hosts: [\"{% for a in alert.l %}{% for b in alert.l %}{{ b }}{% endfor %}{% endfor %}\"]"] right ["target_hosts: \"{{ alert.l }}\""]

    /// A template failed
    TemplateFailed = "template-failed",
    "The template is well-formed, and what it does cannot be done with these values: adding a text to a number, for example, or looping over a number.",
    Params: wrong ["target_hosts: [\"{{ alert.port + 'x' }}\"]"] right ["target_hosts: [\"{{ alert.port ~ 'x' }}\"]"]

    /// Others can read the file of secrets
    ExposedSecrets = "exposed-secrets",
    "A file of secrets must be readable by its owner alone. Who could read it may have; consider the secrets in it known, and change them.",
    Shell: wrong ["chmod 644 secrets.yaml && playbook run triage.yaml --secrets secrets.yaml"] right ["chmod 600 secrets.yaml && playbook run triage.yaml --secrets secrets.yaml"]
}
