//! The tables that a statement reads.

use turso_parser::ast::{
    Cmd, CommonTableExpr, Expr, FromClause, FunctionTail, JoinConstraint, OneSelect, Over, QualifiedName, ResultColumn,
    Select, SelectTable, SortedColumn, Stmt, Window,
};
use turso_parser::lexer::Lexer;
use turso_parser::parser::Parser;
use turso_parser::token::TokenType;

/// A text that osquery would not run as a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a query that SQLite understands")]
pub struct NotAQuery;

/// Returns the tables that a statement reads, in lower case and each once, in the order in which they are named. Names
/// that the statement gives to its own parts (`WITH …`) do not count.
pub fn tables(sql: &str) -> Result<Vec<String>, NotAQuery> {
    if sql.len() > LONGEST || nesting(sql) > DEEPEST {
        return Err(NotAQuery);
    }
    let mut found = Relations::default();
    for statement in Parser::new(sql.as_bytes()) {
        // osquery runs nothing but queries.
        match statement {
            Ok(Cmd::Stmt(Stmt::Select(select))) => found.select(&select),
            _ => return Err(NotAQuery),
        }
    }
    Ok(found.tables)
}

/// The longest statement that is parsed, in bytes: people write the statements on a server, not programs.
const LONGEST: usize = 1 << 16;

/// The deepest nesting of parentheses, or longest run of prefix operators, that is parsed: the parser is recursive, and
/// the stack of a component is small.
const DEEPEST: usize = 40;

/// Returns the depth of nested parentheses or the length of the longest run of prefix operators, whichever is larger.
fn nesting(sql: &str) -> usize {
    let (mut deepest, mut open, mut prefixes) = (0, 0_usize, 0);
    // An invalid token ends this loop, and the parser at the same place.
    for token in Lexer::new(sql.as_bytes()).map_while(Result::ok) {
        let blank =
            token.value.trim_ascii().is_empty() || token.value.starts_with(b"--") || token.value.starts_with(b"/*");
        if blank {
            continue;
        }
        match token.token_type {
            TokenType::TK_LP => open += 1,
            TokenType::TK_RP => open = open.saturating_sub(1),
            _ => {}
        }
        prefixes = match token.token_type {
            TokenType::TK_MINUS | TokenType::TK_PLUS | TokenType::TK_BITNOT | TokenType::TK_NOT => prefixes + 1,
            _ => 0,
        };
        deepest = deepest.max(open).max(prefixes);
    }
    deepest
}

#[derive(Default)]
struct Relations {
    tables: Vec<String>,
    /// The names that the enclosing queries give to their own parts.
    named: Vec<String>,
}

impl Relations {
    fn select(&mut self, select: &Select) {
        let outer = self.named.len();
        let parts: &[CommonTableExpr] = select.with.as_ref().map_or(&[], |with| &with.ctes);
        self.named
            .extend(parts.iter().map(|part| part.tbl_name.as_str().to_lowercase()));
        for part in parts {
            self.select(&part.select);
        }
        self.one(&select.body.select);
        for compound in &select.body.compounds {
            self.one(&compound.select);
        }
        self.sorted(&select.order_by);
        if let Some(limit) = &select.limit {
            self.expr(&limit.expr);
            self.exprs(&limit.offset);
        }
        self.named.truncate(outer);
    }

    fn one(&mut self, one: &OneSelect) {
        match one {
            OneSelect::Select {
                columns,
                from,
                where_clause,
                group_by,
                window_clause,
                ..
            } => {
                for column in columns {
                    if let ResultColumn::Expr(expr, _) = column {
                        self.expr(expr);
                    }
                }
                if let Some(from) = from {
                    self.from(from);
                }
                self.exprs(where_clause);
                if let Some(group) = group_by {
                    self.exprs(&group.exprs);
                    self.exprs(&group.having);
                }
                for window in window_clause {
                    self.window(&window.window);
                }
            }
            OneSelect::Values(rows) => rows.iter().for_each(|row| self.exprs(row)),
        }
    }

    fn from(&mut self, from: &FromClause) {
        self.source(&from.select);
        for join in &from.joins {
            self.source(&join.table);
            if let Some(JoinConstraint::On(on)) = &join.constraint {
                self.expr(on);
            }
        }
    }

    fn source(&mut self, source: &SelectTable) {
        match source {
            SelectTable::Table(name, ..) => self.table(name),
            SelectTable::TableCall(name, arguments, _) => {
                self.table(name);
                self.exprs(arguments);
            }
            SelectTable::Select(select, _) => self.select(select),
            SelectTable::Sub(from, _) => self.from(from),
        }
    }

