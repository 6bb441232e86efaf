//! Lists and maps. Everything that walks over one is charged for its length first.

use super::{Native, actions, change, function, int, text, wrong};
use crate::engine::error::Raised;
use crate::engine::meter::copy_cost;
use crate::engine::operators;
use crate::engine::run::Run;
use crate::engine::values::{CallerHandle, Special, View, kind, read_map, view, write_map};
use rhai::{Array, Dynamic, Map};
use std::cmp::Ordering;

pub(super) const NATIVES: &[Native] = &[
    function(
        "len(value)",
        "text | bytes | script | list | map -> int",
        |run, args| {
            let length = match view(args[0]) {
                View::Text(text) => {
                    run.meter.charge(text.len() as u64 / 64)?;
                    text.chars().count()
                }
                View::Special(Special::Bytes(bytes)) => bytes.len(),
                View::Special(Special::Script(actions)) => actions.len(),
                View::List => list(args[0], "len", |list| list.len())?,
                View::Map => map(args[0], "len", |map| map.len())?,
                _ => return Err(wrong("len", args[0])),
            };
            Ok((length as i64).into())
        },
    ),
    // `x in list`, `"name" in map`, `"part" in text`, `3 in 0..10`
    function(
        "contains(whole, part)",
        "list, any -> bool; range, int -> bool; map, text -> bool; text, text -> bool",
        contains,
    ),
    change("push(list, item)", "list, any -> nothing", |run, args| {
        let item = args[1].take();
        let length = list(args[0], "push", |list| list.len())?;
        run.meter.grow(length)?;
        run.meter.charge(copy_cost(&item))?;
        list_mut(args[0], "push", |list| list.push(item))?;
        Ok(Dynamic::UNIT)
    }),
    change(
        "insert(list, place, item)",
        "list, int, any -> nothing",
        |run, args| {
            let (at, item) = (int(args[1], "a place")?, args[2].take());
            let length = list(args[0], "insert", |list| list.len())?;
            let at = usize::try_from(at)
                .ok()
                .filter(|at| *at <= length)
                .ok_or_else(|| outside(at, length))?;
            run.meter.grow(length)?;
            run.meter.charge(copy_cost(&item))?;
            list_mut(args[0], "insert", |list| list.insert(at, item))?;
            Ok(Dynamic::UNIT)
        },
    ),
    change("pop(list)", "list -> item", |_, args| {
        let last = list_mut(args[0], "pop", Vec::pop)?;
        last.ok_or_else(|| outside(0, 0))
    }),
    // A place of a list, or a name of a map.
    change(
        "remove(list, place)",
        "map, text -> any; list, int -> item",
        |run, args| {
            if matches!(view(args[0]), View::Map) {
                let name = text(args[1], "a name")?;
                let removed = map_mut(args[0], "remove", |map| map.remove(name.as_str()))?;
                return Ok(removed.unwrap_or(Dynamic::UNIT));
            }
            let at = int(args[1], "a place")?;
            let length = list(args[0], "remove", |list| list.len())?;
            run.meter.charge(length as u64 / 4)?;
            let at = usize::try_from(at)
                .ok()
                .filter(|at| *at < length)
                .ok_or_else(|| outside(at, length))?;
            list_mut(args[0], "remove", |list| list.remove(at))
        },
    ),
    // Like list[i], but a negative place is an error and not counted from the end.
    function("at(list, place)", "list, int -> item", |_, args| {
        let at = int(args[1], "a place")?;
        let item = list(args[0], "at", |list| {
            usize::try_from(at)
                .ok()
                .and_then(|at| list.get(at).cloned())
                .ok_or(list.len())
        })?;
        item.map_err(|length| outside(at, length))
    }),
    function("last(list)", "list -> item | nothing", |_, args| {
        list(args[0], "last", |list| {
            list.last().cloned().unwrap_or(Dynamic::UNIT)
        })
    }),
    function(
        "slice(list, from, length)",
        "list, int, int -> same",
        |run, args| {
            let (from, length) = (int(args[1], "a place")?, int(args[2], "a length")?);
            let (Ok(from), Ok(length)) = (usize::try_from(from), usize::try_from(length)) else {
                return Err(Raised::new(
                    "index",
                    "a place and a length are not negative",
                    "",
                ));
            };
            let taken: Array = list(args[0], "slice", |list| {
                list.iter().skip(from).take(length).cloned().collect()
            })?;
            run.meter.list(taken.len())?;
            Ok(taken.into())
        },
    ),
    function("reversed(list)", "list -> same", |run, args| {
        let length = list(args[0], "reversed", |list| list.len())?;
        run.meter.list(length)?;
        list(args[0], "reversed", |list| {
            list.iter().rev().cloned().collect::<Array>()
        })
        .map(Dynamic::from)
    }),
    function("sorted(list)", "list -> same", |run, args| {
        sorted(run, args[0], None)
    }),
    // Sorts maps, such as rows, by one of their entries.
    function("sorted(list, entry)", "list, text -> same", |run, args| {
        let name = text(args[1], "a name")?;
        sorted(run, args[0], Some(&name))
    }),
    function("keys(map)", "map -> list(text)", |run, args| {
        let length = map(args[0], "keys", |map| map.len())?;
        run.meter.list(length)?;
        run.meter.allocate(length as u64 * 32)?;
        map(args[0], "keys", |map| {
            map.keys()
                .map(|name| Dynamic::from(name.to_string()))
                .collect::<Array>()
        })
        .map(Dynamic::from)
    }),
    function("values(map)", "map -> list", |run, args| {
        let length = map(args[0], "values", |map| map.len())?;
        run.meter.list(length)?;
        map(args[0], "values", |map| {
            map.values().cloned().collect::<Array>()
        })
        .map(Dynamic::from)
    }),
    // `caller.has("guardian")`, `map.has("name")`
    function(
        "has(map, name)",
        "map | caller, text -> bool",
        |run, args| {
            let name = text(args[1], "a name")?;
            if args[0].is::<CallerHandle>() {
                return Ok(actions::caller_has(run, &name).into());
            }
            map(args[0], "has", |map| map.contains_key(name.as_str())).map(Dynamic::from)
        },
    ),
];

