//! What people read about the functions of the library: what they do, how they fail, what they cost, and an example that
//! runs as a test. What they take and give is registered with them.

use super::Native;

/// A function or property of the library, as its page shows it.
#[derive(Clone, Debug)]
pub struct LibraryFunction {
    /// The chapter that it belongs to, such as `texts`.
    pub part: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Name and parameters, `replace(whole, old, new)`; the name alone of a property, which is written `x.name`.
    pub form: &'static str,
    /// The names of its parameters; none for a property. `x.name(y)` gives `x` as the first one.
    pub params: Vec<&'static str>,
    /// What it takes and gives: `text, text, text -> text`, several ways separated by `;`.
    pub cases: &'static str,
    /// Whether it is a property.
    pub property: bool,
    /// Whether it changes its first argument in place.
    pub changes: bool,
    /// What it does.
    pub doc: &'static str,
    /// The codes that it fails with, besides `type` and the limits.
    pub errors: &'static [&'static str],
    /// The operations that it takes, besides the steps of the interpreter and the size of what it gives.
    pub cost: &'static str,
    /// A body that uses it.
    pub example: &'static str,
    /// What that body gives, in the short form of the language page.
    pub result: &'static str,
}

/// What is said about one form, or about several that differ in the number of key columns.
struct Page {
    forms: &'static [&'static str],
    doc: &'static str,
    errors: &'static [&'static str],
    cost: &'static str,
    example: &'static str,
    result: &'static str,
}

const fn page(
    forms: &'static [&'static str],
    doc: &'static str,
    errors: &'static [&'static str],
    cost: &'static str,
    example: &'static str,
    result: &'static str,
) -> Page {
    Page {
        forms,
        doc,
        errors,
        cost,
        example,
        result,
    }
}

const NONE: &str = "none";
const ROW: &str = "8, and 1 for 64 bytes of the row";
const WRITE: &str =
    "8 for the head of the table, the row and each index entry, and 1 for 64 bytes of the row";
const BULK: &str = "as for reading and writing each of the rows";
const FORMULA: &str = "as for reading the rows, and writing them if it does, and for each row the steps of the formula";
const BUILD: &str = "4";
const READ: &str = "8 for each row and index entry that it touches, and 1 for 64 bytes of a row; n log n for sorting n rows that no index has in order";
const TEXT: &str = "1 for 64 bytes of the text, read and made";
const LIST: &str = "1 for 4 items";
const ROUNDED: &[&str] = &["bad_rounding", "overflow", "division_by_zero"];
const KEYED: &[&str] = &["key_size"];

