//! The interpreter as consensus needs it: Rhai without everything that is not named here.
//!
//! Version and features of the crate, the settings below and the [`Limits`] together decide what a script means and how
//! many operations it takes; a change of any of them is a change of the protocol.

use super::error::Raised;
use super::library;
use super::limits::Limits;
use super::meter::{copy_cost, look_cost};
use super::observe::{self, Watch};
use super::run::{Run, RunHandle};
use rhai::{Dynamic, Engine, Module, OptimizationLevel, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// The interpreter by its parts. Nodes whose profiles differ may count operations differently, so a circle keeps it among
/// its parameters.
pub const PROFILE: &str = "rhai 1.27.0; debugging internals no_closure no_float no_module no_time only_i64 std sync; \
     optimisation none; library 1";

/// Rhai hashes names of functions. With a fixed seed every node does it alike.
const HASHING_SEED: [u64; 4] = [
    0x6775_6172_6469_616e,
    0x2063_6972_636c_6520,
    0x3353_6372_6970_7420,
    1,
];

/// Words of Rhai that policies may not use, each with what to use instead.
pub(crate) const BANNED: [(&str, &str); 14] = [
    ("try", "let the action fail: everything it wrote is undone"),
    (
        "catch",
        "let the action fail: everything it wrote is undone",
    ),
    ("throw", "use fail(\"code\", \"text\")"),
    ("switch", "use if and else: switch compares hashes"),
    ("this", "pass the value as an argument"),
    ("eval", "write the code where it is needed"),
    ("Fn", "call the function by its name"),
    ("call", "call the function by its name"),
    ("curry", "call the function by its name"),
    (
        "is_def_var",
        "variables are known when the policy is checked",
    ),
    (
        "is_def_fn",
        "functions are known when the policy is checked",
    ),
    ("type_of", "declare what the value is"),
    ("import", "a policy is one file"),
    ("export", "a policy is one file"),
];

/// Names of values that bodies see without declaring them.
pub(crate) const BLOCK: &str = "block";
pub(crate) const CALLER: &str = "caller";

/// Fixes the hashing seed; must happen before the first use of Rhai in the process.
fn fix_seed() {
    static FIXED: OnceLock<()> = OnceLock::new();
    FIXED.get_or_init(|| {
        // An error says that a seed is set already; whether it is ours is asked next.
        let _ = rhai::config::hashing::set_hashing_seed(Some(HASHING_SEED));
        let seed = rhai::config::hashing::get_hashing_seed();
        assert_eq!(
            *seed,
            Some(HASHING_SEED),
            "another part of the program has set another hashing seed for Rhai"
        );
    });
}

/// The library, built once.
fn library_module() -> Arc<Module> {
    static LIBRARY: OnceLock<Arc<Module>> = OnceLock::new();
    fix_seed();
    LIBRARY.get_or_init(|| Arc::new(library::module())).clone()
}

/// An interpreter with limits and library, for compiling.
pub(crate) fn engine(limits: &Limits) -> Engine {
    let library = library_module();
    let mut engine = Engine::new_raw();
    engine.register_global_module(library);
    engine.set_optimization_level(OptimizationLevel::None);
    // Operators of our own for ints and texts, instead of the built-in ones, which round, wrap and grow silently.
    engine.set_fast_operators(false);
    engine.set_strict_variables(true);
    engine.set_allow_anonymous_fn(false);
    engine.set_fail_on_invalid_map_property(true);
    for (word, _) in BANNED {
        engine.disable_symbol(word);
    }
    let depth = limits.expression_depth as usize;
    engine.set_max_expr_depths(depth, depth);
    engine.set_max_call_levels(limits.call_depth as usize);
    engine.set_max_variables(limits.variables as usize);
    engine.set_max_functions(limits.functions as usize);
    engine.set_max_string_size(limits.text_bytes as usize);
    engine.set_max_array_size(limits.list_items as usize);
    engine.set_max_map_size(limits.map_entries as usize);
    engine.register_type_with_name::<super::values::Special>("value");
    engine.register_type_with_name::<super::values::Record>("map");
    engine.register_type_with_name::<super::values::TableHandle>("table");
    engine.register_type_with_name::<super::values::ModuleHandle>("module");
    engine.register_type_with_name::<super::query::Query>("query");
    engine.register_type_with_name::<super::values::BlockHandle>("block");
    engine.register_type_with_name::<super::values::CallerHandle>("caller");
    // Operations are counted by our own meter, which host calls are charged to as well.
    engine.set_max_operations(0);
    engine
}

/// The names that every body of a policy sees: tables, constants, params, modules, `block` and `caller`.
pub(crate) struct Globals {
    values: BTreeMap<String, Dynamic>,
    /// Params by name, with their place in the declarations: their values are asked for when they are read.
    params: BTreeMap<String, usize>,
    /// Names of local variables that some body copies; the others are only looked at.
    copied: BTreeSet<String>,
}

impl Globals {
    pub fn new(
        values: impl IntoIterator<Item = (String, Dynamic)>,
        params: impl IntoIterator<Item = String>,
    ) -> Self {
        let params = params.into_iter().enumerate();
        Self {
            values: values.into_iter().collect(),
            params: params.map(|(index, name)| (name, index)).collect(),
            copied: BTreeSet::new(),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.values.keys().chain(self.params.keys());
        names.map(String::as_str)
    }

    /// Says which local names are copied somewhere.
    pub fn set_copied(&mut self, copied: BTreeSet<String>) {
        self.copied = copied;
    }

    /// Charges the reading of a variable and finds globals.
    ///
    /// The interpreter does not say whether it is about to copy the value or only to look at a part of it, so that is
    /// known by the name: the checker has found the names that are copied anywhere in the policy.
    fn resolve(
        &self,
        name: &str,
        index: usize,
        scope: &Scope,
        run: &Run,
    ) -> Result<Option<Dynamic>, Raised> {
        let meter = &run.meter;
        let local = match index {
            0 => scope.get(name),
            // The parser knows how far from the end of the scope the variable stands.
            _ => scope.iter_raw().nth(index - 1).map(|(_, _, value)| value),
        };
        if let Some(value) = local {
            let cost = if self.copied.contains(name) {
                copy_cost(value)
            } else {
                look_cost(value)
            };
            meter.charge(cost)?;
            return Ok(None);
        }
        let global = match self.params.get(name) {
            Some(index) => Some(run.param(*index)?),
            None => self.values.get(name).cloned(),
        };
        meter.charge(global.as_ref().map_or(0, copy_cost))?;
        Ok(global)
    }
}

/// An interpreter for one run. With an observer it makes the same steps, and shows them.
pub(crate) fn engine_for(
    run: Arc<Run>,
    globals: Arc<Globals>,
    policy: Arc<Module>,
    watch: Option<Watch>,
) -> Engine {
    let mut engine = engine(&run.limits);
    engine.register_global_module(policy);
    let meter = run.meter.clone();
    engine.on_progress(move |_| meter.charge(1).err().map(Dynamic::from));
    let reader = run.clone();
    #[allow(
        deprecated,
        reason = "marked so only because it may change; the version is pinned"
    )]
    engine.on_var(move |name, index, context| {
        Ok(globals.resolve(name, index, context.scope(), &reader)?)
    });
    if let Some(watch) = watch {
        observe::watch(&mut engine, watch, run.tables.clone());
    }
    engine.set_default_tag(Dynamic::from(RunHandle(run)));
    engine
}
