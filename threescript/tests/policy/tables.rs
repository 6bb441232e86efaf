//! Tables: what they store, byte by byte, and that queries find what a plain search finds.

use crate::support::*;
use expect_test::expect;
use proptest::prelude::*;
use std::fmt::Write;
use threescript::engine::*;
use threescript::value::*;

const SOURCE: &str = r#"policy shop version 1
table items {
    id: id key,
    name: text index,
    price: amount,
    sold: time? index,
    tags: list(text),
}
table stock { place: account key, shelf: int key, item: id index, full: bool, since: duration }
action fill() by anyone {
    items.insert(#{ name: "a\u0000b", price: 5.of("TFT"), tags: ["x"] });
    items.insert(#{ id: 7, name: "pear", price: 1.of("USDC"), tags: [], sold: block.time });
    stock.insert(#{ place: "bob", shelf: -1, item: 7, full: true, since: 2.hours });
    stock.upsert(#{ place: "bob", shelf: -1, item: 1, full: false, since: 3.hours });
    items.insert(#{ name: "next", price: 2.of("TFT"), tags: [] })
}
action empty() by anyone {
    items.delete(7);
    items.delete(8);
    items.delete(1);
    stock.delete("bob", -1);
    [items.delete(1), items.count(), items.find(1)]
}
action wrong(what: int) by anyone {
    if what == 0 { items.insert(#{ id: 1, name: "twice", price: 1.of("TFT"), tags: [] }) }
    else if what == 1 { items.update(1, #{ id: 2 }) }
    else if what == 2 { items.update(99, #{ name: "x" }) }
    else if what == 3 { items.insert(any(#{ name: "x" })) }
    else if what == 4 { items.get(99) }
    else if what == 5 { items.get(any("x")) }
    else if what == 6 { any(stock).get("bob") }
    else if what == 7 { let c = "nmae"; items.where(any(c), 1).rows() }
    else if what == 8 { items.where("name", any(1)).rows() }
    else if what == 9 { items.where("name", any("="), "x").rows() }
    else if what == 10 { items.sum("price") }
    else if what == 11 { items.sum("name") }
    else if what == 12 { items.limit(-1) }
    else if what == 13 { items.update(1, #{ tags: any([1]) }) }
    else if what == 14 { items.update(1, #{ name: any(()) }) }
    else { items.where("sold", ()).sum("price", 0.of("USDC")) }
}
/// Hides from the checker what a value is.
fn any(value) { #{ value: value }.get("value") }
"#;

fn step(host: Memory, entry: &str, args: &[(&str, Value)]) -> (Memory, String) {
    let policy = compiled(SOURCE);
    let args = args
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect();
    let entry = entry.to_owned();
    big(move || {
        let (host, result) = policy.run(Entry::Action(&entry), args, host);
        (host, outcome(&result))
    })
}

/// Keys with what is no letter written out, values in hexadecimal.
fn dump(host: &Memory) -> String {
    let mut text = String::new();
    for (key, value) in &host.rows {
        writeln!(text, "{} = {}", key.escape_ascii(), hex::encode(value)).unwrap();
    }
    text
}

#[test]
fn rows_and_indexes_have_fixed_bytes() {
    let (host, result) = step(Memory::new(), "fill", &[]);
    expect!["#8"].assert_eq(&result);
    expect![[r#"
        items\x00iname\x00\x01a\x00\xffb\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x01 = 
        items\x00iname\x00\x01next\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x08 = 
        items\x00iname\x00\x01pear\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x07 = 
        items\x00isold\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01 = 
        items\x00isold\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x08 = 
        items\x00isold\x00\x01\x80\x00\x00\x00e\xba\xdf\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07 = 
        items\x00m = 09000000000000000300000000000000
        items\x00r\x01\x00\x00\x00\x00\x00\x00\x00\x01 = 050000000a010000000000000007030000006100620380f0fa0200000000030000005446540e0b01000000070100000078
        items\x00r\x01\x00\x00\x00\x00\x00\x00\x00\x07 = 050000000a070000000000000007040000007065617203809698000000000004000000555344430600dfba65000000000b00000000
        items\x00r\x01\x00\x00\x00\x00\x00\x00\x00\x08 = 050000000a080000000000000007040000006e65787403002d310100000000030000005446540e0b00000000
        stock\x00iitem\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x01bob\x00\x01\x01\x7f\xff\xff\xff\xff\xff\xff\xff = 
        stock\x00m = 01000000000000000100000000000000
        stock\x00r\x01bob\x00\x01\x01\x7f\xff\xff\xff\xff\xff\xff\xff = 050000000903000000626f6201ffffffffffffffff0a0100000000000000000005302a000000000000
    "#]].assert_eq(&dump(&host));
    let (host, result) = step(host, "empty", &[]);
    expect!["[false, 0, ()]"].assert_eq(&result);
    // Numbers are not given twice, so the head of an empty table stays.
    expect![[r#"
        items\x00m = 09000000000000000000000000000000
        stock\x00m = 01000000000000000000000000000000
    "#]]
    .assert_eq(&dump(&host));
}

#[test]
fn what_a_table_does_not_take_has_a_code() {
    let (host, _) = step(Memory::new(), "fill", &[]);
    let mut log = String::new();
    for what in 0..16 {
        writeln!(
            log,
            "{what}: {}",
            step(host.clone(), "wrong", &[("what", Value::Int(what))]).1
        )
        .unwrap();
    }
    expect![[r#"
        0: test.3script:25:26: the table `items` has a row with this key already [duplicate_key]; use upsert(…) to replace it
        1: test.3script:26:31: an update cannot change the key [key_change]; delete the row and insert another
        2: test.3script:27:31: the table `items` has no row with this key [row_not_found]; use find(…), which returns () for a missing row
        3: test.3script:28:31: `price` of table `items` has no value [missing_column]; give it, or declare it optional with `?`
        4: test.3script:29:31: the table `items` has no row with this key [row_not_found]; use find(…), which returns () for a missing row
        5: test.3script:30:31: `id` of table `items`: id is wanted, text is given [type]; give a value of type id
        6: test.3script:31:36: the key of `stock` is (place, shelf), 1 values are given [key_size]; give one value for each key column
        7: test.3script:32:47: the table `items` has no column `nmae` [unknown_column]; did you mean `name`?
        8: test.3script:33:31: `name` of table `items`: text is wanted, int is given [type]; give a value of type text
        9: test.3script:34:31: "=" is not a relation [bad_query]; use ==, !=, <, <=, > or >=
        10: test.3script:35:32: TFT and USDC are different assets [asset_mismatch]; convert one of them first
        11: test.3script:36:32: values of kind text cannot be summed [type]
        12: test.3script:37:32: a limit cannot be negative [bad_query]
        13: test.3script:38:32: `tags` of table `items`: text is wanted, int is given [type]; give a value of type list(text)
        14: test.3script:39:32: `name` of table `items`: text is wanted, unit is given [type]; give a value of type text
        15: test.3script:40:36: USDC and TFT are different assets [asset_mismatch]; convert one of them first
    "#]].assert_eq(&log);
}

#[test]
fn a_row_of_another_declaration_is_refused() {
    let (mut host, _) = step(Memory::new(), "fill", &[]);
    for bytes in [
        &b""[..],
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\x01\0\0\0\x0f",
    ] {
        let key = host
            .rows
            .keys()
            .find(|key| key.starts_with(b"items\0r"))
            .cloned()
            .unwrap();
        host.rows.insert(key, bytes.to_vec());
        let (_, result) = step(host.clone(), "wrong", &[("what", Value::Int(1))]);
        assert!(result.contains("[bad_row]"), "{result}");
    }
}

/// A query by its text, and the same on a list.
#[derive(Clone, Debug)]
struct Query {
    filters: Vec<(usize, usize, i64)>,
    order: Option<(usize, bool)>,
    limit: Option<usize>,
}

const COLUMNS: [&str; 4] = ["id", "a", "b", "c"];
const RELATIONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

impl Query {
    fn text(&self) -> String {
        let mut text = "rows".to_owned();
        for (column, relation, value) in &self.filters {
            write!(
                text,
                ".where(\"{}\", \"{}\", {value})",
                COLUMNS[*column], RELATIONS[*relation]
            )
            .unwrap();
        }
        if let Some((column, descending)) = self.order {
            let name = if descending { "order_desc" } else { "order" };
            write!(text, ".{name}(\"{}\")", COLUMNS[column]).unwrap();
        }
        if let Some(limit) = self.limit {
            write!(text, ".limit({limit})").unwrap();
        }
        text
    }

    /// The ids of the rows that fit; a row is its values, of which the last may be missing.
    fn search(&self, rows: &[[Option<i64>; 4]]) -> Vec<i64> {
        let fits = |row: &&[Option<i64>; 4]| {
            self.filters.iter().all(|(column, relation, wanted)| {
                match (row[*column], RELATIONS[*relation]) {
                    (None, relation) => relation == "!=",
                    (Some(value), "==") => value == *wanted,
                    (Some(value), "!=") => value != *wanted,
                    (Some(value), "<") => value < *wanted,
                    (Some(value), "<=") => value <= *wanted,
                    (Some(value), ">") => value > *wanted,
                    (Some(value), _) => value >= *wanted,
                }
            })
        };
        let mut found: Vec<_> = rows.iter().filter(fits).collect();
        found.sort_by_key(|row| row[0]);
        if let Some((column, descending)) = self.order {
            found.sort_by_key(|row| (row[column], row[0]));
            if descending {
                found.reverse();
            }
        }
        found.truncate(self.limit.unwrap_or(usize::MAX));
        found.iter().filter_map(|row| row[0]).collect()
    }
}

fn queries() -> impl Strategy<Value = Query> {
    let filter = (0..COLUMNS.len(), 0..RELATIONS.len(), -1i64..9);
    let order = proptest::option::of((0..COLUMNS.len(), any::<bool>()));
    let limit = proptest::option::of(0..8usize);
    (proptest::collection::vec(filter, 0..4), order, limit).prop_map(|(filters, order, limit)| {
        Query {
            filters,
            order,
            limit,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// `b` has an index and `c`, which may be missing, too; `a` has none. Rows are inserted, changed and deleted.
    #[test]
    fn queries_find_what_a_search_finds(
        inserted in proptest::collection::vec((0i64..8, 0i64..8, proptest::option::of(0i64..8)), 0..20),
        changed in proptest::collection::vec((1i64..20, 0i64..8, proptest::option::of(0i64..8)), 0..8),
        deleted in proptest::collection::vec(1i64..20, 0..5),
        queries in proptest::collection::vec(queries(), 1..12),
    ) {
        let missing = |value: Option<i64>| value.map_or("()".to_owned(), |value| value.to_string());
        let mut body = String::new();
        let mut rows: Vec<[Option<i64>; 4]> = Vec::new();
        for (a, b, c) in inserted {
            writeln!(body, "rows.insert(#{{ a: {a}, b: {b}, c: {} }});", missing(c)).unwrap();
            rows.push([Some(rows.len() as i64 + 1), Some(a), Some(b), c]);
        }
        for (id, b, c) in changed {
            if let Some(row) = rows.iter_mut().find(|row| row[0] == Some(id)) {
                writeln!(body, "rows.update({id}, #{{ b: {b}, c: {} }});", missing(c)).unwrap();
                (row[2], row[3]) = (Some(b), c);
            }
        }
        for id in deleted {
            writeln!(body, "rows.delete({id});").unwrap();
            rows.retain(|row| row[0] != Some(id));
        }
        let mut expected = Vec::new();
        body.push_str("let found = [];\n");
        for query in &queries {
            // An id is never negative, so the checker of values would refuse to compare it with -1.
            let query = Query { filters: query.filters.iter().map(|(c, r, v)| (*c, *r, (*v).max(if *c == 0 { 0 } else { -1 }))).collect(), ..query.clone() };
            writeln!(body, "let ids = []; for row in {}.rows() {{ ids.push(row.id); }} found.push(ids);", query.text()).unwrap();
            let ids = query.search(&rows);
            let sum: i64 = ids.iter().filter_map(|id| rows.iter().find(|row| row[0] == Some(*id))?[1]).sum();
            writeln!(body, "found.push([{0}.count(), {0}.sum(\"a\")]);", query.text()).unwrap();
            expected.push(Value::List(ids.iter().map(|id| Value::Id(*id as u64)).collect()));
            expected.push(Value::List(vec![Value::Int(ids.len() as i64), Value::Int(sum)]));
        }
        let policy = compiled(&format!(
            "policy test version 1\ntable rows {{ id: id key, a: int, b: int index, c: int? index }}\naction x() by anyone {{\n{body}\nfound\n}}\n"
        ));
        let result = big(move || policy.run(Entry::Action("x"), Vec::new(), Memory::new()).1);
        prop_assert_eq!(result.map(|execution| execution.value), Ok(Value::List(expected)));
    }
}
