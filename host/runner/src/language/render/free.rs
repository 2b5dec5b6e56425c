//! The names that a template takes from outside of itself.

use std::collections::BTreeSet;

use minijinja::machinery::ast::{CallArg, Expr, Stmt};

use super::{ITEM, ROOTS};

/// The names that are read where the template itself gave them no value.
///
/// After a branch, a name of [`ROOTS`] or [`ITEM`] that the branch assigned may still be the one from outside, and counts.
pub(super) fn names<'t>(template: &Stmt<'t>) -> BTreeSet<&'t str> {
    let mut walk = Walk::default();
    walk.inside(|walk| walk.statement(template));
    walk.free
}

/// The same for an expression.
pub(super) fn names_of_expression<'t>(written: &Expr<'t>) -> BTreeSet<&'t str> {
    let mut walk = Walk::default();
    walk.expression(written);
    walk.free
}

#[derive(Default)]
struct Walk<'t> {
    free: BTreeSet<&'t str>,
    /// What is assigned, from the outermost block to the innermost.
    assigned: Vec<BTreeSet<&'t str>>,
}

impl<'t> Walk<'t> {
    fn inside(&mut self, walk: impl FnOnce(&mut Self)) -> BTreeSet<&'t str> {
        self.assigned.push(BTreeSet::new());
        walk(self);
        self.assigned.pop().unwrap_or_default()
    }

    fn body(&mut self, body: &[Stmt<'t>]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn branch(&mut self, body: &[Stmt<'t>]) {
        let assigned = self.inside(|walk| walk.body(body));
        let ours = |name: &&str| !ROOTS.contains(name) && !ITEM.contains(name);
        assigned
            .into_iter()
            .filter(ours)
            .for_each(|name| self.assign_name(name));
    }

    #[expect(
        clippy::match_same_arms,
        reason = "a raw text names nothing, and a statement that is not known is refused"
    )]
    fn statement(&mut self, statement: &Stmt<'t>) {
        #[allow(
            unreachable_patterns,
            reason = "the engine has more statements when another crate enables them; they are refused"
        )]
        match statement {
            Stmt::Template(node) => self.body(&node.children),
            Stmt::EmitExpr(node) => self.expression(&node.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(node) => {
                self.expression(&node.iter);
                self.inside(|walk| {
                    walk.assign(&node.target);
                    walk.assign_name("loop");
                    walk.optional(node.filter_expr.as_ref());
                    walk.body(&node.body);
                });
                self.branch(&node.else_body);
            }
            Stmt::IfCond(node) => {
                self.expression(&node.expr);
                self.branch(&node.true_body);
                self.branch(&node.false_body);
            }
            Stmt::WithBlock(node) => {
                self.inside(|walk| {
                    for (target, value) in &node.assignments {
                        walk.expression(value);
                        walk.assign(target);
                    }
                    walk.body(&node.body);
                });
            }
            Stmt::Set(node) => {
                self.expression(&node.expr);
                self.assign(&node.target);
            }
            Stmt::SetBlock(node) => {
                self.branch(&node.body);
                self.optional(node.filter.as_ref());
                self.assign(&node.target);
            }
            Stmt::AutoEscape(node) => {
                self.expression(&node.enabled);
                self.branch(&node.body);
            }
            Stmt::FilterBlock(node) => {
                self.branch(&node.body);
                self.expression(&node.filter);
            }
            Stmt::Do(node) => {
                self.expression(&node.call.expr);
                self.arguments(&node.call.args);
            }
            _ => {}
        }
    }

    fn assign(&mut self, target: &Expr<'t>) {
        match target {
            Expr::Var(node) => self.assign_name(node.id),
            Expr::List(node) => node.items.iter().for_each(|item| self.assign(item)),
            other => self.expression(other),
        }
    }

    fn assign_name(&mut self, name: &'t str) {
        if let Some(block) = self.assigned.last_mut() {
            block.insert(name);
        }
    }

    fn optional(&mut self, written: Option<&Expr<'t>>) {
        if let Some(written) = written {
            self.expression(written);
        }
    }

    fn expressions<'e>(&mut self, written: impl IntoIterator<Item = &'e Expr<'t>>)
    where
        't: 'e,
    {
        written.into_iter().for_each(|written| self.expression(written));
    }

    fn expression(&mut self, written: &Expr<'t>) {
        match written {
            Expr::Var(node) => {
                if !self.assigned.iter().any(|block| block.contains(node.id)) {
                    self.free.insert(node.id);
                }
            }
            Expr::Const(_) => {}
            Expr::Slice(node) => {
                self.expression(&node.expr);
                self.expressions([&node.start, &node.stop, &node.step].into_iter().flatten());
            }
            Expr::UnaryOp(node) => self.expression(&node.expr),
            Expr::BinOp(node) => self.expressions([&node.left, &node.right]),
            Expr::Compare(node) => {
                self.expression(&node.expr);
                self.expressions(node.ops.iter().map(|next| &next.expr));
            }
            Expr::IfExpr(node) => {
                self.expressions([&node.test_expr, &node.true_expr]);
                self.optional(node.false_expr.as_ref());
            }
            Expr::Filter(node) => {
                self.optional(node.expr.as_ref());
                self.arguments(&node.args);
            }
            Expr::Test(node) => {
                self.expression(&node.expr);
                self.arguments(&node.args);
            }
            Expr::GetAttr(node) => self.expression(&node.expr),
            Expr::GetItem(node) => self.expressions([&node.expr, &node.subscript_expr]),
            Expr::Call(node) => {
                self.expression(&node.expr);
                self.arguments(&node.args);
            }
            Expr::List(node) => self.expressions(&node.items),
            Expr::Tuple(node) => self.expressions(&node.items),
            Expr::Map(node) => self.expressions(node.keys.iter().chain(&node.values)),
        }
    }

    fn arguments(&mut self, written: &[CallArg<'t>]) {
        for argument in written {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }
}
