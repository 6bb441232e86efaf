//! The functions that policies may call: this table is the whitelist, nothing else exists in the interpreter.

mod actions;
mod collections;
pub(crate) mod manual;
mod money;
mod numbers;
pub(crate) mod signature;
mod tables;
mod texts;

use super::error::Raised;
use super::meter::copy_cost;
use super::operators;
use super::run::Run;
use super::values::{ModuleHandle, Record, View, kind, read_map, to_value, view, write_map};
use crate::formula::{Formula, Operand, fit_argument};
use crate::policy::declaration::TableDecl;
use crate::policy::diagnostic::suggest;
use rhai::{Array, Dynamic, FuncRegistration, ImmutableString, Module, RhaiFunc, Shared};
use std::any::TypeId;
use std::collections::BTreeSet;

/// What a native works with: the run, and its arguments. The first argument of a method is the value itself.
pub(crate) type Body = fn(&Run, &mut [&mut Dynamic]) -> Result<Dynamic, Raised>;

/// A function of the library. It may be called as `name(x, y)` and as `x.name(y)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Native {
    /// Name and parameters, `replace(whole, old, new)`; the name alone of a property.
    pub form: &'static str,
    /// What it takes and gives; see [`signature`].
    pub cases: &'static str,
    /// A property, `x.name`, instead of a function.
    pub property: bool,
    /// Whether it changes its first argument in place.
    pub changes: bool,
    body: Body,
}

impl Native {
    pub fn name(&self) -> &'static str {
        self.form
            .split_once('(')
            .map_or(self.form, |(name, _)| name)
    }

    /// The number of its arguments; the value of a property is one.
    pub fn arity(&self) -> usize {
        1 + self.form.matches(',').count()
    }

    /// Calls it as the interpreter does.
    #[cfg(test)]
    pub fn call(&self, run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
        (self.body)(run, args)
    }

    /// The names of the parameters; none for a property.
    pub fn params(&self) -> Vec<&'static str> {
        let inner = self
            .form
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        inner
            .map(|names| names.split(", ").collect())
            .unwrap_or_default()
    }
}

const fn function(form: &'static str, cases: &'static str, body: Body) -> Native {
    Native {
        form,
        cases,
        property: false,
        changes: false,
        body,
    }
}

const fn change(form: &'static str, cases: &'static str, body: Body) -> Native {
    Native {
        changes: true,
        ..function(form, cases, body)
    }
}

const fn property(name: &'static str, cases: &'static str, body: Body) -> Native {
    Native {
        property: true,
        ..function(name, cases, body)
    }
}

/// The chapters of the library.
fn parts() -> [(&'static str, &'static [Native]); 6] {
    [
        ("runs", actions::NATIVES),
        ("tables", tables::NATIVES),
        ("numbers", numbers::NATIVES),
        ("money", money::NATIVES),
        ("texts", texts::NATIVES),
        ("lists and maps", collections::NATIVES),
    ]
}

/// All functions and properties.
pub(crate) fn natives() -> impl Iterator<Item = &'static Native> {
    parts().into_iter().flat_map(|(_, natives)| natives)
}

const OPERATORS: [&str; 17] = [
    "+", "-", "*", "/", "%", "**", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=",
];