const PAGES: &[Page] = &[
    page(
        &[
            "require(condition, message)",
            "require(condition, code, message)",
        ],
        "Ends the run unless the condition holds, with the code `require` or this one. Nothing that the run wrote stays.",
        &["require", "bad_code"],
        NONE,
        "require(1 > 2, \"shop.closed\", \"come back tomorrow\")",
        "test.3script:4:1: come back tomorrow [shop.closed]",
    ),
    page(
        &["fail(message)", "fail(code, message)"],
        "Ends the run, with the code `fail` or this one. Nothing that the run wrote stays.",
        &["fail", "bad_code"],
        NONE,
        "fail(\"not today\")",
        "test.3script:4:1: not today [fail]",
    ),
    page(
        &["emit(name, data)"],
        "An event of this policy, recorded for ever. Other policies may react to it.",
        &["bad_name", "read_only", "limit.events"],
        "8, and 1 for 64 bytes of the data",
        "emit(\"paid\", #{ to: caller.account }); 1",
        "1; event paid {to: @alice}",
    ),
    page(
        &["effect(name, data)"],
        "Something to be done outside, `actor.action`. It is released when the circle is unanimous.",
        &["bad_name", "read_only", "limit.effects"],
        "8, and 1 for 64 bytes of the data",
        "effect(\"mail.remind\", #{ days: 3 }); 1",
        "1; effect mail.remind {days: 3}",
    ),
    page(
        &["print(value)", "debug(value)"],
        "Does nothing: a policy has nobody to print to. `circle policy trace` shows values.",
        &[],
        NONE,
        "print(1)",
        "()",
    ),
    page(
        &["time"],
        "The time of the block, in whole seconds; the only clock. Written `block.time`.",
        &[],
        NONE,
        "block.time",
        "2024-02-01 00:00:00",
    ),
    page(
        &["height"],
        "The height of the block. Written `block.height`.",
        &[],
        NONE,
        "block.height",
        "1",
    ),
    page(
        &["account"],
        "The account that submitted the action. Written `caller.account`.",
        &[],
        NONE,
        "caller.account",
        "@alice",
    ),
    page(
        &["roles"],
        "The roles of the account that submitted the action. Written `caller.roles`.",
        &[],
        NONE,
        "caller.roles",
        "[\"guardian\"]",
    ),
    page(
        &["insert(table, row)"],
        "Adds a row and gives its key: the value of the key column, or a list of the values of several. A single `id` key that is not given is numbered from 1.",
        &[
            "duplicate_key",
            "missing_column",
            "unknown_column",
            "read_only",
            "limit.writes",
        ],
        WRITE,
        "rows.insert(#{ n: 5 })",
        "#1",
    ),
    page(
        &["upsert(table, row)"],
        "Adds the row, or changes these columns of the row with that key; gives the key.",
        &[
            "missing_column",
            "unknown_column",
            "read_only",
            "limit.writes",
        ],
        WRITE,
        "rows.upsert(#{ id: 7, n: 5 }); rows.upsert(#{ id: 7, n: 6 }); rows.get(7).n",
        "6",
    ),
    page(
        &[
            "update(table, key, changes)",
            "update(table, key1, key2, changes)",
            "update(table, key1, key2, key3, changes)",
            "update(table, key1, key2, key3, key4, changes)",
        ],
        "Changes columns of the row with this key, one value for each key column.",
        &[
            "row_not_found",
            "key_change",
            "key_size",
            "unknown_column",
            "read_only",
            "limit.writes",
        ],
        WRITE,
        "rows.insert(#{ n: 5 }); rows.update(1, #{ n: 6 }); rows.get(1).n",
        "6",
    ),
    page(
        &[
            "delete(table, key)",
            "delete(table, key1, key2)",
            "delete(table, key1, key2, key3)",
            "delete(table, key1, key2, key3, key4)",
        ],
        "Removes the row with this key. Whether there was one.",
        &["key_size", "read_only", "limit.writes"],
        WRITE,
        "rows.insert(#{ n: 5 }); [rows.delete(1), rows.delete(1)]",
        "[true, false]",
    ),
    page(
        &[
            "exists(table, key)",
            "exists(table, key1, key2)",
            "exists(table, key1, key2, key3)",
            "exists(table, key1, key2, key3, key4)",
        ],
        "Whether there is a row with this key.",
        KEYED,
        ROW,
        "rows.insert(#{ n: 5 }); [rows.exists(1), rows.exists(2)]",
        "[true, false]",
    ),
    page(
        &[
            "find(table, key)",
            "find(table, key1, key2)",
            "find(table, key1, key2, key3)",
            "find(table, key1, key2, key3, key4)",
        ],
        "The row with this key, or `()`.",
        KEYED,
        ROW,
        "rows.find(1) == ()",
        "true",
    ),
    page(
        &[
            "get(table, key)",
            "get(table, key1, key2)",
            "get(table, key1, key2, key3)",
            "get(table, key1, key2, key3, key4)",
        ],
        "The row with this key. Of a map, `get(\"name\")` is the entry or `()`, and `get(\"name\", default)` the entry or the default.",
        &["row_not_found", "key_size"],
        ROW,
        "rows.insert(#{ n: 5 }); [rows.get(1).n, #{ a: 1 }.get(\"b\", 0)]",
        "[5, 0]",
    ),
    page(
        &[
            "where(rows, column, value)",
            "where(rows, column, relation, value)",
        ],
        "The rows whose column has this value, or stands in this relation to it: `==`, `!=`, `<`, `<=`, `>`, `>=`. At most 16 conditions.",
        &["unknown_column", "bad_query"],
        BUILD,
        "for n in 0..10 { rows.insert(#{ n: n }); } rows.where(\"n\", \">\", 7).count()",
        "2",
    ),
    page(
        &["between(rows, column, from, to)"],
        "The rows whose column is `from` or more, and less than `to`.",
        &["unknown_column", "bad_query"],
        BUILD,
        "for n in 0..10 { rows.insert(#{ n: n }); } rows.between(\"n\", 3, 6).count()",
        "3",
    ),
    page(
        &["order(rows, column)"],
        "The rows in the order of a column; those that are equal in it by their key.",
        &["unknown_column"],
        BUILD,
        "rows.insert(#{ n: 5 }); rows.insert(#{ n: 3 }); rows.order(\"n\").first().n",
        "3",
    ),
    page(
        &["order_desc(rows, column)"],
        "The rows in the order of a column, the greatest first.",
        &["unknown_column"],
        BUILD,
        "rows.insert(#{ n: 3 }); rows.insert(#{ n: 5 }); rows.order_desc(\"n\").first().n",
        "5",
    ),
    page(
        &["limit(rows, most)"],
        "The first rows only.",
        &["bad_query"],
        BUILD,
        "for n in 0..10 { rows.insert(#{ n: n }); } rows.limit(4).count()",
        "4",
    ),
    page(
        &["rows(rows)"],
        "All rows of a query or a table, a list of maps.",
        &["limit.size"],
        READ,
        "rows.insert(#{ n: 5 }); rows.rows()",
        "[{id: #1, n: 5, paid: (), who: ()}]",
    ),
    page(
        &["first(rows)"],
        "The first row of a query, or the first item of a list; `()` if there is none.",
        &[],
        READ,
        "[rows.first(), [7, 8].first()]",
        "[(), 7]",
    ),
    page(
        &["count(rows)"],
        "How many rows there are. Of a whole table this is known without reading it.",
        &[],
        READ,
        "rows.insert(#{ n: 5 }); rows.count()",
        "1",
    ),
    page(
        &["sum(items)"],
        "The sum of the items of a list.",
        &["empty_sum", "overflow", "asset_mismatch"],
        "2 for an item",
        "[1, 2, 3].sum()",
        "6",
    ),
    page(
        &["sum(rows, column)"],
        "The sum of a column; empty values add nothing. Of a list, the second argument is what the sum starts from.",
        &["unknown_column", "empty_sum", "overflow", "asset_mismatch"],
        READ,
        "rows.insert(#{ n: 5 }); rows.insert(#{ n: 6 }); [rows.sum(\"n\"), [].sum(0)]",
        "[11, 0]",
    ),
    page(
        &["sum(rows, column, start)"],
        "The sum of a column and `start`, which says what the sum of no rows is.",
        &["unknown_column", "overflow", "asset_mismatch"],
        READ,
        "rows.sum(\"paid\", 0.of(\"TFT\"))",
        "0 TFT",
    ),
    page(
        &["sum_by(rows, by, column)"],
        "For each value of `by`, in their order: a map with that value, the sum of the column under its name, and `count`.",
        &["unknown_column", "bad_query", "overflow", "asset_mismatch"],
        READ,
        "for n in 0..4 { rows.insert(#{ n: n % 2, paid: n.of(\"TFT\") }); } rows.sum_by(\"n\", \"paid\")",
        "[{count: 2, n: 0, paid: 2 TFT}, {count: 2, n: 1, paid: 4 TFT}]",
    ),
    page(
        &["insert_all(table, rows)"],
        "Adds the rows of a list, and says how many.",
        &[
            "duplicate_key",
            "missing_column",
            "unknown_column",
            "read_only",
            "limit.writes",
        ],
        WRITE,
        "rows.insert_all([#{ n: 5 }, #{ n: 6 }])",
        "2",
    ),
    page(
        &["update_all(rows, changes)"],
        "Changes columns of all rows of a query or a table, and says how many there are.",
        &["key_change", "unknown_column", "read_only", "limit.writes"],
        BULK,
        "rows.insert_all([#{ n: 5 }, #{ n: 6 }]); rows.where(\"n\", 5).update_all(#{ who: \"bob\" })",
        "1",
    ),
    page(
        &["delete_all(rows)"],
        "Removes all rows of a query or a table, and says how many there were.",
        &["read_only", "limit.writes"],
        BULK,
        "rows.insert_all([#{ n: 5 }, #{ n: 6 }]); rows.where(\"n\", 5).delete_all(); rows.count()",
        "1",
    ),
    page(
        &[
            "set(rows, column, formula)",
            "set(rows, column, formula, given)",
        ],
        "Sets a column of all rows of a query or a table to what a formula gives for them, and says how many there are. The parameters of the formula are what `given` says, otherwise the columns of their names.",
        &[
            "unknown_formula",
            "unknown_column",
            "inexact",
            "overflow",
            "read_only",
            "limit.writes",
        ],
        FORMULA,
        "rows.insert(#{ n: 1 }); rows.set(\"paid\", \"fee\", #{ rate: 50.percent }); rows.get(1).paid",
        "0.1666667 TFT",
    ),
    page(
        &[
            "total(rows, formula)",
            "total(rows, formula, given)",
            "total(rows, formula, given, start)",
        ],
        "The sum of what a formula gives for the rows, and of `start`, which says what the sum of no rows is.",
        &[
            "unknown_formula",
            "empty_sum",
            "inexact",
            "overflow",
            "asset_mismatch",
        ],
        FORMULA,
        "for n in 1..=3 { rows.insert(#{ n: n }); } rows.total(\"fee\", #{ rate: 50.percent })",
        "1 TFT",
    ),
    page(
        &[
            "total_by(rows, by, formula)",
            "total_by(rows, by, formula, given)",
        ],
        "For each value of `by`, in their order: a map with that value, the sum of what the formula gives under the name of the formula, and `count`.",
        &[
            "unknown_formula",
            "unknown_column",
            "bad_query",
            "inexact",
            "overflow",
            "asset_mismatch",
        ],
        FORMULA,
        "rows.insert(#{ n: 3, who: \"bob\" }); rows.total_by(\"who\", \"fee\", #{ rate: 1.percent })",
        "[{count: 1, fee: 0.01 TFT, who: @bob}]",
    ),
    page(
        &["dec(value)"],
        "A decimal: at most 18 decimals, exact.",
        &["malformed_value", "overflow"],
        NONE,
        "dec(\"0.1\") + dec(\"0.2\")",
        "dec 0.3",
    ),
    page(
        &["int(value)"],
        "An int. A decimal must be whole; a time gives its seconds since 1970, a duration its seconds.",
        &["malformed_value", "overflow", "inexact"],
        NONE,
        "int(\"42\")",
        "42",
    ),
    page(
        &["id(value)"],
        "An id of an int from 0.",
        &[],
        NONE,
        "id(7)",
        "#7",
    ),
    page(
        &["time(value)"],
        "A time, of a text or of seconds since 1970 (UTC).",
        &["malformed_value"],
        NONE,
        "time(\"2024-01-01 12:00:00\")",
        "2024-01-01 12:00:00",
    ),
    page(
        &["seconds", "minutes", "hours", "days", "weeks"],
        "A duration of so many; of a duration, how many whole ones it has.",
        &["overflow"],
        NONE,
        "[3.hours, 90.minutes.hours]",
        "[3h, 1]",
    ),
    page(
        &["percent"],
        "So many hundredths.",
        &[],
        NONE,
        "35.percent",
        "35%",
    ),
    page(
        &["min(a, b)"],
        "The smaller one; of equal ones the first.",
        &["asset_mismatch"],
        NONE,
        "min(3, 2)",
        "2",
    ),
    page(
        &["max(a, b)"],
        "The greater one; of equal ones the first.",
        &["asset_mismatch"],
        NONE,
        "max(3, 2)",
        "3",
    ),
    page(
        &["abs(value)"],
        "The value without its sign.",
        &["overflow"],
        NONE,
        "abs(-3)",
        "3",
    ),
    page(
        &["mul_div(a, b, c, rounding)"],
        "`a · b / c`, rounded once, with no overflow in between. An amount gives an amount, ints an int, decimals a decimal with 18 decimals.",
        &[
            "bad_rounding",
            "overflow",
            "division_by_zero",
            "asset_mismatch",
        ],
        NONE,
        "mul_div(100.of(\"TFT\"), 1, 3, \"floor\")",
        "33.3333333 TFT",
    ),
    page(
        &["times(value, factor, rounding)"],
        "A value times a factor, rounded once to what the value can hold. A percentage is so many hundredths.",
        ROUNDED,
        NONE,
        "100.of(\"TFT\").times(35.percent, \"half_up\")",
        "35 TFT",
    ),
    page(
        &["round(value, decimals, rounding)"],
        "A decimal or a percentage with 0 to 18 decimals. Roundings: `floor`, `half_up`, `half_down`, `half_even`.",
        &["bad_rounding", "overflow"],
        NONE,
        "dec(\"2.345\").round(2, \"half_even\")",
        "dec 2.34",
    ),
    page(
        &["div(a, b, decimals, rounding)"],
        "`a / b` with 0 to 18 decimals, rounded once.",
        ROUNDED,
        NONE,
        "dec(\"1\").div(3, 4, \"half_up\")",
        "dec 0.3333",
    ),
    page(
        &["floor(time, step)"],
        "The start of the period that a time is in, counted from 1970: `t.floor(1.days)` is midnight.",
        &["overflow"],
        NONE,
        "time(\"2024-01-01 12:30:00\").floor(1.days)",
        "2024-01-01 00:00:00",
    ),
    page(
        &["amount(value)"],
        "An amount, of a text such as `12.5 TFT`.",
        &["malformed_value", "unknown_asset", "too_fine", "overflow"],
        NONE,
        "amount(\"12.5 TFT\")",
        "12.5 TFT",
    ),
    page(
        &["amount(number, asset)", "of(number, asset)"],
        "An amount of so many whole ones of an asset. Exact: too many decimals are an error.",
        &["malformed_value", "unknown_asset", "too_fine", "overflow"],
        NONE,
        "5.of(\"TFT\")",
        "5 TFT",
    ),
    page(
        &["units(units, asset)"],
        "An amount of so many of the smallest units of an asset.",
        &["unknown_asset"],
        NONE,
        "units(5, \"TFT\")",
        "0.0000005 TFT",
    ),
    page(
        &["units"],
        "The smallest units of an amount, an int.",
        &[],
        NONE,
        "5.of(\"TFT\").units",
        "50000000",
    ),
    page(
        &["asset"],
        "The asset of an amount, a text.",
        &[],
        NONE,
        "5.of(\"TFT\").asset",
        "\"TFT\"",
    ),
    page(
        &["number"],
        "An amount in whole ones, or a percentage in hundredths, as a decimal.",
        &["unknown_asset"],
        NONE,
        "[12.of(\"TFT\").number, 35.percent.number]",
        "[dec 12, dec 35]",
    ),
    page(
        &["allocate(whole, weights)"],
        "Divides an amount or an int by weights so that the parts always sum to the whole. What rounding leaves goes to the largest remainders; between equal ones to the first, in a map by its keys.",
        &["bad_weights", "overflow"],
        "5 for a weight",
        "allocate(100, #{ ann: 1, bob: 1, eve: 1 })",
        "{ann: 34, bob: 33, eve: 33}",
    ),
    page(
        &["to_string(value)", "text(value)"],
        "The text of a value that stands on one line, as `${…}` in a text has it.",
        &[],
        "1 for 64 bytes",
        "text(5.of(\"TFT\"))",
        "\"5 TFT\"",
    ),
    page(
        &["account(name)"],
        "An account of this name. Whether it is registered is not asked.",
        &["malformed_value"],
        NONE,
        "account(\"bob\")",
        "@bob",
    ),
    page(
        &["bytes(hex)"],
        "Bytes of pairs of hexadecimal digits.",
        &["malformed_value"],
        "1 for 64 bytes",
        "bytes(\"00ff\")",
        "0x00ff",
    ),
    page(
        &["hex"],
        "The hexadecimal digits of bytes.",
        &["limit.size"],
        "1 for 32 bytes",
        "bytes(\"00ff\").hex",
        "\"00ff\"",
    ),
    page(
        &["starts_with(whole, beginning)"],
        "Whether a text begins so.",
        &[],
        "1 for 64 bytes",
        "\"banana\".starts_with(\"ba\")",
        "true",
    ),
    page(
        &["ends_with(whole, end)"],
        "Whether a text ends so.",
        &[],
        "1 for 64 bytes",
        "\"banana\".ends_with(\"na\")",
        "true",
    ),
    page(
        &["to_upper(text)"],
        "The text with A to Z for a to z; other letters stay.",
        &[],
        TEXT,
        "\"abc\".to_upper()",
        "\"ABC\"",
    ),
    page(
        &["to_lower(text)"],
        "The text with a to z for A to Z; other letters stay.",
        &[],
        TEXT,
        "\"ABC\".to_lower()",
        "\"abc\"",
    ),
    page(
        &["trim(text)"],
        "The text without white space at its ends.",
        &[],
        TEXT,
        "\" a \".trim()",
        "\"a\"",
    ),
    page(
        &["replace(whole, old, new)"],
        "The text with `new` wherever `old` was.",
        &["empty_text", "limit.size"],
        TEXT,
        "\"banana\".replace(\"an\", \"o\")",
        "\"booa\"",
    ),
    page(
        &["split(whole, separator)"],
        "The parts between the separators.",
        &["empty_text", "limit.size"],
        "1 for 64 bytes, read and made, and 1 for 4 parts",
        "\"a,b\".split(\",\")",
        "[\"a\", \"b\"]",
    ),
    page(
        &["join(items, separator)"],
        "The texts of the items with a separator between them.",
        &["limit.size"],
        "for each item, 1 for 64 bytes of what is joined so far",
        "[1, 2].join(\" and \")",
        "\"1 and 2\"",
    ),
    page(
        &["sub(whole, from, length)"],
        "A part of a text, in characters from 0. What is outside is left out.",
        &["index"],
        TEXT,
        "\"banana\".sub(1, 3)",
        "\"ana\"",
    ),
    page(
        &["len(value)"],
        "How many characters, bytes, actions, items or entries there are.",
        &[],
        "1 for 64 bytes of a text",
        "\"banana\".len()",
        "6",
    ),
    page(
        &["contains(whole, part)"],
        "Whether a list has an item, a map an entry of this name, a text a part, a range a number. `part in whole` is the same.",
        &[],
        "1 for an item of a list, 1 for 16 bytes of a text",
        "[2 in [1, 2], \"an\" in \"banana\", 10 in 0..10]",
        "[true, true, false]",
    ),
    page(
        &["push(list, item)"],
        "Adds an item at the end.",
        &["limit.size"],
        "the size of the item",
        "let list = [1, 2]; list.push(3); list",
        "[1, 2, 3]",
    ),
    page(
        &["insert(list, place, item)"],
        "Adds an item before the one at this place, from 0.",
        &["index", "limit.size"],
        "the size of the item",
        "let list = [1, 2]; list.insert(0, 3); list",
        "[3, 1, 2]",
    ),
    page(
        &["pop(list)"],
        "Takes the last item away and gives it.",
        &["index"],
        NONE,
        "let list = [1, 2]; list.pop()",
        "2",
    ),
    page(
        &["remove(list, place)"],
        "Takes the item at a place of a list away, or the entry of a map, and gives it; `()` if a map has none of that name.",
        &["index"],
        LIST,
        "let map = #{ a: 1, b: 2 }; map.remove(\"a\"); map",
        "{b: 2}",
    ),
    page(
        &["at(list, place)"],
        "The item at a place, from 0.",
        &["index"],
        NONE,
        "[7, 8].at(1)",
        "8",
    ),
    page(
        &["last(list)"],
        "The last item, or `()`.",
        &[],
        NONE,
        "[7, 8].last()",
        "8",
    ),
    page(
        &["slice(list, from, length)"],
        "A part of a list. What is outside is left out.",
        &["index"],
        LIST,
        "[7, 8, 9].slice(1, 5)",
        "[8, 9]",
    ),
    page(
        &["reversed(list)"],
        "The list from its end.",
        &[],
        LIST,
        "[7, 8].reversed()",
        "[8, 7]",
    ),
    page(
        &["sorted(list)"],
        "The list in order; all items are of one kind. Equal items stay as they stand.",
        &["asset_mismatch"],
        "1 for 4 items, and n log n for n items",
        "[3, 1, 2].sorted()",
        "[1, 2, 3]",
    ),
    page(
        &["sorted(list, entry)"],
        "A list of maps, such as rows, in the order of one entry.",
        &["unknown_field", "asset_mismatch"],
        "1 for 4 items, and n log n for n items",
        "[#{ n: 2 }, #{ n: 1 }].sorted(\"n\").first().n",
        "1",
    ),
    page(
        &["keys(map)"],
        "The names of the entries in their order.",
        &[],
        "3 for 4 entries",
        "#{ b: 1, a: 2 }.keys()",
        "[\"a\", \"b\"]",
    ),
    page(
        &["values(map)"],
        "The values of the entries in the order of their names.",
        &[],
        LIST,
        "#{ b: 1, a: 2 }.values()",
        "[2, 1]",
    ),
    page(
        &["has(map, name)"],
        "Whether a map has an entry of this name. `caller.has(\"role\")` says whether the caller has a role.",
        &[],
        NONE,
        "[#{ a: 1 }.has(\"a\"), caller.has(\"auditor\")]",
        "[true, false]",
    ),
];