fn list<T>(value: &Dynamic, what: &str, work: impl FnOnce(&Array) -> T) -> Result<T, Raised> {
    value
        .read_lock::<Array>()
        .map(|list| work(&list))
        .ok_or_else(|| wrong(what, value))
}

fn list_mut<T>(
    value: &mut Dynamic,
    what: &str,
    work: impl FnOnce(&mut Array) -> T,
) -> Result<T, Raised> {
    let error = wrong(what, value);
    value
        .write_lock::<Array>()
        .map(|mut list| work(&mut list))
        .ok_or(error)
}

fn map<T>(value: &Dynamic, what: &str, work: impl FnOnce(&Map) -> T) -> Result<T, Raised> {
    read_map(value, work).ok_or_else(|| wrong(what, value))
}

fn map_mut<T>(
    value: &mut Dynamic,
    what: &str,
    work: impl FnOnce(&mut Map) -> T,
) -> Result<T, Raised> {
    let error = wrong(what, value);
    write_map(value, work).ok_or(error)
}

fn outside(at: i64, length: usize) -> Raised {
    Raised::new(
        "index",
        format!("the place {at} is outside, the length is {length}"),
        "check len() first",
    )
}

/// The first item, or nothing.
pub(super) fn first(value: &Dynamic) -> Result<Dynamic, Raised> {
    list(value, "first", |list| {
        list.first().cloned().unwrap_or(Dynamic::UNIT)
    })
}

/// `map.get(name)`, `map.get(name, default)`
pub(super) fn map_get(args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let name = text(args[1], "a name")?;
    let default = args
        .get(2)
        .map_or(Dynamic::UNIT, |default| (**default).clone());
    map(args[0], "get", |map| {
        map.get(name.as_str()).cloned().unwrap_or(default)
    })
}

/// The sum of the items of a list; `start` says what the sum of none is.
pub(super) fn sum(run: &Run, value: &Dynamic, start: Option<&Dynamic>) -> Result<Dynamic, Raised> {
    let items = list(value, "sum", Clone::clone)?;
    run.meter.list(items.len())?;
    run.meter.charge(items.len() as u64)?;
    let mut sum = start.cloned();
    for item in &items {
        sum = Some(match sum {
            None => item.clone(),
            Some(sum) => operators::binary("+", &sum, item, run.catalog.assets(), &run.meter)?,
        });
    }
    sum.ok_or_else(|| {
        Raised::new(
            "empty_sum",
            "the sum of no items is not known",
            "give the sum to start from: list.sum(0)",
        )
    })
}

fn contains(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let (container, item) = (&*args[0], &*args[1]);
    if let Some(list) = container.read_lock::<Array>() {
        run.meter.charge(list.len() as u64)?;
        for other in list.iter() {
            if operators::equal(other, item, &run.meter)? {
                return Ok(true.into());
            }
        }
        return Ok(false.into());
    }
    if let Some(range) = container.read_lock::<std::ops::Range<i64>>() {
        return Ok(range.contains(&int(item, "an item")?).into());
    }
    if let Some(range) = container.read_lock::<std::ops::RangeInclusive<i64>>() {
        return Ok(range.contains(&int(item, "an item")?).into());
    }
    match view(container) {
        View::Map => {
            let name = text(item, "a name")?;
            map(container, "contains", |map| map.contains_key(name.as_str())).map(Dynamic::from)
        }
        View::Text(whole) => {
            let part = text(item, "a part")?;
            run.meter.charge(whole.len() as u64 / 16)?;
            Ok(whole.contains(part.as_str()).into())
        }
        _ => Err(Raised::type_error(format!(
            "{} contains nothing",
            kind(container)
        ))),
    }
}

fn sorted(run: &Run, value: &Dynamic, by: Option<&str>) -> Result<Dynamic, Raised> {
    let mut items = list(value, "sorted", Clone::clone)?;
    run.meter.list(items.len())?;
    run.meter
        .charge(items.len() as u64 * u64::from(items.len().max(2).ilog2()))?;
    let key = |item: &Dynamic| match by {
        None => Ok(item.clone()),
        Some(name) => {
            let missing = || {
                Raised::new(
                    "unknown_field",
                    format!("an item has no entry `{name}`"),
                    "",
                )
            };
            map(item, "sorted", |map| map.get(name).cloned())?.ok_or_else(missing)
        }
    };
    let mut keyed = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        let key = key(&item)?;
        // Each key is compared with the first one beforehand: all have one kind then, and sorting cannot fail midway.
        if let Some((first, _)) = keyed.first() {
            if kind(first) != kind(&key) {
                return Err(Raised::type_error(format!(
                    "{} and {} cannot be sorted together",
                    kind(first),
                    kind(&key)
                )));
            }
            operators::compare(first, &key)?;
        }
        keyed.push((key, item));
    }
    keyed.sort_by(|(a, _), (b, _)| operators::compare(a, b).unwrap_or(Ordering::Equal));
    Ok(keyed
        .into_iter()
        .map(|(_, item)| item)
        .collect::<Array>()
        .into())
}
