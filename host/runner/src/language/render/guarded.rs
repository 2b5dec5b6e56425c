//! The engine's tree of a template, with guards around everything that makes values.
//!
//! An operator or a literal can make a value that is far larger than the template and its data: `[x] * 100000000` is made in
//! no time and counted nowhere, and turning it into a text takes the machine's memory. So what an operator, a literal or a
//! filter makes is passed through a filter of ours that weighs it, and so is what becomes a text or is compared. A tree is
//! copied rather than changed, and a kind of node that is not named here is refused: no statement comes in unnoticed.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    AutoEscape, BinOp, BinOpKind, Call, CallArg, Compare, CompareOp, CompareOpKind, Const, Do, EmitExpr, EmitRaw, Expr,
    Filter, FilterBlock, ForLoop, GetAttr, GetItem, IfCond, IfExpr, List, Map, Set, SetBlock, Slice, Spanned, Stmt,
    Template, Test, Tuple, UnaryOp, UnaryOpKind, Var, WithBlock,
};

/// The filter that weighs what was made. Its name is none that a template can write.
pub(super) const MADE: &str = "#made";

/// The filter that weighs what becomes a text.
pub(super) const IN_TEXT: &str = "#in-text";

/// The filter that charges for what is compared.
pub(super) const COMPARED: &str = "#compared";

/// The filters that make nothing: they return their input, a part of it or an argument.
const CHOOSING: [&str; 7] = ["attr", "d", "default", "first", "last", "max", "min"];

/// A statement that templates do not have.
#[derive(Debug)]
pub(super) struct Unsupported;

pub(super) fn statements<'t>(body: &[Stmt<'t>]) -> Result<Vec<Stmt<'t>>, Unsupported> {
    body.iter().map(statement).collect()
}

pub(super) fn statement<'t>(statement: &Stmt<'t>) -> Result<Stmt<'t>, Unsupported> {
    #[allow(
        unreachable_patterns,
        reason = "the engine has more statements when another crate enables them"
    )]
    Ok(match statement {
        Stmt::Template(node) => {
            let children = statements(&node.children)?;
            Stmt::Template(Spanned::new(Template { children }, node.span()))
        }
        Stmt::EmitExpr(node) => {
            let expr = expression(&node.expr);
            Stmt::EmitExpr(Spanned::new(EmitExpr { expr }, node.span()))
        }
        Stmt::EmitRaw(node) => Stmt::EmitRaw(Spanned::new(EmitRaw { raw: node.raw }, node.span())),
        Stmt::ForLoop(node) => {
            let looped = ForLoop {
                target: target(&node.target),
                iter: expression(&node.iter),
                filter_expr: node.filter_expr.as_ref().map(expression),
                recursive: node.recursive,
                body: statements(&node.body)?,
                else_body: statements(&node.else_body)?,
            };
            Stmt::ForLoop(Spanned::new(looped, node.span()))
        }
        Stmt::IfCond(node) => {
            let condition = IfCond {
                expr: expression(&node.expr),
                true_body: statements(&node.true_body)?,
                false_body: statements(&node.false_body)?,
            };
            Stmt::IfCond(Spanned::new(condition, node.span()))
        }
        Stmt::WithBlock(node) => {
            let assigned = node.assignments.iter();
            let block = WithBlock {
                assignments: assigned
                    .map(|(name, value)| (target(name), expression(value)))
                    .collect(),
                body: statements(&node.body)?,
            };
            Stmt::WithBlock(Spanned::new(block, node.span()))
        }
        Stmt::Set(node) => {
            let (target, expr) = (target(&node.target), expression(&node.expr));
            Stmt::Set(Spanned::new(Set { target, expr }, node.span()))
        }
        Stmt::SetBlock(node) => {
            let block = SetBlock {
                target: target(&node.target),
                filter: node.filter.as_ref().map(expression),
                body: statements(&node.body)?,
            };
            Stmt::SetBlock(Spanned::new(block, node.span()))
        }
        Stmt::AutoEscape(node) => {
            let block = AutoEscape {
                enabled: expression(&node.enabled),
                body: statements(&node.body)?,
            };
            Stmt::AutoEscape(Spanned::new(block, node.span()))
        }
        Stmt::FilterBlock(node) => {
            let block = FilterBlock {
                filter: expression(&node.filter),
                filter_span: node.filter_span,
                body: statements(&node.body)?,
            };
            Stmt::FilterBlock(Spanned::new(block, node.span()))
        }
        Stmt::Do(node) => Stmt::Do(Spanned::new(Do { call: call(&node.call) }, node.span())),
        _ => return Err(Unsupported),
    })
}

