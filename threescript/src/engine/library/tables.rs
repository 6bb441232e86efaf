//! Tables and queries. Names that lists and maps share with them (`get`, `count`, `first`, …) are told apart by the first
//! argument; what is for lists and maps is in [`super::collections`].

use super::{Native, collections, function, int, text, wrong};
use crate::engine::error::Raised;
use crate::engine::query::Query;
use crate::engine::rows::row_to_map;
use crate::engine::run::Run;
use crate::engine::tables::Table;
use crate::engine::values::{TableHandle, View, to_value, view};
use crate::value::Value;
use rhai::Dynamic;
use std::collections::BTreeMap;

pub(super) const NATIVES: &[Native] = &[
    function(
        "insert(table, row)",
        "table, new_row -> key",
        |run, args| {
            let (table, entries) = (handle("insert", args[0])?, entries(args[1])?);
            let key = run.write_table(table, |table| table.insert(entries))?;
            give_key(run, key)
        },
    ),
    function(
        "upsert(table, row)",
        "table, entries -> key",
        |run, args| {
            let (table, entries) = (handle("upsert", args[0])?, entries(args[1])?);
            let key = run.write_table(table, |table| table.upsert(entries))?;
            give_key(run, key)
        },
    ),
    function(
        "update(table, key, changes)",
        "table, key, entries -> nothing",
        update,
    ),
    function(
        "update(table, key1, key2, changes)",
        "table, key, key, entries -> nothing",
        update,
    ),
    function(
        "update(table, key1, key2, key3, changes)",
        "table, key, key, key, entries -> nothing",
        update,
    ),
    function(
        "update(table, key1, key2, key3, key4, changes)",
        "table, key, key, key, key, entries -> nothing",
        update,
    ),
    function("delete(table, key)", "table, key -> bool", delete),
    function(
        "delete(table, key1, key2)",
        "table, key, key -> bool",
        delete,
    ),
    function(
        "delete(table, key1, key2, key3)",
        "table, key, key, key -> bool",
        delete,
    ),
    function(
        "delete(table, key1, key2, key3, key4)",
        "table, key, key, key, key -> bool",
        delete,
    ),
    function("exists(table, key)", "table, key -> bool", exists),
    function(
        "exists(table, key1, key2)",
        "table, key, key -> bool",
        exists,
    ),
    function(
        "exists(table, key1, key2, key3)",
        "table, key, key, key -> bool",
        exists,
    ),
    function(
        "exists(table, key1, key2, key3, key4)",
        "table, key, key, key, key -> bool",
        exists,
    ),
    function("find(table, key)", "table, key -> row | nothing", find),
    function(
        "find(table, key1, key2)",
        "table, key, key -> row | nothing",
        find,
    ),
    function(
        "find(table, key1, key2, key3)",
        "table, key, key, key -> row | nothing",
        find,
    ),
    function(
        "find(table, key1, key2, key3, key4)",
        "table, key, key, key, key -> row | nothing",
        find,
    ),
    function(
        "get(table, key)",
        "table, key -> row; map, text -> any",
        get,
    ),
    function(
        "get(table, key1, key2)",
        "table, key, key -> row; map, text, any -> any",
        get,
    ),
    function(
        "get(table, key1, key2, key3)",
        "table, key, key, key -> row",
        get,
    ),
    function(
        "get(table, key1, key2, key3, key4)",
        "table, key, key, key, key -> row",
        get,
    ),
    function(
        "where(rows, column, value)",
        "rows, column, value -> query",
        |run, args| {
            let (name, value) = (text(args[1], "a column")?, to_value(args[2])?);
            build(run, "where", args[0], |query, table| {
                query.filter(table.decl, &name, "==", value)
            })
        },
    ),
    function(
        "where(rows, column, relation, value)",
        "rows, column, relation, value -> query",
        |run, args| {
            let (name, relation, value) = (
                text(args[1], "a column")?,
                text(args[2], "a relation")?,
                to_value(args[3])?,
            );
            build(run, "where", args[0], |query, table| {
                query.filter(table.decl, &name, &relation, value)
            })
        },
    ),
    function(
        "between(rows, column, from, to)",
        "rows, column, value, value -> query",
        |run, args| {
            let (name, from, to) = (
                text(args[1], "a column")?,
                to_value(args[2])?,
                to_value(args[3])?,
            );
            build(run, "between", args[0], |query, table| {
                query
                    .filter(table.decl, &name, ">=", from)?
                    .filter(table.decl, &name, "<", to)
            })
        },
    ),
    function(
        "order(rows, column)",
        "rows, column -> query",
        |run, args| {
            let name = text(args[1], "a column")?;
            build(run, "order", args[0], |query, table| {
                query.order(table.decl, &name, false)
            })
        },
    ),
    function(
        "order_desc(rows, column)",
        "rows, column -> query",
        |run, args| {
            let name = text(args[1], "a column")?;
            build(run, "order_desc", args[0], |query, table| {
                query.order(table.decl, &name, true)
            })
        },
    ),
    function("limit(rows, most)", "rows, int -> query", |run, args| {
        let rows = int(args[1], "a limit")?;
        build(run, "limit", args[0], |query, _| query.limit(rows))
    }),
    function("rows(rows)", "rows -> list(row)", |run, args| {
        let query = query("rows", args[0])?;
        let rows = run.with_table(query.table, |table| {
            let rows = query.rows(table)?;
            table.meter.list(rows.len())?;
            Ok(rows
                .into_iter()
                .map(|row| row_to_map(table.decl, row))
                .collect())
        })?;
        run.give(Value::List(rows))
    }),
    function(
        "first(rows)",
        "rows -> row | nothing; list -> item | nothing",
        |run, args| {
            let Ok(query) = query("first", args[0]) else {
                return collections::first(args[0]);
            };
            let row = run.with_table(query.table, |table| {
                let row = query.limit(1)?.rows(table)?.pop();
                Ok(row.map(|row| row_to_map(table.decl, row)))
            })?;
            run.give(row.unwrap_or(Value::Unit))
        },
    ),
    function("count(rows)", "rows -> int", |run, args| {
        let query = query("count", args[0])?;
        let count = run.with_table(query.table, |table| query.count(table))?;
        Ok(i64::try_from(count)
            .map_err(|_| Raised::fault("a table has too many rows"))?
            .into())
    }),
    function("sum(items)", "list -> any", |run, args| {
        collections::sum(run, args[0], None)
    }),
    function(
        "sum(rows, column)",
        "rows, column -> total; list, any -> any",
        |run, args| {
            let Ok(query) = query("sum", args[0]) else {
                return collections::sum(run, args[0], Some(args[1]));
            };
            let name = text(args[1], "a column")?;
            let sum = run.with_table(query.table, |table| query.sum(table, &name, None))?;
            run.give(sum)
        },
    ),
    function(
        "sum(rows, column, start)",
        "rows, column, any -> total",
        |run, args| {
            let (query, name, start) = (
                query("sum", args[0])?,
                text(args[1], "a column")?,
                to_value(args[2])?,
            );
            let sum = run.with_table(query.table, |table| query.sum(table, &name, Some(start)))?;
            run.give(sum)
        },
    ),
    function(
        "sum_by(rows, by, column)",
        "rows, column, column -> list(group)",
        sum_by,
    ),
];

