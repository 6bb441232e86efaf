//! One run of a policy: its state, and what natives see of it.

use super::catalog::{Catalog, NativeFunction};
use super::error::Raised;
use super::host::Host;
use super::limits::Limits;
use super::meter::Meter;
use super::tables::{ROW_COST, Table, Writes};
use super::values::{from_value, to_value};
use crate::action::Type;
use crate::formula::{Formula, Work};
use crate::policy::compile::Inner;
use crate::policy::declaration::TableDecl;
use crate::policy::diagnostic::suggest;
use crate::policy::param::PolicyParam;
use crate::policy::types::fit;
use crate::value::Value;
use rhai::{Dynamic, NativeCallContext};
use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something that a policy tells the world inside the circle: it is recorded for ever.
#[derive(Clone, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Event {
    /// What happened.
    pub name: String,
    /// The particulars, a map.
    pub data: Value,
}

/// Something that a policy wants done outside: it is released when the circle is unanimous.
#[derive(Clone, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Effect {
    /// Who does it.
    pub actor: String,
    /// What is done.
    pub name: String,
    /// The particulars, a map.
    pub data: Value,
}

/// A host that can be taken back out of its box.
pub(crate) trait AnyHost: Host {
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn as_host(&mut self) -> &mut dyn Host;
}

impl<H: Host> AnyHost for H {
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn as_host(&mut self) -> &mut dyn Host {
        self
    }
}

/// What changes during a run.
pub(crate) struct RunState {
    pub host: Box<dyn AnyHost>,
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub writes: Writes,
    /// The params that were read, by their place in the declarations.
    params: Vec<Option<Dynamic>>,
}

/// One run. Natives reach it through the interpreter's tag.
pub(crate) struct Run {
    /// The policy's name.
    pub actor: Arc<str>,
    pub tables: Arc<[TableDecl]>,
    pub params: Arc<[PolicyParam]>,
    pub formulas: Arc<[Formula]>,
    pub catalog: Arc<Catalog>,
    pub limits: Limits,
    pub meter: Arc<Meter>,
    /// A question or an invariant: nothing may be written or emitted.
    pub read_only: bool,
    state: Mutex<Option<RunState>>,
}

/// The run as the interpreter's tag.
#[derive(Clone)]
pub(crate) struct RunHandle(pub Arc<Run>);

/// The state of a run while a native works on it.
pub(crate) struct StateGuard<'a>(MutexGuard<'a, Option<RunState>>);

impl std::ops::Deref for StateGuard<'_> {
    type Target = RunState;

    fn deref(&self) -> &RunState {
        // `Run::finish` takes the state out when the interpreter is gone, and no native runs without it.
        self.0
            .as_ref()
            .expect("a run has its state until it is finished")
    }
}

impl std::ops::DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut RunState {
        self.0
            .as_mut()
            .expect("a run has its state until it is finished")
    }
}

impl Run {
    /// A run of a policy before its first step.
    pub fn new(policy: &Inner, meter: Arc<Meter>, read_only: bool, host: Box<dyn AnyHost>) -> Self {
        let state = RunState {
            host,
            events: Vec::new(),
            effects: Vec::new(),
            writes: Writes::new(policy.limits.writes),
            params: vec![None; policy.params.len()],
        };
        Self {
            actor: policy.actor.clone(),
            tables: policy.tables.clone(),
            params: policy.params.clone(),
            formulas: policy.formulas.clone(),
            catalog: policy.catalog.clone(),
            limits: policy.limits.clone(),
            meter,
            read_only,
            state: Mutex::new(Some(state)),
        }
    }

    /// The run that a native is called in.
    pub fn of(context: &NativeCallContext) -> Result<Arc<Self>, Raised> {
        let handle = context
            .tag()
            .and_then(|tag| tag.read_lock::<RunHandle>().map(|handle| handle.0.clone()));
        handle.ok_or_else(|| Raised::fault("a native was called outside a run"))
    }

