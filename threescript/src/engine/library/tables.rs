//! Tables and queries. Names that lists and maps share with them (`get`, `count`, `first`, …) are told apart by the first
//! argument; what is for lists and maps is in [`super::collections`].

use super::{Native, collections, function, int, text, wrong};
use crate::engine::error::Raised;
use crate::engine::query::{Group, Query};
use crate::engine::rows::row_to_map;
use crate::engine::run::Run;
use crate::engine::tables::Table;
use crate::engine::values::{TableHandle, View, to_value, view};
use crate::formula::{Bound, fit_given};
use crate::value::Value;
use rhai::{Array, Dynamic};
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
        give_count(count)
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
        |run, args| {
            let query = query("sum_by", args[0])?;
            let (by, name) = (text(args[1], "a column")?, text(args[2], "a column")?);
            check_group_names("sum_by", &by, &name)?;
            let groups = run.with_table(query.table, |table| query.sum_by(table, &by, &name))?;
            give_groups(run, &by, &name, groups)
        },
    ),
    function("total(rows, formula)", "rows, formula -> computed", total),
    function(
        "total(rows, formula, given)",
        "rows, formula, map -> computed",
        total,
    ),
    function(
        "total(rows, formula, given, start)",
        "rows, formula, map, any -> computed",
        total,
    ),
    function(
        "total_by(rows, by, formula)",
        "rows, column, formula -> list(computed_group)",
        total_by,
    ),
    function(
        "total_by(rows, by, formula, given)",
        "rows, column, formula, map -> list(computed_group)",
        total_by,
    ),
    function(
        "set(rows, column, formula)",
        "rows, column, formula -> int",
        set,
    ),
    function(
        "set(rows, column, formula, given)",
        "rows, column, formula, map -> int",
        set,
    ),
    function(
        "update_all(rows, changes)",
        "rows, entries -> int",
        |run, args| {
            let (query, entries) = (query("update_all", args[0])?, entries(args[1])?);
            let rows = run.write_table(query.table, |table| query.update_all(table, entries))?;
            give_count(rows)
        },
    ),
    function("delete_all(rows)", "rows -> int", |run, args| {
        let query = query("delete_all", args[0])?;
        let rows = run.write_table(query.table, |table| query.delete_all(table))?;
        give_count(rows)
    }),
    function(
        "insert_all(table, rows)",
        "table, list(new_row) -> int",
        |run, args| {
            let table = handle("insert_all", args[0])?;
            let Some(rows) = args[1].read_lock::<Array>() else {
                return Err(wrong("insert_all", args[1]));
            };
            let rows = rows.iter().map(entries);
            let inserted = run.write_table(table, |table| table.insert_all(rows))?;
            give_count(inserted)
        },
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

fn give_count(rows: u64) -> Result<Dynamic, Raised> {
    let rows = i64::try_from(rows).map_err(|_| Raised::fault("a table has too many rows"))?;
    Ok(rows.into())
}

/// Groups are maps with three entries, which must not have one name.
fn check_group_names(what: &str, by: &str, name: &str) -> Result<(), Raised> {
    if by == name || by == "count" || name == "count" {
        let message = format!("{what}(\"{by}\", \"{name}\") would give two entries one name");
        return Err(Raised::new("bad_query", message, "rename one of them"));
    }
    Ok(())
}

/// A list of `#{ farmer, amount, count }` for groups by `farmer` of `amount`.
fn give_groups(run: &Run, by: &str, name: &str, groups: Vec<Group>) -> Result<Dynamic, Raised> {
    run.meter.list(groups.len())?;
    let group = |(value, sum, count): Group| {
        let count = Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let entries = [
            (by.to_owned(), value),
            (name.to_owned(), sum),
            ("count".to_owned(), count),
        ];
        Value::Map(BTreeMap::from(entries))
    };
    run.give(Value::List(groups.into_iter().map(group).collect()))
}

/// Works with a formula over the rows of a query; `given` is the map of values for its parameters, if there is one.
fn with_formula<T>(
    run: &Run,
    table: usize,
    name: &str,
    given: Option<&Dynamic>,
    work: impl FnOnce(&mut Table, &Bound) -> Result<T, Raised>,
) -> Result<T, Raised> {
    let formula = run.formula(name)?;
    let given = given.map(entries_of_given).transpose()?.unwrap_or_default();
    let given = fit_given(formula, given)?;
    let settings = run.settings(formula)?;
    run.with_table(table, |table| {
        let bound = Bound::new(formula, table.decl, &given, run.formula_work(&settings))?;
        work(table, &bound)
    })
}

fn entries_of_given(value: &Dynamic) -> Result<BTreeMap<String, Value>, Raised> {
    match to_value(value)? {
        Value::Map(entries) => Ok(entries),
        other => {
            let message = format!(
                "the parameters of a formula are a map, {} is given",
                other.kind()
            );
            Err(Raised::type_error(message))
        }
    }
}

/// `total(formula)`, `total(formula, #{ … })`, `total(formula, #{ … }, start)`
fn total(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let query = query("total", args[0])?;
    let name = text(args[1], "a formula")?;
    let given = args.get(2).map(|given| &**given);
    let start = args.get(3).map(|start| to_value(start)).transpose()?;
    let sum = with_formula(run, query.table, &name, given, |table, bound| {
        query.total(table, bound, start)
    })?;
    run.give(sum)
}

/// `total_by(column, formula)`, `total_by(column, formula, #{ … })`
fn total_by(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    let query = query("total_by", args[0])?;
    let (by, name) = (text(args[1], "a column")?, text(args[2], "a formula")?);
    check_group_names("total_by", &by, &name)?;
    let given = args.get(3).map(|given| &**given);
    let groups = with_formula(run, query.table, &name, given, |table, bound| {
        query.total_by(table, &by, bound)
    })?;
    give_groups(run, &by, &name, groups)
}

/// `set(column, formula)`, `set(column, formula, #{ … })`
fn set(run: &Run, args: &mut [&mut Dynamic]) -> Result<Dynamic, Raised> {
    run.check_writable()?;
    let query = query("set", args[0])?;
    let (column, name) = (text(args[1], "a column")?, text(args[2], "a formula")?);
    let given = args.get(3).map(|given| &**given);
    let rows = with_formula(run, query.table, &name, given, |table, bound| {
        query.set(table, &column, bound)
    })?;
    give_count(rows)
}