/// Every function and property of the library, in the order of its parts. One that no page tells of has an empty doc,
/// which a test rules out.
pub(crate) fn functions() -> Vec<LibraryFunction> {
    let describe = |part: &'static str, native: &'static Native| {
        let page = PAGES.iter().find(|page| page.forms.contains(&native.form));
        LibraryFunction {
            part,
            name: native.name(),
            form: native.form,
            params: native.params(),
            cases: native.cases,
            property: native.property,
            changes: native.changes,
            doc: page.map_or("", |page| page.doc),
            errors: page.map_or(&[], |page| page.errors),
            cost: page.map_or("", |page| page.cost),
            example: page.map_or("", |page| page.example),
            result: page.map_or("", |page| page.result),
        }
    };
    let parts = super::parts().into_iter();
    parts
        .flat_map(|(part, natives)| natives.iter().map(move |native| describe(part, native)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_function_has_a_page_and_every_page_a_function() {
        let functions = functions();
        for function in &functions {
            let pages = PAGES
                .iter()
                .filter(|page| page.forms.contains(&function.form))
                .count();
            assert_eq!(
                pages, 1,
                "{} needs a page in library/manual.rs",
                function.form
            );
            let said = [
                function.doc,
                function.cost,
                function.example,
                function.result,
            ];
            assert!(
                said.iter().all(|text| !text.is_empty()),
                "{}",
                function.form
            );
        }
        for form in PAGES.iter().flat_map(|page| page.forms) {
            assert!(
                functions.iter().any(|function| function.form == *form),
                "nothing is registered as {form}"
            );
        }
    }
}
