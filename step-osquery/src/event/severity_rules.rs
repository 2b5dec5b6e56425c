//! The rules that decide an event's severity: by the status of a host, or by the tables that a row comes from.

use crate::contract::Severity;

/// Tables whose rows show how something persists on a machine.
const HIGH: [&str; 7] = [
    "startup_items",
    "scheduled_tasks",
    "launchd",
    "crontab",
    "kernel_extensions",
    "kernel_modules",
    "browser_extensions",
];

/// Tables that only describe a machine.
const INFO: [&str; 3] = ["system_info", "os_version", "uptime"];

impl Severity {
    /// Returns the severity of a change to this host status.
    pub fn of_status(status: &str) -> Self {
        match status {
            "missing" => Self::Medium,
            "offline" => Self::Low,
            _ => Self::Info,
        }
    }

    /// Returns the severity of a row from this table.
    pub fn of_table(table: &str) -> Self {
        if HIGH.contains(&table) {
            Self::High
        } else if INFO.contains(&table) {
            Self::Info
        } else {
            Self::Medium
        }
    }

    /// Returns the severity of a row from these tables, and the table that decides it: the first of the most severe. A
    /// statement whose tables are unknown counts as medium.
    pub fn of_tables(tables: &[String]) -> (Self, Option<&str>) {
        let mut decided: Option<(Self, &str)> = None;
        for table in tables {
            let severity = Self::of_table(table);
            if decided.is_none_or(|(most, _)| severity > most) {
                decided = Some((severity, table));
            }
        }
        match decided {
            Some((severity, table)) => (severity, Some(table)),
            None => (Self::Medium, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Severity;
    use crate::osquery::tables;

    #[test]
    fn the_most_severe_table_decides() {
        let cases = [
            ("SELECT * FROM uptime", Severity::Info, Some("uptime")),
            ("SELECT * FROM uptime, users", Severity::Medium, Some("users")),
            (
                "SELECT * FROM processes, crontab, launchd",
                Severity::High,
                Some("crontab"),
            ),
            ("SELECT * FROM file_events", Severity::Medium, Some("file_events")),
            ("SELECT 1", Severity::Medium, None),
        ];
        for (sql, severity, table) in cases {
            assert_eq!(Severity::of_tables(&tables(sql).unwrap()), (severity, table), "{sql}");
        }
        for (status, severity) in [
            ("missing", Severity::Medium),
            ("offline", Severity::Low),
            ("online", Severity::Info),
        ] {
            assert_eq!(Severity::of_status(status), severity);
        }
    }
}
