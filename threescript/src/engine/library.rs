//! The functions that policies may call: this table is the whitelist, nothing else exists in the interpreter.

mod actions;
mod collections;
mod money;
mod numbers;
mod tables;
mod texts;

use super::error::Raised;
use super::operators;
use super::run::Run;
use super::values::{View, kind, view};
use rhai::{Array, Dynamic, FuncRegistration, ImmutableString, Module, RhaiFunc, Shared};
use std::any::TypeId;

/// What a native works with: the run, and its arguments. The first argument of a method is the value itself.
pub(crate) type Body = fn(&Run, &mut [&mut Dynamic]) -> Result<Dynamic, Raised>;

/// A function of the library. It may be called as `name(x, y)` and as `x.name(y)`.
#[derive(Clone, Copy)]
pub(crate) struct Native {
    pub name: &'static str,
    pub arity: usize,
    /// A property, `x.name`, instead of a function.
    pub property: bool,
    /// Whether it changes its first argument in place.
    pub changes: bool,
    body: Body,
}

const fn function(name: &'static str, arity: usize, body: Body) -> Native {
    Native {
        name,
        arity,
        property: false,
        changes: false,
        body,
    }
}

const fn change(name: &'static str, arity: usize, body: Body) -> Native {
    Native {
        name,
        arity,
        property: false,
        changes: true,
        body,
    }
}

const fn property(name: &'static str, body: Body) -> Native {
    Native {
        name,
        arity: 1,
        property: true,
        changes: false,
        body,
    }
}

/// All functions and properties.
pub(crate) fn natives() -> impl Iterator<Item = &'static Native> {
    let parts = [
        actions::NATIVES,
        tables::NATIVES,
        numbers::NATIVES,
        money::NATIVES,
        texts::NATIVES,
        collections::NATIVES,
    ];
    parts.into_iter().flatten()
}

const OPERATORS: [&str; 17] = [
    "+", "-", "*", "/", "%", "**", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=",
];

/// The module that holds the library and the operators.
pub(crate) fn module() -> Module {
    let mut module = Module::new();
    for native in natives() {
        let registration = match native.property {
            true => FuncRegistration::new_getter(native.name),
            false => FuncRegistration::new(native.name),
        };
        let body = native.body;
        register(
            &mut module,
            registration,
            native.arity,
            !native.changes,
            body,
        );
    }
    for operator in OPERATORS {
        let apply = move |run: &Run, args: &mut [&mut Dynamic]| {
            operators::binary(operator, args[0], args[1], run.catalog.assets(), &run.meter)
        };
        register(&mut module, FuncRegistration::new(operator), 2, true, apply);
        // `x += y` and its like; comparisons have none.
        if OPERATORS.iter().position(|other| *other == operator) < Some(11) {
            let assign = move |run: &Run, args: &mut [&mut Dynamic]| {
                *args[0] = apply(run, args)?;
                Ok(Dynamic::UNIT)
            };
            register(
                &mut module,
                FuncRegistration::new(format!("{operator}=")),
                2,
                false,
                assign,
            );
        }
    }
    for operator in ["-", "+", "!"] {
        let apply = move |_: &Run, args: &mut [&mut Dynamic]| operators::unary(operator, args[0]);
        register(&mut module, FuncRegistration::new(operator), 1, true, apply);
    }
    module.set_iter(TypeId::of::<Array>(), |list| {
        Box::new(list.cast::<Array>().into_iter())
    });
    module.set_iterable::<std::ops::Range<i64>>();
    module.set_iterable::<std::ops::RangeInclusive<i64>>();
    module
}

/// The module with the functions of the catalog: methods of the module handles.
pub(crate) fn catalog_module(catalog: &super::Catalog) -> Module {
    let mut module = Module::new();
    let mut done = std::collections::BTreeSet::new();
    for native in catalog.modules().flat_map(|(_, functions)| functions) {
        if !done.insert((native.name.clone(), native.params.len())) {
            continue;
        }
        let name = native.name.clone();
        let call = move |run: &Run, args: &mut [&mut Dynamic]| {
            let handle = args[0]
                .read_lock::<super::values::ModuleHandle>()
                .map(|handle| handle.0.clone());
            let handle = handle.ok_or_else(|| Raised::type_error("this is no module"))?;
            let values = args[1..].iter().map(|arg| super::values::to_value(arg));
            run.call(&handle, &name, values.collect::<Result<_, _>>()?)
        };
        let mut types = vec![TypeId::of::<Dynamic>(); native.params.len() + 1];
        types[0] = TypeId::of::<super::values::ModuleHandle>();
        FuncRegistration::new(native.name.as_str()).set_into_module_raw(
            &mut module,
            types,
            method(true, call),
        );
    }
    module
}

fn register<F>(
    module: &mut Module,
    registration: FuncRegistration,
    arity: usize,
    pure: bool,
    body: F,
) where
    F: Fn(&Run, &mut [&mut Dynamic]) -> Result<Dynamic, Raised> + Send + Sync + 'static,
{
    let types = vec![TypeId::of::<Dynamic>(); arity];
    registration.set_into_module_raw(module, types, method(pure, body));
}

fn method<F>(pure: bool, body: F) -> RhaiFunc
where
    F: Fn(&Run, &mut [&mut Dynamic]) -> Result<Dynamic, Raised> + Send + Sync + 'static,
{
    RhaiFunc::Method {
        func: Shared::new(move |context, args| {
            let context =
                context.ok_or_else(|| Raised::fault("a native was called without context"))?;
            let run = Run::of(&context)?;
            Ok(body(&run, args)?)
        }),
        has_context: true,
        is_pure: pure,
        is_volatile: true,
    }
}

// What natives want of their arguments.

fn text(value: &Dynamic, what: &str) -> Result<ImmutableString, Raised> {
    match view(value) {
        View::Text(text) => Ok(text),
        _ => Err(Raised::type_error(format!(
            "{what} is a text, {} is given",
            kind(value)
        ))),
    }
}

fn int(value: &Dynamic, what: &str) -> Result<i64, Raised> {
    match view(value) {
        View::Int(number) => Ok(number),
        _ => Err(Raised::type_error(format!(
            "{what} is an int, {} is given",
            kind(value)
        ))),
    }
}

fn wrong(what: &str, value: &Dynamic) -> Raised {
    Raised::type_error(format!("a {} has no `{what}`", kind(value)))
}