    /// The state. A panic of a host leaves it as it is: the run is void then anyway.
    pub fn state(&self) -> StateGuard<'_> {
        StateGuard(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the state out at the end.
    pub fn finish(&self) -> RunState {
        let state = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        state.expect("a run is finished once")
    }

    /// Works on a table.
    pub fn with_table<T>(
        &self,
        table: usize,
        work: impl FnOnce(&mut Table) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        let mut state = self.state();
        let RunState { host, writes, .. } = &mut *state;
        work(&mut Table {
            decl: &self.tables[table],
            host: host.as_host(),
            meter: &self.meter,
            writes,
        })
    }

    /// Like [`Run::with_table`], where rows may be written.
    pub fn write_table<T>(
        &self,
        table: usize,
        work: impl FnOnce(&mut Table) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        self.check_writable()?;
        self.with_table(table, work)
    }

    /// The params that a formula needs, by their numbers; those that it does not need are nothing.
    pub fn settings(&self, formula: &Formula) -> Result<Vec<Value>, Raised> {
        let Some(last) = formula.settings.last() else {
            return Ok(Vec::new());
        };
        let mut settings = vec![Value::Unit; last + 1];
        for index in &formula.settings {
            settings[*index] = to_value(&self.param(*index)?)?;
        }
        Ok(settings)
    }

    /// What computing a formula of this policy needs.
    pub fn formula_work<'v>(&'v self, settings: &'v [Value]) -> Work<'v> {
        Work {
            formulas: &self.formulas,
            settings,
            assets: self.catalog.assets(),
            meter: &self.meter,
        }
    }

    /// A formula by name. Errors: `unknown_formula`.
    pub fn formula(&self, name: &str) -> Result<&Formula, Raised> {
        let found = self.formulas.iter().find(|formula| formula.name == name);
        found.ok_or_else(|| {
            let known = self.formulas.iter().map(|formula| formula.name.as_str());
            let mend = suggest(name, known);
            let message = format!("there is no formula `{name}`");
            Raised::new("unknown_formula", message, mend)
        })
    }

    /// The value of a param: what the circle decided, otherwise its default. The host is asked once per run.
    pub fn param(&self, index: usize) -> Result<Dynamic, Raised> {
        let mut state = self.state();
        if let Some(value) = &state.params[index] {
            return Ok(value.clone());
        }
        self.meter.charge(ROW_COST)?;
        let declared = &self.params[index];
        let decided = state.host.as_host().param(&declared.name)?;
        let assets = self.catalog.assets();
        let value = decided.and_then(|value| declared.accept(value, assets).ok());
        let value = self.give(value.unwrap_or_else(|| declared.default.clone()))?;
        state.params[index] = Some(value.clone());
        Ok(value)
    }

    pub fn check_writable(&self) -> Result<(), Raised> {
        match self.read_only {
            true => Err(Raised::new(
                "read_only",
                "a question or an invariant cannot write, emit or call what does",
                "make it an action",
            )),
            false => Ok(()),
        }
    }

    pub fn emit(&self, name: String, data: Value) -> Result<(), Raised> {
        self.check_writable()?;
        if self.catalog.event(&self.actor, &name).is_some() {
            let message = format!("the event {}.{name} is the kernel's", self.actor);
            return Err(Raised::new("reserved_name", message, "take another name"));
        }
        self.charge_value(&data)?;
        let mut state = self.state();
        if state.events.len() >= self.limits.events as usize {
            let message = format!("the run emitted more than {} events", self.limits.events);
            return Err(Raised::new(
                "limit.events",
                message,
                "emit one event for many things",
            ));
        }
        state.events.push(Event { name, data });
        Ok(())
    }

    pub fn effect(&self, actor: String, name: String, data: Value) -> Result<(), Raised> {
        self.check_writable()?;
        self.charge_value(&data)?;
        let mut state = self.state();
        if state.effects.len() >= self.limits.effects as usize {
            let message = format!("the run emitted more than {} effects", self.limits.effects);
            return Err(Raised::new("limit.effects", message, "do less at a time"));
        }
        state.effects.push(Effect { actor, name, data });
        Ok(())
    }

    /// Calls a native module. Arguments are checked and charged here.
    pub fn call(&self, module: &str, function: &str, args: Vec<Value>) -> Result<Dynamic, Raised> {
        let unknown = || {
            Raised::new(
                "unknown_function",
                format!("there is no function {module}.{function}"),
                "",
            )
        };
        let native = self
            .catalog
            .function(module, function)
            .ok_or_else(unknown)?;
        if !native.ask_allowed {
            self.check_writable()?;
        }
        if args.len() != native.params.len() {
            let message = format!(
                "{module}.{function} has {} parameters, {} are given",
                native.params.len(),
                args.len()
            );
            return Err(Raised::new("arguments", message, ""));
        }
        self.call_native(module, native, args)
    }

    /// Calls a function that has no module.
    pub fn call_word(&self, name: &str, args: Vec<Value>) -> Result<Dynamic, Raised> {
        let word = self.catalog.word(name).ok_or_else(|| {
            Raised::new(
                "unknown_function",
                format!("there is no function {name}"),
                "",
            )
        })?;
        self.call_native("", &word.function, args)
    }

    fn call_native(
        &self,
        module: &str,
        native: &NativeFunction,
        args: Vec<Value>,
    ) -> Result<Dynamic, Raised> {
        let function = native.name.as_str();
        let title = match module {
            "" => function.to_owned(),
            _ => format!("{module}.{function}"),
        };
        let mut typed = Vec::with_capacity(args.len());
        for ((name, ty), value) in native.params.iter().zip(args) {
            self.charge_value(&value)?;
            let value = fit(ty, value);
            typed.push(
                value.map_err(|reason| {
                    Raised::type_error(format!("`{name}` of {title}: {reason}"))
                })?,
            );
        }
        self.meter.charge(native.cost)?;
        let result = {
            let mut state = self.state();
            let host = state.host.as_host();
            host.operations_left(self.meter.operations_left());
            let result = host.call(module, function, typed);
            let used = host.operations_used();
            self.meter.charge(used)?;
            result?
        };
        if !matches!(native.returns, Type::Any) && fit(&native.returns, result.clone()).is_err() {
            return Err(Raised::fault(format!(
                "{title} returned a value of kind {}",
                result.kind()
            )));
        }
        self.give(result)
    }

    /// A value for the script, charged.
    pub fn give(&self, value: Value) -> Result<Dynamic, Raised> {
        let (value, bytes) = from_value(value);
        self.meter.allocate(bytes)?;
        Ok(value)
    }

    fn charge_value(&self, value: &Value) -> Result<(), Raised> {
        self.meter
            .allocate(borsh::object_length(value).unwrap_or(0) as u64)
    }
}