/// The table that a value stands for, if it is one.
fn handle(what: &str, value: &Dynamic) -> Result<usize, Raised> {
    let table = value.read_lock::<TableHandle>().map(|handle| handle.0);
    table.ok_or_else(|| wrong(what, value))
}

/// The query that a value stands for: itself, or all rows of a table.
fn query(what: &str, value: &Dynamic) -> Result<Query, Raised> {
    match value.read_lock::<Query>() {
        Some(query) => Ok(query.clone()),
        None => handle(what, value).map(Query::new),
    }
}

fn build(
    run: &Run,
    what: &str,
    value: &Dynamic,
    next: impl FnOnce(Query, &Table) -> Result<Query, Raised>,
) -> Result<Dynamic, Raised> {
    let query = query(what, value)?;
    run.meter.allocate(256)?;
    run.with_table(query.table, |table| next(query, table))
        .map(Dynamic::from)
}

fn entries(value: &Dynamic) -> Result<BTreeMap<String, Value>, Raised> {
    match to_value(value)? {
        Value::Map(entries) => Ok(entries),
        other => Err(Raised::type_error(format!(
            "a row is a map, {} is given",
            other.kind()
        ))),
    }
}

fn values(args: &[&mut Dynamic]) -> Result<Vec<Value>, Raised> {
    args.iter().map(|arg| to_value(arg)).collect()
}

/// The key of a written row: itself if it is one value, a list otherwise.
fn give_key(run: &Run, mut key: Vec<Value>) -> Result<Dynamic, Raised> {
    run.give(match key.len() {
        1 => key.pop().unwrap_or(Value::Unit),
        _ => Value::List(key),
    })
}

fn update(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let table = handle("update", args[0])?;
    let last = args.len() - 1;
    let (key, entries) = (values(&args[1..last])?, entries(args[last])?);
    run.write_table(table, |table| table.update(key, entries))?;
    Ok(Dynamic::UNIT)
}

fn delete(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let table = handle("delete", args[0])?;
    let key = values(&args[1..])?;
    run.write_table(table, |table| table.delete(key))
        .map(Dynamic::from)
}

fn exists(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let table = handle("exists", args[0])?;
    let key = values(&args[1..])?;
    run.with_table(table, |table| table.find(key))
        .map(|row| row.is_some().into())
}

fn find(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let table = handle("find", args[0])?;
    let key = values(&args[1..])?;
    let row = run.with_table(table, |table| {
        Ok(table.find(key)?.map(|row| row_to_map(table.decl, row)))
    })?;
    run.give(row.unwrap_or(Value::Unit))
}

/// `table.get(key…)`, `map.get(name)`, `map.get(name, default)`
fn get(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    if args.len() <= 3 && matches!(view(args[0]), View::Map) {
        return collections::map_get(args);
    }
    let table = handle("get", args[0])?;
    let key = values(&args[1..])?;
    let row = run.with_table(table, |table| {
        let row = table.find(key)?.ok_or_else(|| table.not_found())?;
        Ok(row_to_map(table.decl, row))
    })?;
    run.give(row)
}

/// `sum_by("farmer", "amount")` is a list of `#{ farmer, amount, count }` in the order of the farmers.
fn sum_by(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let query = query("sum_by", args[0])?;
    let (by, name) = (text(args[1], "a column")?, text(args[2], "a column")?);
    if by == name || by == "count" || name == "count" {
        let message = format!("sum_by(\"{by}\", \"{name}\") would give two entries one name");
        return Err(Raised::new("bad_query", message, "rename the column"));
    }
    let groups = run.with_table(query.table, |table| {
        let groups = query.sum_by(table, &by, &name)?;
        table.meter.list(groups.len())?;
        Ok(groups)
    })?;
    let group = |(value, sum, count): (Value, Value, u64)| {
        let count = Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let entries = [
            (by.to_string(), value),
            (name.to_string(), sum),
            ("count".to_owned(), count),
        ];
        Value::Map(BTreeMap::from(entries))
    };
    run.give(Value::List(groups.into_iter().map(group).collect()))
}