/// What is assigned to: a name, names in a list, or an attribute.
fn target<'t>(named: &Expr<'t>) -> Expr<'t> {
    match named {
        Expr::List(node) => {
            let items = node.items.iter().map(target).collect();
            Expr::List(Spanned::new(List { items }, node.span()))
        }
        Expr::GetAttr(node) => {
            let (expr, name) = (target(&node.expr), node.name);
            Expr::GetAttr(Spanned::new(GetAttr { expr, name }, node.span()))
        }
        other => expression(other),
    }
}

pub(super) fn expression<'t>(written: &Expr<'t>) -> Expr<'t> {
    let span = written.span();
    match written {
        Expr::Var(node) => Expr::Var(Spanned::new(Var { id: node.id }, span)),
        Expr::Const(node) => {
            let value = node.value.clone();
            Expr::Const(Spanned::new(Const { value }, span))
        }
        Expr::Slice(node) => slice(node, span),
        // The kind of an operator is no `Copy`.
        #[expect(clippy::needless_match, reason = "the operator cannot be copied")]
        Expr::UnaryOp(node) => {
            let op = match node.op {
                UnaryOpKind::Not => UnaryOpKind::Not,
                UnaryOpKind::Neg => UnaryOpKind::Neg,
            };
            let expr = expression(&node.expr);
            Expr::UnaryOp(Spanned::new(UnaryOp { op, expr }, span))
        }
        Expr::BinOp(node) => operation(node, span),
        Expr::Compare(node) => comparison(node, span),
        Expr::IfExpr(node) => {
            let choice = IfExpr {
                test_expr: expression(&node.test_expr),
                true_expr: expression(&node.true_expr),
                false_expr: node.false_expr.as_ref().map(expression),
            };
            Expr::IfExpr(Spanned::new(choice, span))
        }
        Expr::Filter(node) => filter(node, span),
        Expr::Test(node) => {
            let test = Test {
                name: node.name,
                expr: expression(&node.expr),
                args: arguments(&node.args),
            };
            Expr::Test(Spanned::new(test, span))
        }
        Expr::GetAttr(node) => {
            let (expr, name) = (expression(&node.expr), node.name);
            Expr::GetAttr(Spanned::new(GetAttr { expr, name }, span))
        }
        Expr::GetItem(node) => {
            let item = GetItem {
                expr: expression(&node.expr),
                subscript_expr: expression(&node.subscript_expr),
            };
            Expr::GetItem(Spanned::new(item, span))
        }
        Expr::Call(node) => Expr::Call(call(node)),
        Expr::List(node) => {
            let items = node.items.iter().map(expression).collect();
            guarded(MADE, Expr::List(Spanned::new(List { items }, span)), span)
        }
        Expr::Tuple(node) => {
            let items = node.items.iter().map(expression).collect();
            guarded(MADE, Expr::Tuple(Spanned::new(Tuple { items }, span)), span)
        }
        Expr::Map(node) => {
            let map = Map {
                keys: node.keys.iter().map(expression).collect(),
                values: node.values.iter().map(expression).collect(),
            };
            guarded(MADE, Expr::Map(Spanned::new(map, span)), span)
        }
    }
}

