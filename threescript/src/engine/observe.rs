//! Watching runs: for coverage and traces.

use super::values::{ModuleHandle, Special, TableHandle, View, kind, to_value, view};
use super::{Caller, Entry, Execution, ScriptError, place_of};
use crate::policy::declaration::TableDecl;
use crate::policy::{Place, Policy};
use crate::value::Value;
use rhai::{AST, ASTNode, Dynamic, Engine, EvalContext, Expr, Position, Stmt};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sees what runs do, and changes nothing: a watched run gives the same result and takes the same operations as another.
///
/// Runs inside runs begin and end between the beginning and the end of the outer one, all on one thread.
pub trait Observer: Send + Sync {
    /// A run begins, with the arguments as they were given.
    fn begun(&self, _policy: &Policy, _entry: Entry, _args: &[(String, Value)], _caller: &Caller) {}

    /// The run that began last has ended.
    fn ended(&self, _policy: &Policy, _result: Result<&Execution, &ScriptError>) {}

    /// Whether [`Observer::step`] wants to be called, which makes runs several times slower.
    fn wants_steps(&self) -> bool {
        true
    }

    /// Something happens in the run that began last.
    fn step(&self, _step: &Step) {}
}

/// What happens at one moment of a run.
pub struct Step<'a> {
    /// Where, in the policy file. For [`Moment::Called`] and [`Moment::Returned`] the call.
    pub place: Place,
    /// What.
    pub moment: Moment<'a>,
    /// How many functions of the policy are around it; 0 in the body of an action.
    pub depth: usize,
    variables: &'a dyn Fn() -> Vec<(String, Shown)>,
}

impl Step<'_> {
    /// The local variables, the inner ones first. Only what has a value of 3Script or a name is there.
    pub fn variables(&self) -> Vec<(String, Shown)> {
        (self.variables)()
    }
}

/// What a [`Step`] is about.
pub enum Moment<'a> {
    /// A statement is about to run.
    Statement,
    /// An expression inside a statement is about to be evaluated; a variable that is read has its name here.
    Expression {
        /// The name, if the expression is a variable.
        variable: Option<&'a str>,
    },
    /// A function has returned: of the library, of a module, of a table, or of the policy.
    Returned {
        /// Its name.
        function: &'a str,
        /// Whether it is one of the policy.
        own: bool,
        /// Its arguments; of a method, the value itself first.
        args: Vec<Shown>,
        /// What it returned; `None` if it failed.
        result: Option<Shown>,
    },
}

/// What can be shown of something in the interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A value.
    Value(Value),
    /// A table, by its name.
    Table(String),
    /// A native module, by its name.
    Module(String),
    /// Something without a value, by its kind, such as `query`.
    Other(&'static str),
}

impl Shown {
    fn of(value: &Dynamic, tables: &[TableDecl]) -> Self {
        if let Some(table) = value.read_lock::<TableHandle>() {
            let name = tables.get(table.0).map(|table| table.name.clone());
            return name.map_or(Self::Other("table"), Self::Table);
        }
        if let Some(module) = value.read_lock::<ModuleHandle>() {
            return Self::Module(module.0.to_string());
        }
        match (to_value(value), view(value)) {
            (Ok(value), _) => Self::Value(value),
            // Deeper than values may be: shown by what it is.
            (Err(_), View::Special(Special::Script(_))) => Self::Other("script"),
            (Err(_), _) => Self::Other(kind(value)),
        }
    }
}

/// Where a statement or an expression begins. Operators begin where their left side does.
pub(crate) fn start_of(node: &ASTNode) -> Position {
    match node {
        ASTNode::Stmt(statement) => statement_start(statement),
        ASTNode::Expr(expression) => expression_start(expression),
        _ => Position::NONE,
    }
}

pub(crate) fn statement_start(statement: &Stmt) -> Position {
    match statement {
        Stmt::Assignment(parts) => expression_start(&parts.1.lhs),
        Stmt::Expr(expression) => expression_start(expression),
        other => other.position(),
    }
}