/// The module that holds the library and the operators.
pub(crate) fn module() -> Module {
    let mut module = Module::new();
    for native in natives() {
        let registration = match native.property {
            true => FuncRegistration::new_getter(native.name()),
            false => FuncRegistration::new(native.name()),
        };
        let body = native.body;
        match native.property {
            false => register(
                &mut module,
                registration,
                native.arity(),
                !native.changes,
                body,
            ),
            // A record may have an entry of that name.
            true => register(
                &mut module,
                registration,
                1,
                true,
                move |run, args| match args[0].is::<Record>() {
                    true => entry(args[0], native.name()),
                    false => body(run, args),
                },
            ),
        }
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
    records(&mut module);
    module.set_iter(TypeId::of::<Array>(), |list| {
        Box::new(list.cast::<Array>().into_iter())
    });
    module.set_iterable::<std::ops::Range<i64>>();
    module.set_iterable::<std::ops::RangeInclusive<i64>>();
    module
}

/// The module of one policy: the functions of the catalog are methods of the module handles.
pub(crate) fn policy_module(
    catalog: &super::Catalog,
    tables: &[TableDecl],
    formulas: &[Formula],
) -> Module {
    let mut module = Module::new();
    // Columns are properties of rows.
    let columns = tables.iter().flat_map(|table| &table.columns);
    for name in columns.map(|column| &column.name).collect::<BTreeSet<_>>() {
        let column = name.clone();
        let get = move |_: &Run, args: &mut [&mut Dynamic]| entry(args[0], &column);
        let types = [TypeId::of::<Record>()];
        FuncRegistration::new_getter(name).set_into_module_raw(
            &mut module,
            types,
            method(true, get),
        );
    }
    for (index, formula) in formulas.iter().enumerate() {
        let call = move |run: &Run, args: &mut [&mut Dynamic]| call_formula(run, index, args);
        let registration = FuncRegistration::new(formula.name.as_str());
        register(&mut module, registration, formula.params.len(), true, call);
    }
    let mut done = BTreeSet::new();
    for native in catalog.modules().flat_map(|(_, functions)| functions) {
        if !done.insert((native.name.clone(), native.params.len())) {
            continue;
        }
        let name = native.name.clone();
        let call = move |run: &Run, args: &mut [&mut Dynamic]| {
            let handle = args[0]
                .read_lock::<ModuleHandle>()
                .map(|handle| handle.0.clone());
            let handle = handle.ok_or_else(|| Raised::type_error("this is no module"))?;
            let values = args[1..].iter().map(|arg| to_value(arg));
            run.call(&handle, &name, values.collect::<Result<_, _>>()?)
        };
        let mut types = vec![TypeId::of::<Dynamic>(); native.params.len() + 1];
        types[0] = TypeId::of::<ModuleHandle>();
        FuncRegistration::new(native.name.as_str()).set_into_module_raw(
            &mut module,
            types,
            method(true, call),
        );
    }
    for word in catalog.words() {
        for arity in word.arities() {
            let name = word.function.name.clone();
            let is_native = |native: &&Native| {
                native.name() == name && native.arity() == arity && !native.property
            };
            if natives().any(|native| is_native(&native)) {
                continue;
            }
            let name = name.clone();
            let call = move |run: &Run, args: &mut [&mut Dynamic]| {
                let values = args.iter().map(|arg| to_value(arg));
                run.call_word(&name, values.collect::<Result<_, _>>()?)
            };
            let registration = FuncRegistration::new(word.function.name.as_str());
            register(&mut module, registration, arity, true, call);
        }
    }
    module
}

/// A formula as a function of the bodies.
fn call_formula(run: &Run, index: usize, args: &[&mut Dynamic]) -> Result<Dynamic, Raised> {
    let formula = &run.formulas[index];
    let mut values = Vec::with_capacity(args.len());
    for (param, arg) in formula.params.iter().zip(args) {
        values.push(fit_argument(formula, param, to_value(arg)?)?);
    }
    // What fits a type that formulas know is an operand.
    let operands: Option<Vec<_>> = values.iter().map(Operand::of).collect();
    let operands = operands.ok_or_else(|| Raised::type_error("an argument is nothing"))?;
    let settings = run.settings(formula)?;
    let result = run.formula_work(&settings).compute(formula, &operands)?;
    run.give(result)
}

/// Entries of records: `row.name`, `row["name"]`, and the same to the left of an assignment.
fn records(module: &mut Module) {
    let (record, name) = (TypeId::of::<Record>(), TypeId::of::<ImmutableString>());
    let get = |_: &Run, args: &mut [&mut Dynamic]| entry(args[0], &text(args[1], "a name")?);
    FuncRegistration::new_index_getter().set_into_module_raw(
        module,
        [record, name],
        method(true, get),
    );
    let set = |run: &Run, args: &mut [&mut Dynamic]| {
        let (name, value) = (text(args[1], "a name")?, args[2].take());
        let length = read_map(args[0], |map| map.len()).unwrap_or(0);
        if length >= run.limits.map_entries as usize {
            return Err(Raised::new(
                "limit.size",
                "a map has grown too large",
                "keep it in a table",
            ));
        }
        run.meter.allocate(64 * (length as u64 + 1))?;
        run.meter.charge(copy_cost(&value))?;
        write_map(args[0], |map| map.insert(name.into(), value));
        Ok(Dynamic::UNIT)
    };
    let types = [record, name, TypeId::of::<Dynamic>()];
    // By its name: the constructor for it sets the purity, which the raw form below has in itself.
    FuncRegistration::new("index$set$")
        .in_global_namespace()
        .set_into_module_raw(module, types, method(false, set));
}

fn entry(record: &Dynamic, name: &str) -> Result<Dynamic, Raised> {
    read_map(record, |map| map.get(name).cloned())
        .flatten()
        .ok_or_else(|| {
            let mend = read_map(record, |map| suggest(name, map.keys().map(AsRef::as_ref)));
            Raised::new(
                "unknown_field",
                format!("there is no entry `{name}`"),
                mend.unwrap_or_default(),
            )
        })
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
            let result = body(&run, args)?;
            // What a native gives may be kept, or a text in it be walked through, without another charge.
            run.meter.charge(copy_cost(&result))?;
            Ok(result)
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
