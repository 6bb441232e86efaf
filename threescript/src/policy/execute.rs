//! Running a policy.

use super::compile::{Inner, Policy};
use super::declaration::{CallerRule, EntryDecl, EntryKind};
use super::types::fit;
use crate::engine::meter::Meter;
use crate::engine::observe::{ExpressionStatements, Watch};
use crate::engine::values::{from_value, to_value};
use crate::engine::{
    Caller, Entry, Execution, Host, Observer, Raised, Run, ScriptError, Usage, explain, profile,
};
use crate::value::Value;
use rhai::{Dynamic, Scope};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

impl Policy {
    /// Runs an action, a question, a schedule, a reaction or an invariant.
    ///
    /// `args` are values by name; parameters that are not given take their defaults. The host is handed back with
    /// whatever the run wrote; after an error the caller must throw that away.
    ///
    /// Call it on a thread with a stack of at least 64 MiB: values may be nested as deep as the limits allow. A run is
    /// re-entrant: a host may run other policies within [`Host::call`].
    ///
    /// Errors: the code of [`ScriptError`] is the same on every node. Those of the call itself are `unknown_action`,
    /// `not_allowed`, `missing_parameter`, `unknown_parameter` and `type`.
    pub fn run<H: Host>(
        &self,
        entry: Entry,
        args: Vec<(String, Value)>,
        host: H,
    ) -> (H, Result<Execution, ScriptError>) {
        self.run_within(entry, args, host, u64::MAX)
    }

    /// Like [`Policy::run`], with at most `operations` operations, if that is less than the limit: for runs inside runs.
    pub fn run_within<H: Host>(
        &self,
        entry: Entry,
        args: Vec<(String, Value)>,
        host: H,
        operations: u64,
    ) -> (H, Result<Execution, ScriptError>) {
        let observer = host.observer();
        if let Some(observer) = &observer {
            observer.begun(self, entry, &args, &host.caller());
        }
        let (host, result) = self.execute(entry, args, host, operations, observer.clone());
        if let Some(observer) = &observer {
            observer.ended(self, result.as_ref());
        }
        (host, result)
    }

    fn execute<H: Host>(
        &self,
        entry: Entry,
        args: Vec<(String, Value)>,
        host: H,
        operations: u64,
        observer: Option<Arc<dyn Observer>>,
    ) -> (H, Result<Execution, ScriptError>) {
        let inner = &*self.inner;
        let prepared = inner.prepare(entry, args, &host);
        let (index, args) = match prepared {
            Ok(prepared) => prepared,
            Err(raised) => return (host, Err(raised.at(&inner.file, None))),
        };
        let decl = &inner.header.entries[index];
        let meter = Arc::new(Meter::new(&inner.limits, operations));
        let run = Arc::new(Run::new(
            inner,
            meter.clone(),
            decl.kind.reads_only(),
            Box::new(host),
        ));
        // The last resort: a panic of the interpreter or of a native becomes one code, the same on every node.
        let result = catch_unwind(AssertUnwindSafe(|| {
            inner.evaluate(index, decl, args, &run, observer)
        }));
        let result = result.unwrap_or_else(|_| {
            Err(
                Raised::new("panic", "the interpreter broke down", "report this policy")
                    .at(&inner.file, Some(decl.place)),
            )
        });
        let result = match decl.kind {
            EntryKind::Invariant => holds(inner, decl, result),
            _ => result,
        };
        let state = run.finish();
        let usage = Usage {
            operations: meter.operations(),
            memory_bytes: meter.memory_bytes(),
            writes: state.writes.used,
            events: state.events.len() as u32,
            effects: state.effects.len() as u32,
        };
        let host = match state.host.into_any().downcast::<H>() {
            Ok(host) => *host,
            Err(_) => unreachable!("the host that was put in is the host that is taken out"),
        };
        let result = result.map_err(|error| ScriptError {
            operations: usage.operations,
            ..error
        });
        let (events, effects) = (state.events, state.effects);
        (
            host,
            result.map(|value| Execution {
                value,
                events,
                effects,
                usage,
            }),
        )
    }
}

impl Inner {
    /// Finds the entry, checks the caller, and puts the arguments into the declared order.
    fn prepare(
        &self,
        entry: Entry,
        args: Vec<(String, Value)>,
        host: &impl Host,
    ) -> Result<(usize, Vec<Value>), Raised> {
        let title = match entry {
            Entry::Action(name) | Entry::Ask(name) | Entry::Every(name) => {
                format!("{}.{name}", self.header.name)
            }
            Entry::On(event) => format!("{} on {event}", self.header.name),
            Entry::Invariant(name) => format!("the invariant {name} of {}", self.header.name),
        };
        let unknown = || {
            Raised::new(
                "unknown_action",
                format!("there is no {title} of this kind"),
                "",
            )
        };
        let index = self.find(entry).ok_or_else(unknown)?;
        let decl = &self.header.entries[index];
        let mut given = args;
        let mut values = Vec::with_capacity(decl.params.len());
        for param in &decl.params {
            let at = given.iter().position(|(name, _)| *name == param.name);
            let value = match at.map(|at| given.swap_remove(at).1) {
                Some(value) => fit(&param.ty, value).map_err(|reason| {
                    Raised::type_error(format!("`{}` of {title}: {reason}", param.name))
                })?,
                None => param.default.clone().ok_or_else(|| {
                    Raised::new(
                        "missing_parameter",
                        format!("{title} needs `{}`", param.name),
                        "give it",
                    )
                })?,
            };
            values.push(value);
        }
        // A reaction takes what it declares of what the event says.
        if let (Some((name, _)), true) = (given.first(), decl.kind != EntryKind::On) {
            return Err(Raised::new(
                "unknown_parameter",
                format!("{title} has no parameter `{name}`"),
                "leave it out",
            ));
        }
        check_caller(decl, &values, &host.caller(), &title)?;
        Ok((index, values))
    }

