//! The interpreter as consensus needs it: Rhai without everything that is not named here.
//!
//! Version and features of the crate, the settings below and the [`Limits`] together decide what a script means and how
//! many operations it takes; a change of any of them is a change of the protocol.

use super::library;
use super::limits::Limits;
use super::meter::{Meter, copy_cost};
use super::run::{Run, RunHandle};
use rhai::{Dynamic, Engine, Module, OptimizationLevel, Scope};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

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
    // Operations are counted by our own meter, which host calls are charged to as well.
    engine.set_max_operations(0);
    engine
}

/// The names that every body of a policy sees: tables, constants, modules, `block` and `caller`, with what reading each
/// of them costs.
pub(crate) struct Globals(BTreeMap<String, (Dynamic, u64)>);

impl Globals {
    pub fn new(values: impl IntoIterator<Item = (String, Dynamic)>) -> Self {
        let with_cost = |(name, value): (String, Dynamic)| {
            let cost = copy_cost(&value);
            (name, (value, cost))
        };
        Self(values.into_iter().map(with_cost).collect())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// An interpreter for one run.
pub(crate) fn engine_for(run: Arc<Run>, globals: Arc<Globals>, catalog: Arc<Module>) -> Engine {
    let mut engine = engine(&run.limits);
    engine.register_global_module(catalog);
    let meter = run.meter.clone();
    engine.on_progress(move |_| match meter.step() {
        true => None,
        false => Some(Dynamic::UNIT),
    });
    let meter = run.meter.clone();
    #[allow(
        deprecated,
        reason = "marked so only because it may change; the version is pinned"
    )]
    engine.on_var(move |name, index, context| {
        let global = resolve(name, index, context.scope(), &globals, &meter)?;
        Ok(global)
    });
    engine.set_default_tag(Dynamic::from(RunHandle(run)));
    engine
}

/// Charges the reading of a variable, because the interpreter may copy it, and finds globals.
fn resolve(
    name: &str,
    index: usize,
    scope: &Scope,
    globals: &Globals,
    meter: &Meter,
) -> Result<Option<Dynamic>, super::error::Raised> {
    let local = match index {
        0 => scope.get(name),
        // The parser knows how far from the end of the scope the variable stands.
        _ => scope.iter_raw().nth(index - 1).map(|(_, _, value)| value),
    };
    if let Some(value) = local {
        meter.charge(copy_cost(value))?;
        return Ok(None);
    }
    match globals.0.get(name) {
        Some((value, cost)) => {
            meter.charge(*cost)?;
            Ok(Some(value.clone()))
        }
        None => Ok(None),
    }
}
