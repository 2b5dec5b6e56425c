//! How much an event matters: by a host's status, or by the tables that a row comes from.

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
}

/// Tables whose rows show how something stays on a machine.
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
    /// Of a host with this status.
    pub fn of_status(status: &str) -> Self {
        match status {
            "missing" => Self::Medium,
            "offline" => Self::Low,
            _ => Self::Info,
        }
    }

    /// Of a row from this table.
    pub fn of_table(table: &str) -> Self {
        if HIGH.contains(&table) {
            Self::High
        } else if INFO.contains(&table) {
            Self::Info
        } else {
            Self::Medium
        }
    }

    /// Of a row from these tables, and the table that decides: the most severe, and the first of those. A statement whose
    /// tables are unknown is like any other.
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

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}
