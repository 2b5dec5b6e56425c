//! A file that is a playbook, a connector file or tests, told apart by its keys.

use crate::language::playbook::Playbook;
use crate::poll::connector::Connector;
use crate::runner::Runner;
use crate::testing::TestFile;
use crate::text::diagnostic::Diagnostics;
use crate::text::document::Document;
use crate::text::source::Source;

/// What a file defines.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Definition {
    /// A playbook.
    Playbook(Playbook),
    /// A connector.
    Connector(Connector),
    /// Tests of a playbook.
    Tests(TestFile),
}

impl Runner {
    /// Reads a playbook, a connector file, which is told by its key `connector`, or tests, which are told by `cases`.
    ///
    /// All that is wrong with it and can be told without alert and secrets is told at once.
    pub fn read(&self, source: Source, skip_unknown_steps: bool) -> Result<Definition, Diagnostics> {
        let (document, problems) = Document::parse(source)?;
        if document.value().get("connector").is_some() {
            self.connector(document, problems).map(Definition::Connector)
        } else if document.value().get("cases").is_some() {
            let (tests, problems) = TestFile::read(document, problems);
            problems.or(tests).map(Definition::Tests)
        } else {
            self.playbook(document, problems, skip_unknown_steps)
                .map(Definition::Playbook)
        }
    }
}