    fn table(&mut self, name: &QualifiedName) {
        // `main.processes` is the table `processes`.
        let name = name.name.as_str().to_lowercase();
        if !self.named.contains(&name) && !self.tables.contains(&name) {
            self.tables.push(name);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Exists(select) | Expr::Subquery(select) => self.select(select),
            Expr::InSelect { lhs, rhs, .. } => {
                self.expr(lhs);
                self.select(rhs);
            }
            Expr::InTable { lhs, rhs, args, .. } => {
                self.expr(lhs);
                self.table(rhs);
                self.exprs(args);
            }
            Expr::InList { lhs, rhs, .. } => {
                self.expr(lhs);
                self.exprs(rhs);
            }
            Expr::Between { lhs, start, end, .. } => [lhs, start, end].into_iter().for_each(|expr| self.expr(expr)),
            Expr::Binary(left, _, right) => {
                self.expr(left);
                self.expr(right);
            }
            Expr::Case {
                base,
                when_then_pairs,
                else_expr,
            } => {
                self.exprs(base);
                for (when, then) in when_then_pairs {
                    self.expr(when);
                    self.expr(then);
                }
                self.exprs(else_expr);
            }
            Expr::FunctionCall {
                args,
                order_by,
                filter_over,
                ..
            } => {
                self.exprs(args);
                self.sorted(order_by);
                self.tail(filter_over);
            }
            Expr::FunctionCallStar { filter_over, .. } => self.tail(filter_over),
            Expr::Like { lhs, rhs, escape, .. } => {
                self.expr(lhs);
                self.expr(rhs);
                self.exprs(escape);
            }
            Expr::Cast { expr, .. }
            | Expr::Collate(expr, _)
            | Expr::IsNull(expr)
            | Expr::NotNull(expr)
            | Expr::Unary(_, expr) => self.expr(expr),
            Expr::Parenthesized(exprs) => self.exprs(exprs),
            // Names and literals, and expressions of other dialects.
            _ => {}
        }
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Box<Expr>>) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn sorted(&mut self, columns: &[SortedColumn]) {
        for column in columns {
            self.expr(&column.expr);
        }
    }

    fn tail(&mut self, tail: &FunctionTail) {
        self.exprs(&tail.filter_clause);
        if let Some(Over::Window(window)) = &tail.over_clause {
            self.window(window);
        }
    }

    fn window(&mut self, window: &Window) {
        self.exprs(&window.partition_by);
        self.sorted(&window.order_by);
    }
}

#[cfg(test)]
mod tests {
    use super::tables;

    #[test]
    fn tables_are_read_from_the_parse_tree() {
        let cases: [(&str, &[&str]); 16] = [
            ("SELECT 1", &[]),
            ("select * from processes;", &["processes"]),
            ("SELECT *\nFROM\n\tProcesses\n", &["processes"]),
            ("SELECT * FROM processes p, uptime", &["processes", "uptime"]),
            (
                "SELECT * FROM processes JOIN process_open_sockets USING (pid)",
                &["processes", "process_open_sockets"],
            ),
            (
                "SELECT * FROM uptime WHERE EXISTS (SELECT 1 FROM crontab)",
                &["uptime", "crontab"],
            ),
            ("SELECT (SELECT count(*) FROM launchd) AS n", &["launchd"]),
            ("SELECT * FROM (SELECT * FROM kernel_modules) AS m", &["kernel_modules"]),
            ("WITH p AS (SELECT * FROM processes) SELECT * FROM p", &["processes"]),
            (
                "WITH RECURSIVE t(pid) AS (SELECT pid FROM processes UNION SELECT q.pid FROM processes q JOIN t) SELECT * FROM t",
                &["processes"],
            ),
            ("SELECT ' from crontab ' FROM users -- from launchd", &["users"]),
            ("SELECT * /* FROM crontab */ FROM users", &["users"]),
            ("SELECT * FROM \"startup_items\"", &["startup_items"]),
            (
                "SELECT * FROM main.`users` UNION SELECT * FROM [crontab]",
                &["users", "crontab"],
            ),
            (
                "SELECT CASE WHEN pid IN (SELECT pid FROM launchd) THEN 1 END FROM users ORDER BY (SELECT 1 FROM uptime)",
                &["launchd", "users", "uptime"],
            ),
            // A name given in one subquery means a table in the next.
            (
                "SELECT * FROM (WITH crontab AS (SELECT 1) SELECT * FROM crontab), crontab",
                &["crontab"],
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(tables(sql).unwrap(), expected, "{sql}");
        }
        assert!(tables("this is no SQL").is_err());
        assert!(tables("DELETE FROM users").is_err());
        let long = format!("SELECT * FROM {}", "a, ".repeat(30_000) + "b");
        assert!(tables(&long).is_err());
        for (open, close) in [
            ("(", ")"),
            ("(SELECT ", ")"),
            ("EXISTS (SELECT ", ")"),
            ("- ", ""),
            ("NOT ", ""),
        ] {
            let deep = format!("SELECT {}1{}", open.repeat(10_000), close.repeat(10_000));
            assert!(tables(&deep).is_err(), "{open}");
        }
    }
}