    fn evaluate(
        &self,
        index: usize,
        decl: &EntryDecl,
        args: Vec<Value>,
        run: &Arc<Run>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Value, ScriptError> {
        let (globals, module) = (self.globals.clone(), self.module.clone());
        let observer = observer.filter(|observer| observer.wants_steps());
        let watch = observer.map(|observer| Watch {
            observer,
            statements: self
                .expression_statements
                .get_or_init(|| Arc::new(ExpressionStatements::of(&self.bodies)))
                .clone(),
        });
        let engine = profile::engine_for(run.clone(), globals, module, watch);
        let mut scope = Scope::new();
        for (param, value) in decl.params.iter().zip(args) {
            let (value, bytes) = from_value(value);
            run.meter
                .allocate(bytes)
                .map_err(|raised| raised.at(&self.file, Some(decl.place)))?;
            scope.push_dynamic(param.name.as_str(), value);
        }
        let result = engine.eval_ast_with_scope::<Dynamic>(&mut scope, &self.bodies[index]);
        let result = result.map_err(|error| {
            let (raised, place) = explain(*error);
            raised.at(&self.file, Some(place.unwrap_or(decl.place)))
        })?;
        match to_value(&result) {
            Ok(value) => Ok(value),
            // An action that ends with `proposals.where(…)` just returns nothing of use.
            Err(raised) if decl.kind.reads_only() || raised.code != "type" => {
                Err(raised.at(&self.file, Some(decl.place)))
            }
            Err(_) => Ok(Value::Unit),
        }
    }
}

/// An invariant holds or fails with a code of its own. A limit that was reached says nothing about what it checks, and
/// keeps its code.
fn holds(
    policy: &Inner,
    decl: &EntryDecl,
    result: Result<Value, ScriptError>,
) -> Result<Value, ScriptError> {
    let code = format!("invariant.{}", decl.name);
    let breach = |message: String, mend: &str| Raised::new(&code, message, mend);
    match result {
        Ok(Value::Bool(true)) => Ok(Value::Bool(true)),
        Ok(Value::Bool(false)) => {
            let what = decl.doc.lines().next().unwrap_or_default();
            let what = if what.is_empty() { &decl.name } else { what };
            let message = format!("{} holds no more: {what}", policy.header.name);
            Err(breach(message, "").at(&policy.file, Some(decl.place)))
        }
        Ok(other) => {
            let message = format!("an invariant yields a bool, not {}", other.kind());
            Err(breach(message, "end it with a condition").at(&policy.file, Some(decl.place)))
        }
        Err(error) if error.is_fault || error.code.starts_with("limit.") => Err(error),
        Err(error) => Err(ScriptError {
            message: format!("{} [{}]", error.message, error.code),
            code,
            ..error
        }),
    }
}

fn check_caller(
    decl: &EntryDecl,
    values: &[Value],
    caller: &Caller,
    title: &str,
) -> Result<(), Raised> {
    let has_role = |role: &str| caller.roles.iter().any(|other| other == role);
    let is_circle = caller.account == Caller::CIRCLE;
    let allowed = |rule: &CallerRule| match rule {
        CallerRule::Guardian => has_role("guardian"),
        CallerRule::Role(role) => has_role(role),
        CallerRule::Account(name) => {
            let param = decl.params.iter().position(|param| param.name == *name);
            matches!(param.map(|at| &values[at]), Some(Value::Account(account)) if *account == caller.account)
        }
        CallerRule::Anyone => !is_circle,
        CallerRule::Circle | CallerRule::Schedule => is_circle,
    };
    if decl.kind == EntryKind::Ask || decl.callers.iter().any(allowed) {
        return Ok(());
    }
    let who = |rule: &CallerRule| match rule {
        CallerRule::Guardian => "a guardian".to_owned(),
        CallerRule::Role(role) => format!("the role {role}"),
        CallerRule::Account(name) => format!("the account that `{name}` names"),
        CallerRule::Anyone => "any account".to_owned(),
        CallerRule::Circle => "the circle".to_owned(),
        CallerRule::Schedule => "the schedule".to_owned(),
    };
    let who: Vec<String> = decl.callers.iter().map(who).collect();
    let message = format!(
        "{title} is not for {}, only for {}",
        caller.account,
        who.join(" or ")
    );
    Err(Raised::new("not_allowed", message, "let one of them do it"))
}
