//! What the checker says of operators and of the library is what happens when they run.

use super::calls::Arg;
use super::kind::{Kind, MapTy, Ty, Words};
use super::{Inference, Program, operators};
use crate::engine::library::signature::{self, Signature};
use crate::engine::meter::Meter;
use crate::engine::values::{BlockHandle, CallerHandle, Special, TableHandle};
use crate::engine::*;
use crate::policy::compile::{Policy, compile};
use crate::value::{Amount, AssetCode, Assets, Decimal, Value};
use rhai::{Array, Dynamic, Map, Position};
use std::rc::Rc;
use std::sync::Arc;

struct NoHost;

impl Host for NoHost {
    fn get(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    fn put(&mut self, _: Vec<u8>, _: Vec<u8>) -> Result<(), HostError> {
        Ok(())
    }
    fn delete(&mut self, _: &[u8]) -> Result<(), HostError> {
        Ok(())
    }
    fn scan(&mut self, _: &[u8], _: &[u8], _: usize, _: bool) -> Result<Rows, HostError> {
        Ok(Vec::new())
    }
    fn block(&self) -> BlockInfo {
        BlockInfo { height: 1, time: 0 }
    }
    fn caller(&self) -> Caller {
        Caller::circle()
    }
    fn call(&mut self, _: &str, _: &str, _: Vec<Value>) -> Result<Value, HostError> {
        Ok(Value::Unit)
    }
}

const SOURCE: &str = "policy test version 1\ntable things { a: id key, b: int }\naction x() by anyone { things.count() }\n";

/// A policy whose runs have no limits.
fn policy() -> Policy {
    let limits = Limits {
        operations: u64::MAX,
        memory_bytes: u64::MAX,
        writes: u32::MAX,
        events: u32::MAX,
        effects: u32::MAX,
        ..Limits::default()
    };
    compile(SOURCE, "test.3script", &Catalog::default(), &limits).expect("a sound policy")
}

fn run(policy: &Policy) -> Run {
    let meter = Arc::new(Meter::new(&policy.inner.limits, u64::MAX));
    Run::new(&policy.inner, meter, false, Box::new(NoHost))
}

/// A value of each kind, and how the checker knows it.
fn samples() -> Vec<(Kind, Dynamic)> {
    let special = |special: Special| Dynamic::from(special);
    let tft = AssetCode::new("TFT").unwrap();
    let text = |text: &str| {
        (
            Kind::Text(Words::Literal(text.into())),
            Dynamic::from(text.to_owned()),
        )
    };
    let map = MapTy {
        entries: [("a".to_owned(), Ty::int())].into(),
        ..MapTy::default()
    };
    let mut entries = Map::new();
    entries.insert("a".into(), 1i64.into());
    vec![
        (Kind::Nothing, Dynamic::UNIT),
        (Kind::Bool, false.into()),
        (Kind::Int, 1i64.into()),
        (Kind::Decimal, special(Special::Decimal(2.into()))),
        (Kind::Amount, special(Special::Amount(Amount::new(5, tft)))),
        (Kind::Percent, special(Special::Percent(Decimal::from(5)))),
        (Kind::Duration, special(Special::Duration(60))),
        (Kind::Time, special(Special::Time(3_600))),
        text("a"),
        text("floor"),
        text("TFT"),
        text("=="),
        (Kind::Bytes, special(Special::Bytes(vec![1].into()))),
        (Kind::Account, special(Special::Account("ann".into()))),
        (Kind::Id, special(Special::Id(3))),
        (Kind::Script, special(Special::Script(Vec::new().into()))),
        (
            Kind::List(Rc::new(Ty::int())),
            Array::from(vec![2i64.into(), 1i64.into()]).into(),
        ),
        (Kind::Map(Rc::new(map)), entries.into()),
        (Kind::Table(0), Dynamic::from(TableHandle(0))),
        (
            Kind::Query(0),
            Dynamic::from(crate::engine::query::Query::new(0)),
        ),
        (Kind::Block, Dynamic::from(BlockHandle)),
        (Kind::Caller, Dynamic::from(CallerHandle)),
        (Kind::Range, Dynamic::from(0i64..3)),
    ]
}

/// Whether a value is of a type.
fn is_of(ty: &Ty, value: &Dynamic) -> bool {
    let kind = crate::engine::values::kind(value);
    ty.kinds()
        .is_none_or(|kinds| kinds.iter().any(|other| other.name() == kind))
}

#[test]
fn operators_have_a_meaning_where_the_checker_says_so() {
    let (run, assets) = (run(&policy()), Assets::standard());
    let all = [
        "+", "-", "*", "/", "%", "**", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=",
    ];
    for (left, a) in samples() {
        for (right, b) in samples() {
            for operator in all {
                let known = operators::binary(operator, &left, &right);
                let result =
                    crate::engine::operators::binary(operator, &a, &b, &assets, &run.meter);
                let shown = format!("{left:?} {operator} {right:?}: {known:?}, {result:?}");
                match result {
                    Ok(value) => assert!(known.is_some_and(|ty| is_of(&ty, &value)), "{shown}"),
                    Err(raised) => assert_eq!(known.is_none(), raised.code == "type", "{shown}"),
                }
            }
        }
        for operator in ["-", "+", "!"] {
            let known = operators::unary(operator, &left);
            let result = crate::engine::operators::unary(operator, &a);
            assert_eq!(known.is_some(), result.is_ok(), "{operator}{left:?}");
            if let (Some(ty), Ok(value)) = (known, result) {
                assert!(is_of(&ty, &value), "{operator}{left:?}");
            }
        }
    }
}

/// Every function with values of every kind at every place: what the checker refuses fails, and what comes out is what
/// the checker says.
#[test]
fn functions_take_and_give_what_their_signatures_say() {
    let policy = policy();
    let run = run(&policy);
    let program = Program {
        header: &policy.inner.header,
        catalog: &policy.inner.catalog,
        functions: &[],
        bodies: &[],
    };
    let samples = samples();
    let mut calls = 0;
    let names: Vec<&str> = signature::names().collect();
    let functions = names.iter().flat_map(|name| signature::functions(name));
    for signature in functions.chain(signature::properties().filter_map(signature::property)) {
        let arity = signature.native.arity();
        // Where there are many arguments, those behind the first are of fewer kinds: more say nothing new.
        let kinds = match arity {
            0..=3 => samples.clone(),
            4 => samples.iter().step_by(2).cloned().collect(),
            _ => samples.iter().step_by(6).cloned().collect::<Vec<_>>(),
        };
        for first in &samples {
            let mut places = vec![0usize; arity - 1];
            loop {
                let rest = places.iter().map(|at| &kinds[*at]);
                let chosen: Vec<&(Kind, Dynamic)> = std::iter::once(first).chain(rest).collect();
                compare(&run, &program, signature, &chosen);
                calls += 1;
                let next = places.iter_mut().rev().find_map(|at| {
                    *at = (*at + 1) % kinds.len();
                    (*at > 0).then_some(())
                });
                if next.is_none() {
                    break;
                }
            }
        }
    }
    assert!(calls > 100_000, "{calls} calls");
}

fn compare(run: &Run, program: &Program, signature: &Signature, chosen: &[&(Kind, Dynamic)]) {
    let types: Vec<Ty> = chosen
        .iter()
        .map(|(kind, _)| Ty::one(kind.clone()))
        .collect();
    let args: Vec<Arg> = types
        .iter()
        .map(|ty| Arg {
            ty,
            position: Position::new(1, 1),
            expression: None,
        })
        .collect();
    let mut inference = Inference::new(program, &[]);
    inference.reports = true;
    let known = match signature.native.property {
        false => inference.library(signature, &args, Position::new(1, 1)),
        true => match inference.property_of(&chosen[0].0, signature.native.name()) {
            Some(ty) => ty,
            None => {
                inference.fault(Position::new(1, 1), "type", "", "");
                Ty::Any
            }
        },
    };
    let refused = inference.faults.first().map(|fault| fault.code);
    let mut values: Vec<Dynamic> = chosen.iter().map(|(_, value)| value.clone()).collect();
    let mut values: Vec<&mut Dynamic> = values.iter_mut().collect();
    let result = signature.native.call(run, &mut values);
    let kinds: Vec<&Kind> = chosen.iter().map(|(kind, _)| kind).collect();
    let shown = || {
        format!(
            "{} of {kinds:?}: {known:?}, {refused:?}",
            signature.native.form
        )
    };
    match result {
        Ok(value) => {
            assert!(refused.is_none(), "{} gives {value:?}", shown());
            assert!(is_of(&known, &value), "{} gives {value:?}", shown());
        }
        // Of what the checker passes, only values are wrong, never kinds; keys and weights have their own codes.
        Err(raised) if refused.is_none() => {
            assert_ne!(raised.code, "arguments", "{}", shown());
            assert_ne!(raised.code, "unknown_column", "{}", shown());
            // What is in a list is known at run time only.
            let looks_inside = ["contains", "sorted", "sum"].contains(&signature.native.name());
            assert!(
                raised.code != "type" || looks_inside,
                "{}: {}",
                shown(),
                raised.message
            );
        }
        Err(_) => {}
    }
}