pub(crate) fn expression_start(expression: &Expr) -> Position {
    match expression {
        Expr::FnCall(call, position) if call.is_operator_call() => {
            call.args.first().map_or(*position, expression_start)
        }
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => expression_start(&parts.lhs),
        Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
            parts.first().map_or(Position::NONE, expression_start)
        }
        // A block as a value begins with its first statement.
        Expr::Stmt(block) => match block.statements().first() {
            Some(first) => statement_start(first),
            None => block.position(),
        },
        other => other.position(),
    }
}

/// The expressions that are statements by themselves, by where they begin and where they have their sign. The
/// interpreter shows them as expressions.
#[derive(Debug, Default)]
pub(crate) struct ExpressionStatements(BTreeSet<(Position, Position)>);

impl ExpressionStatements {
    pub fn of(bodies: &[AST]) -> Self {
        let mut found = BTreeSet::new();
        for body in bodies {
            body.walk(&mut |path| {
                if let Some(ASTNode::Stmt(Stmt::Expr(expression))) = path.last() {
                    found.insert((expression_start(expression), expression.position()));
                }
                true
            });
        }
        Self(found)
    }

    fn has(&self, expression: &Expr) -> bool {
        self.0
            .contains(&(expression_start(expression), expression.position()))
    }
}

/// Who watches a run, and what is needed to show it.
pub(crate) struct Watch {
    pub observer: Arc<dyn Observer>,
    pub statements: Arc<ExpressionStatements>,
}

/// Lets an observer see every step that an interpreter makes.
pub(crate) fn watch(engine: &mut Engine, watch: Watch, tables: Arc<[TableDecl]>) {
    use rhai::debugger::{DebuggerCommand, DebuggerEvent};
    let Watch {
        observer,
        statements,
    } = watch;
    let see = move |context: EvalContext, event: DebuggerEvent, node: ASTNode, place: Position| {
        let variables = || {
            let entries = context.scope().iter_raw();
            entries
                .map(|(name, _, value)| (name.to_owned(), Shown::of(value, &tables)))
                .collect()
        };
        let frame = || {
            context
                .debugger()
                .and_then(|debugger| debugger.call_stack().last())
        };
        let returned = |result: Option<&Dynamic>| {
            let frame = frame()?;
            let args = frame.args.iter().map(|arg| Shown::of(arg, &tables));
            let moment = Moment::Returned {
                function: frame.fn_name.as_str(),
                // The end of a function of the policy is shown at its end, that of a native at the call.
                own: place != frame.pos,
                args: args.collect(),
                result: result.map(|result| Shown::of(result, &tables)),
            };
            Some((frame.pos, moment))
        };
        let (position, moment) = match event {
            DebuggerEvent::FunctionExitWithValue(value) => match returned(Some(value)) {
                Some(returned) => returned,
                None => return,
            },
            DebuggerEvent::FunctionExitWithError(_) => match returned(None) {
                Some(returned) => returned,
                None => return,
            },
            _ => match node {
                // The beginning and the end of a function, which its statements tell better.
                ASTNode::Stmt(Stmt::Noop(_)) => return,
                ASTNode::Stmt(_) => (start_of(&node), Moment::Statement),
                ASTNode::Expr(expression) if statements.has(expression) => {
                    (start_of(&node), Moment::Statement)
                }
                ASTNode::Expr(Expr::Variable(name, ..)) => {
                    let variable = Some(name.1.as_str());
                    (place, Moment::Expression { variable })
                }
                _ => (start_of(&node), Moment::Expression { variable: None }),
            },
        };
        let Some(place) = place_of(position) else {
            return;
        };
        // A variable as a statement is read as well.
        let read = match (&moment, node) {
            (Moment::Statement, ASTNode::Expr(Expr::Variable(name, ..))) => Some(name.1.as_str()),
            _ => None,
        };
        let depth = context.call_level();
        let see = |moment| {
            observer.step(&Step {
                place,
                moment,
                depth,
                variables: &variables,
            })
        };
        see(moment);
        if let Some(name) = read {
            let variable = Some(name);
            see(Moment::Expression { variable });
        }
    };
    #[allow(
        deprecated,
        reason = "marked so only because it may change; the version is pinned"
    )]
    engine.register_debugger(
        |_, debugger| debugger,
        move |context, event, node, _, place| {
            see(context, event, node, place);
            Ok(DebuggerCommand::StepInto)
        },
    );
}
