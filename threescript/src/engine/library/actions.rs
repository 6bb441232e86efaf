//! What a policy demands, tells and asks of the run: `require`, `fail`, `emit`, `effect`, `block`, `caller`.

use super::{Native, function, property, text, wrong};
use crate::action::is_name;
use crate::engine::error::Raised;
use crate::engine::run::Run;
use crate::engine::values::{BlockHandle, CallerHandle, Special, View, kind, to_value, view};
use crate::value::Value;
use rhai::Dynamic;

pub(super) const NATIVES: &[Native] = &[
    function(
        "require(condition, message)",
        "bool, text -> nothing",
        |_, args| require(args[0], "require", args[1]),
    ),
    function(
        "require(condition, code, message)",
        "bool, code, text -> nothing",
        |_, args| require(args[0], &text(args[1], "the code")?, args[2]),
    ),
    function("fail(message)", "text -> never", |_, args| {
        Err(failure("fail", args[0])?)
    }),
    function("fail(code, message)", "code, text -> never", |_, args| {
        Err(failure(&text(args[0], "the code")?, args[1])?)
    }),
    function("emit(name, data)", "event, map -> nothing", emit),
    function("effect(name, data)", "effect, map -> nothing", effect),
    // The interpreter knows these names; here they do nothing.
    function("print(value)", "any -> nothing", |_, _| Ok(Dynamic::UNIT)),
    function("debug(value)", "any -> nothing", |_, _| Ok(Dynamic::UNIT)),
    property("time", "block -> time", |run, args| {
        match args[0].is::<BlockHandle>() {
            true => Ok(Special::Time(run.state().host.block().time).into()),
            false => Err(wrong("time", args[0])),
        }
    }),
    property("height", "block -> int", |run, args| {
        match args[0].is::<BlockHandle>() {
            true => height(run.state().host.block().height),
            false => Err(wrong("height", args[0])),
        }
    }),
    property(
        "account",
        "caller -> account",
        |run, args| match args[0].is::<CallerHandle>() {
            true => Ok(Special::Account(run.state().host.caller().account.into()).into()),
            false => Err(wrong("account", args[0])),
        },
    ),
    property("roles", "caller -> list(text)", |run, args| {
        match args[0].is::<CallerHandle>() {
            true => {
                let roles = run.state().host.caller().roles;
                run.give(Value::List(roles.into_iter().map(Value::Text).collect()))
            }
            false => Err(wrong("roles", args[0])),
        }
    }),
];

/// Whether the caller has a role; part of `has`, which maps have too.
pub(super) fn caller_has(run: &Run, role: &str) -> bool {
    run.state()
        .host
        .caller()
        .roles
        .iter()
        .any(|other| other == role)
}

fn height(height: u64) -> Result<Dynamic, Raised> {
    let height = i64::try_from(height)
        .map_err(|_| Raised::fault("the height of the block does not fit into an int"))?;
    Ok(height.into())
}

fn require(condition: &Dynamic, code: &str, message: &Dynamic) -> Result<Dynamic, Raised> {
    match view(condition) {
        View::Bool(true) => Ok(Dynamic::UNIT),
        View::Bool(false) => Err(failure(code, message)?),
        _ => Err(Raised::type_error(format!(
            "a condition is a bool, {} is given",
            kind(condition)
        ))),
    }
}

/// A failure that the policy declares itself. Its code must have the form of a code, because digests take it.
fn failure(code: &str, message: &Dynamic) -> Result<Raised, Raised> {
    let is_code = code.len() <= 64 && code.split('.').all(is_name);
    if !is_code {
        let mend = "use words of a-z, 0-9 and _, joined by points, as in \"vote.closed\"";
        return Err(Raised::new(
            "bad_code",
            "this code has not the form of a code",
            mend,
        ));
    }
    Ok(Raised::new(
        code,
        text(message, "the message")?.as_str(),
        "",
    ))
}

fn emit(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let name = text(args[0], "the name of an event")?;
    if !name.split('.').all(is_name) || name.len() > 64 {
        let mend = "use words of a-z, 0-9 and _, joined by points";
        return Err(Raised::new(
            "bad_name",
            format!("\"{name}\" cannot be the name of an event"),
            mend,
        ));
    }
    run.emit(name.to_string(), particulars(args[1], "an event")?)?;
    Ok(Dynamic::UNIT)
}

fn effect(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let name = text(args[0], "the name of an effect")?;
    let parts = name
        .split_once('.')
        .filter(|(actor, name)| is_name(actor) && is_name(name));
    let Some((actor, name)) = parts else {
        let mend = "write the actor and the action, as in \"stellar.pay\"";
        return Err(Raised::new(
            "bad_name",
            format!("\"{name}\" cannot be the name of an effect"),
            mend,
        ));
    };
    run.effect(
        actor.to_owned(),
        name.to_owned(),
        particulars(args[1], "an effect")?,
    )?;
    Ok(Dynamic::UNIT)
}

fn particulars(value: &Dynamic, of: &str) -> Result<Value, Raised> {
    match view(value) {
        View::Map => to_value(value),
        _ => Err(Raised::type_error(format!(
            "the particulars of {of} are a map, {} is given",
            kind(value)
        ))),
    }
}