fn slice<'t>(node: &Slice<'t>, span: Span) -> Expr<'t> {
    let part = |part: &Option<Expr<'t>>| part.as_ref().map(expression);
    let slice = Slice {
        expr: expression(&node.expr),
        start: part(&node.start),
        stop: part(&node.stop),
        step: part(&node.step),
    };
    guarded(MADE, Expr::Slice(Spanned::new(slice, span)), span)
}

fn comparison<'t>(node: &Compare<'t>, span: Span) -> Expr<'t> {
    let in_text = |next: &CompareOp<'t>| matches!(next.op, CompareOpKind::In | CompareOpKind::NotIn);
    let guard = if node.ops.iter().any(in_text) {
        IN_TEXT
    } else {
        COMPARED
    };
    let compared = |expr: &Expr<'t>| guarded(guard, expression(expr), expr.span());
    let compare = Compare {
        expr: compared(&node.expr),
        ops: node
            .ops
            .iter()
            .map(|next| CompareOp {
                op: next.op,
                expr: compared(&next.expr),
            })
            .collect(),
    };
    Expr::Compare(Spanned::new(compare, span))
}

fn filter<'t>(node: &Filter<'t>, span: Span) -> Expr<'t> {
    let filter = Filter {
        name: node.name,
        expr: node.expr.as_ref().map(expression),
        args: arguments(&node.args),
    };
    let filter = Expr::Filter(Spanned::new(filter, span));
    if CHOOSING.contains(&node.name) {
        filter
    } else {
        guarded(MADE, filter, span)
    }
}

fn operation<'t>(node: &BinOp<'t>, span: Span) -> Expr<'t> {
    use BinOpKind::{Add, Concat, Div, Eq, FloorDiv, Gt, Gte, In, Lt, Lte, Mul, Ne, Pow, Rem, ScAnd, ScOr, Sub};
    let (of_left, of_right, of_both) = match node.op {
        Add | Mul => (None, None, Some(MADE)),
        Concat => (Some(IN_TEXT), Some(IN_TEXT), Some(MADE)),
        Eq | Ne | Lt | Lte | Gt | Gte => (Some(COMPARED), None, None),
        // What is looked for in a text becomes one.
        In => (Some(IN_TEXT), Some(COMPARED), None),
        Sub | Div | FloorDiv | Rem | Pow | ScAnd | ScOr => (None, None, None),
    };
    let side = |guard: Option<&'static str>, written: &Expr<'t>| match guard {
        Some(guard) => guarded(guard, expression(written), written.span()),
        None => expression(written),
    };
    let operation = BinOp {
        op: node.op,
        left: side(of_left, &node.left),
        right: side(of_right, &node.right),
    };
    let operation = Expr::BinOp(Spanned::new(operation, span));
    match of_both {
        Some(guard) => guarded(guard, operation, span),
        None => operation,
    }
}

fn call<'t>(node: &Spanned<Call<'t>>) -> Spanned<Call<'t>> {
    let call = Call {
        expr: expression(&node.expr),
        args: arguments(&node.args),
    };
    Spanned::new(call, node.span())
}

fn arguments<'t>(written: &[CallArg<'t>]) -> Vec<CallArg<'t>> {
    let argument = |argument: &CallArg<'t>| match argument {
        CallArg::Pos(value) => CallArg::Pos(expression(value)),
        CallArg::Kwarg(name, value) => CallArg::Kwarg(name, expression(value)),
        CallArg::PosSplat(value) => CallArg::PosSplat(expression(value)),
        CallArg::KwargSplat(value) => CallArg::KwargSplat(expression(value)),
    };
    written.iter().map(argument).collect()
}

fn guarded<'t>(guard: &'static str, expr: Expr<'t>, span: Span) -> Expr<'t> {
    let filter = Filter {
        name: guard,
        expr: Some(expr),
        args: Vec::new(),
    };
    Expr::Filter(Spanned::new(filter, span))
}
