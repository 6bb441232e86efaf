//! Queries: filter, order, limit, sum and group natively, reading as few rows as the indexes allow.

use super::error::Raised;
use super::meter::Meter;
use super::row_view::RowView;
use super::rows::{
    after, column, fit_column, index_prefix, push_sortable, row_key, row_key_of_entry,
};
use super::tables::{ROW_COST, Table};
use crate::action::Type;
use crate::formula::Bound;
use crate::policy::declaration::TableDecl;
use crate::value::{Decimal, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What is done with a row: the table, its key in bytes, and the row.
type Visit<'v> = &'v mut dyn FnMut(&mut Table, &[u8], &RowView) -> Result<(), Raised>;
/// The same, and says whether it wants more.
type VisitWhile<'v> = &'v mut dyn FnMut(&mut Table, &[u8], &RowView) -> Result<bool, Raised>;

/// How many keys are read at once.
const BATCH: usize = 256;
/// The most conditions of one query.
const MAX_FILTERS: usize = 16;

/// A query that is being put together. It runs when rows, a sum or a count are asked of it.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub table: usize,
    filters: Vec<Filter>,
    order: Option<(usize, bool)>,
    limit: Option<u64>,
}

#[derive(Clone, Debug)]
struct Filter {
    column: usize,
    test: Test,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Query {
    pub fn new(table: usize) -> Self {
        Self {
            table,
            filters: Vec::new(),
            order: None,
            limit: None,
        }
    }

    /// Keeps the rows where the column stands in this relation to the value. Errors: `unknown_column`, `type`.
    pub fn filter(
        mut self,
        decl: &TableDecl,
        name: &str,
        relation: &str,
        value: Value,
    ) -> Result<Self, Raised> {
        let column = column(decl, name)?;
        let value = fit_column(decl, column, value)?;
        let test = match relation {
            "==" => Test::Equal,
            "!=" => Test::NotEqual,
            "<" => Test::Less,
            "<=" => Test::LessOrEqual,
            ">" => Test::Greater,
            ">=" => Test::GreaterOrEqual,
            other => {
                let message = format!("\"{other}\" is not a relation");
                return Err(Raised::new(
                    "bad_query",
                    message,
                    "use ==, !=, <, <=, > or >=",
                ));
            }
        };
        if self.filters.len() == MAX_FILTERS {
            return Err(Raised::new(
                "bad_query",
                format!("a query has at most {MAX_FILTERS} conditions"),
                "",
            ));
        }
        self.filters.push(Filter {
            column,
            test,
            value,
        });
        Ok(self)
    }

    /// Orders the rows by a column instead of by the key; rows that are equal in it by the key.
    pub fn order(mut self, decl: &TableDecl, name: &str, descending: bool) -> Result<Self, Raised> {
        self.order = Some((column(decl, name)?, descending));
        Ok(self)
    }

    /// Keeps the first rows only.
    pub fn limit(mut self, rows: i64) -> Result<Self, Raised> {
        let rows = u64::try_from(rows);
        self.limit =
            Some(rows.map_err(|_| Raised::new("bad_query", "a limit cannot be negative", ""))?);
        Ok(self)
    }

    /// All rows that fit, in order.
    pub fn rows(&self, table: &mut Table) -> Result<Vec<Vec<Value>>, Raised> {
        let mut rows = Vec::new();
        self.each(table, None, &mut |_, _, row| {
            rows.push(row.decode()?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// How many rows fit.
    pub fn count(&self, table: &mut Table) -> Result<u64, Raised> {
        if self.filters.is_empty() && self.limit.is_none() {
            return table.rows();
        }
        let mut count = 0;
        self.each(table, None, &mut |_, _, _| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// The sum of a column; nothing is added for rows where it is empty. Without rows, `start`, or zero if the type of
    /// the column has one.
    pub fn sum(
        &self,
        table: &mut Table,
        name: &str,
        start: Option<Value>,
    ) -> Result<Value, Raised> {
        let column = column(table.decl, name)?;
        let mut sum = start.or_else(|| zero(&table.decl.columns[column].ty));
        self.each(table, None, &mut |_, _, row| {
            add_to(&mut sum, &row.value(column)?)
        })?;
        sum.ok_or_else(|| empty_sum("sum", name))
    }

    /// Sums of a column by the values of another, in the order of those: (value, sum, number of rows).
    pub fn sum_by(&self, table: &mut Table, by: &str, name: &str) -> Result<Vec<Group>, Raised> {
        let (by, column) = (column(table.decl, by)?, column(table.decl, name)?);
        let mut groups = Groups::default();
        self.each(table, None, &mut |table, _, row| {
            groups.add(table.meter, row.value(by)?, row.value(column)?)
        })?;
        Ok(groups.finish())
    }

    /// The sum of what a formula gives for the rows. Without rows, `start`, or zero if its result has one.
    pub fn total(
        &self,
        table: &mut Table,
        formula: &Bound,
        start: Option<Value>,
    ) -> Result<Value, Raised> {
        let mut sum = start.or_else(|| zero(&formula.formula.result));
        self.each(table, None, &mut |_, _, row| {
            add_to(&mut sum, &formula.compute(row)?)
        })?;
        sum.ok_or_else(|| empty_sum("total", &formula.formula.name))
    }

    /// Like [`Query::sum_by`], of what a formula gives for the rows.
    pub fn total_by(
        &self,
        table: &mut Table,
        by: &str,
        formula: &Bound,
    ) -> Result<Vec<Group>, Raised> {
        let by = column(table.decl, by)?;
        let mut groups = Groups::default();
        self.each(table, None, &mut |table, _, row| {
            groups.add(table.meter, row.value(by)?, formula.compute(row)?)
        })?;
        Ok(groups.finish())
    }

    /// Sets a column of all rows to what a formula gives for them. How many rows there are.
    pub fn set(&self, table: &mut Table, name: &str, formula: &Bound) -> Result<u64, Raised> {
        let column = table.changeable(name)?;
        let mut rows = 0;
        self.each(table, Some(column), &mut |table, key, row| {
            let value = fit_column(table.decl, column, formula.compute(row)?)?;
            rows += 1;
            table.change(key, row, &[(column, value)])
        })?;
        Ok(rows)
    }

    /// Sets columns of all rows to these values. How many rows there are.
    pub fn update_all(
        &self,
        table: &mut Table,
        entries: BTreeMap<String, Value>,
    ) -> Result<u64, Raised> {
        let changes = table.changes(entries)?;
        let scanned = self.plan(table.decl).index;
        let moved = scanned.filter(|index| changes.iter().any(|(column, _)| column == index));
        let mut rows = 0;
        self.each(table, moved, &mut |table, key, row| {
            rows += 1;
            table.change(key, row, &changes)
        })?;
        Ok(rows)
    }

    /// Removes all rows. How many there were.
    pub fn delete_all(&self, table: &mut Table) -> Result<u64, Raised> {
        let mut rows = 0;
        self.each(table, None, &mut |table, key, row| {
            rows += 1;
            table.remove(key, row)
        })?;
        if rows > 0 {
            table.forget(rows)?;
        }
        Ok(rows)
    }

    /// Visits the rows that fit, in order, with their keys. The visitor may change a row that it is shown; it says
    /// beforehand which column it changes, because rows move in the index of that column.
    fn each(&self, table: &mut Table, changed: Option<usize>, visit: Visit) -> Result<(), Raised> {
        let limit = self.limit.unwrap_or(u64::MAX);
        let scan = self.plan(table.decl);
        let mut found = 0u64;
        if scan.ordered && (changed.is_none() || scan.index != changed) {
            return scan.run(table, &mut |table, key, row| {
                if found == limit {
                    return Ok(false);
                }
                if self.fits(row)? {
                    found += 1;
                    visit(table, key, row)?;
                }
                Ok(found < limit)
            });
        }
        // The value that is ordered by, the key, and the row.
        let mut rows: Vec<(Value, Vec<u8>, Vec<u8>)> = Vec::new();
        scan.run(table, &mut |table, key, row| {
            if self.fits(row)? {
                table
                    .meter
                    .allocate((64 + key.len() + row.length()) as u64)?;
                let value = self.order.map(|(column, _)| row.value(column));
                let value = value.transpose()?.unwrap_or(Value::Unit);
                rows.push((value, key.to_vec(), row.bytes().to_vec()));
            }
            Ok(true)
        })?;
        // The cost of sorting, n log n, is charged before it is done.
        let steps = rows.len() as u64 * u64::from(rows.len().max(2).ilog2());
        table.meter.charge(steps)?;
        // All values of a column have one kind; only amounts of different assets have no order. Comparing each with the
        // first one finds that before the sort begins, which must not fail midway.
        let mut values = rows
            .iter()
            .map(|(value, ..)| value)
            .filter(|value| **value != Value::Unit);
        if let Some(first) = values.next() {
            values.try_for_each(|value| order_of(first, value).map(|_| ()))?;
        }
        let descending = self.order.is_some_and(|(_, descending)| descending);
        rows.sort_by(|(value, key, _), (other, other_key, _)| {
            let order = order_of(value, other).unwrap_or(Ordering::Equal);
            let order = order.then_with(|| key.cmp(other_key));
            if descending { order.reverse() } else { order }
        });
        let mut offsets = Vec::new();
        for (_, key, bytes) in rows
            .iter()
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
        {
            let row = RowView::new(table.decl, bytes, &mut offsets)?;
            visit(table, key, &row)?;
        }
        Ok(())
    }

    fn fits(&self, row: &RowView) -> Result<bool, Raised> {
        for filter in &self.filters {
            let value = row.value(filter.column)?;
            let fits = match filter.test {
                Test::Equal => value == filter.value,
                Test::NotEqual => value != filter.value,
                _ if value == Value::Unit || filter.value == Value::Unit => false,
                test => {
                    let order = order_of(&value, &filter.value)?;
                    match test {
                        Test::Less => order.is_lt(),
                        Test::LessOrEqual => order.is_le(),
                        Test::Greater => order.is_gt(),
                        _ => order.is_ge(),
                    }
                }
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The narrowest way to the rows: equal key columns, an equal indexed column, a range of the key or of an index, an
    /// index in the wanted order, or everything.
    fn plan(&self, decl: &TableDecl) -> Scan {
        let equal = |column: usize| {
            let filter = self
                .filters
                .iter()
                .find(|filter| filter.column == column && filter.test == Test::Equal);
            filter.map(|filter| &filter.value)
        };
        let fixed: Vec<&Value> = decl.key.iter().map_while(|column| equal(*column)).collect();
        let by_key = |order: Option<(usize, bool)>, fixed: usize| match order {
            None => true,
            Some((column, _)) => decl
                .key
                .iter()
                .position(|key| *key == column)
                .is_some_and(|at| at <= fixed),
        };
        let descending = self.order.is_some_and(|(_, descending)| descending);
        if !fixed.is_empty() {
            let from = row_key(decl, fixed.iter().copied());
            let ordered = by_key(self.order, fixed.len());
            return Scan {
                to: after(&from),
                from,
                index: None,
                reverse: descending && ordered,
                ordered,
            };
        }
        let indexed = |column: &usize| decl.columns[*column].indexed;
        let columns = || (0..decl.columns.len()).filter(indexed);
        if let Some((column, value)) = columns().find_map(|column| Some((column, equal(column)?))) {
            let mut from = index_prefix(decl, column);
            push_sortable(&mut from, value);
            let ordered =
                by_key(self.order, 0) || self.order.is_some_and(|(order, _)| order == column);
            return Scan {
                to: after(&from),
                from,
                index: Some(column),
                reverse: descending && ordered,
                ordered,
            };
        }
        let first_key = decl.key[0];
        if let Some((from, to)) = self.range(first_key, row_key(decl, [])) {
            let ordered = by_key(self.order, 0);
            return Scan {
                from,
                to,
                index: None,
                reverse: descending && ordered,
                ordered,
            };
        }
        if let Some((column, (from, to))) = columns()
            .find_map(|column| Some((column, self.range(column, index_prefix(decl, column))?)))
        {
            let ordered = self.order.is_some_and(|(order, _)| order == column);
            return Scan {
                from,
                to,
                index: Some(column),
                reverse: descending && ordered,
                ordered,
            };
        }
        match self.order {
            Some((column, _)) if indexed(&column) => {
                let from = index_prefix(decl, column);
                Scan {
                    to: after(&from),
                    from,
                    index: Some(column),
                    reverse: descending,
                    ordered: true,
                }
            }
            order => {
                let (from, ordered) = (row_key(decl, []), by_key(order, 0));
                Scan {
                    to: after(&from),
                    from,
                    index: None,
                    reverse: descending && ordered,
                    ordered,
                }
            }
        }
    }

    /// The bounds that `<`, `<=`, `>` and `>=` set for a column, behind a prefix.
    fn range(&self, column: usize, prefix: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
        let bound = |value: &Value| {
            let mut bytes = prefix.clone();
            push_sortable(&mut bytes, value);
            bytes
        };
        let (mut from, mut to) = (prefix.clone(), after(&prefix));
        let mut bounded = false;
        let wanted = |filter: &&Filter| filter.column == column && filter.value != Value::Unit;
        for filter in self.filters.iter().filter(wanted) {
            match filter.test {
                Test::Greater => from = from.max(after(&bound(&filter.value))),
                Test::GreaterOrEqual => from = from.max(bound(&filter.value)),
                Test::Less => to = to.min(bound(&filter.value)),
                Test::LessOrEqual => to = to.min(after(&bound(&filter.value))),
                Test::Equal | Test::NotEqual => continue,
            }
            bounded = true;
        }
        bounded.then_some((from, to))
    }
}

/// A range of row keys or index entries.
struct Scan {
    from: Vec<u8>,
    to: Vec<u8>,
    /// The column whose index is read; rows themselves if there is none.
    index: Option<usize>,
    reverse: bool,
    /// Whether the rows come in the wanted order.
    ordered: bool,
}

impl Scan {
    /// Visits rows with their keys until there are no more or the visitor says false.
    fn run(&self, table: &mut Table, visit: VisitWhile<'_>) -> Result<(), Raised> {
        let decl = table.decl;
        let (mut from, mut to) = (self.from.clone(), self.to.clone());
        let mut offsets = Vec::new();
        while from < to {
            let batch = table.host.scan(&from, &to, BATCH, self.reverse)?;
            let Some((last, _)) = batch.last() else {
                return Ok(());
            };
            if self.reverse {
                to = last.clone();
            } else {
                from = last.clone();
                from.push(0);
            }
            let is_last_batch = batch.len() < BATCH;
            for (key, bytes) in batch {
                table.meter.charge(ROW_COST)?;
                let (key, bytes) = match self.index {
                    None => {
                        table.meter.charge(bytes.len() as u64 / 64)?;
                        (key, bytes)
                    }
                    Some(column) => {
                        let broken =
                            || Raised::new("bad_row", "an index entry points to no row", "");
                        let key = row_key_of_entry(decl, column, &key).ok_or_else(broken)?;
                        let bytes = table.read_bytes(&key)?.ok_or_else(broken)?;
                        (key, bytes)
                    }
                };
                let row = RowView::new(decl, &bytes, &mut offsets)?;
                if !visit(table, &key, &row)? {
                    return Ok(());
                }
            }
            if is_last_batch {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A value, the sum of what belongs to it, and the number of rows.
pub(crate) type Group = (Value, Value, u64);

/// Sums by value, in the order of the values.
#[derive(Default)]
struct Groups {
    sums: BTreeMap<Vec<u8>, Sum>,
    /// The key of the last row; room to work in.
    key: Vec<u8>,
}

/// The value of a group, the sum so far, and the number of rows.
type Sum = (Value, Option<Value>, u64);

impl Groups {
    fn add(&mut self, meter: &Meter, by: Value, value: Value) -> Result<(), Raised> {
        self.key.clear();
        push_group_key(&mut self.key, &by)?;
        let key = &self.key;
        if let Some((_, sum, count)) = self.sums.get_mut(key) {
            *count += 1;
            return add_to(sum, &value);
        }
        meter.allocate(256 + key.len() as u64)?;
        let mut sum = None;
        add_to(&mut sum, &value)?;
        self.sums.insert(key.clone(), (by, sum, 1));
        Ok(())
    }

    fn finish(self) -> Vec<Group> {
        let groups = self.sums.into_values();
        groups
            .map(|(value, sum, count)| (value, sum.unwrap_or(Value::Unit), count))
            .collect()
    }
}

fn push_group_key(bytes: &mut Vec<u8>, value: &Value) -> Result<(), Raised> {
    match value {
        Value::Unit
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Id(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Account(_) => {
            push_sortable(bytes, value);
            Ok(())
        }
        other => Err(Raised::type_error(format!(
            "rows cannot be grouped by {}",
            other.kind()
        ))),
    }
}

/// The sum of nothing, for types that have one.
fn zero(ty: &Type) -> Option<Value> {
    match ty {
        Type::Int | Type::Size => Some(Value::Int(0)),
        Type::Decimal => Some(Value::Decimal(Decimal::ZERO)),
        Type::Percent => Some(Value::Percent(Decimal::ZERO)),
        Type::Duration => Some(Value::Duration(0)),
        _ => None,
    }
}

fn empty_sum(what: &str, name: &str) -> Raised {
    let start = match what {
        "total" => format!("{what}(\"{name}\", #{{}}, amount(\"0 TFT\"))"),
        _ => format!("{what}(\"{name}\", amount(\"0 TFT\"))"),
    };
    Raised::new(
        "empty_sum",
        format!("the sum of `{name}` over no rows has no asset"),
        format!("give the sum to start from: {start}"),
    )
}

/// The order of two values of one column; empty ones come first.
fn order_of(a: &Value, b: &Value) -> Result<Ordering, Raised> {
    match (a, b) {
        (Value::Decimal(a), Value::Decimal(b)) | (Value::Percent(a), Value::Percent(b)) => {
            Ok(a.cmp(b))
        }
        (Value::Amount(a), Value::Amount(b)) => Ok(a.compare(b)?),
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::Int(a), Value::Int(b))
        | (Value::Duration(a), Value::Duration(b))
        | (Value::Time(a), Value::Time(b)) => Ok(a.cmp(b)),
        (Value::Id(a), Value::Id(b)) => Ok(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) | (Value::Account(a), Value::Account(b)) => Ok(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(a.cmp(b)),
        (Value::Unit, Value::Unit) => Ok(Ordering::Equal),
        (Value::Unit, _) => Ok(Ordering::Less),
        (_, Value::Unit) => Ok(Ordering::Greater),
        (a, _) => Err(Raised::type_error(format!(
            "values of kind {} have no order",
            a.kind()
        ))),
    }
}

fn add_to(sum: &mut Option<Value>, value: &Value) -> Result<(), Raised> {
    let added = match (sum.as_ref(), value) {
        (_, Value::Unit) => return Ok(()),
        (None, value) => value.clone(),
        (Some(Value::Int(sum)), Value::Int(value)) => {
            Value::Int(super::operators::int("+", *sum, *value)?)
        }
        (Some(Value::Duration(sum)), Value::Duration(value)) => {
            Value::Duration(super::operators::int("+", *sum, *value)?)
        }
        (Some(Value::Decimal(sum)), Value::Decimal(value)) => {
            Value::Decimal(sum.checked_add(*value)?)
        }
        (Some(Value::Percent(sum)), Value::Percent(value)) => {
            Value::Percent(sum.checked_add(*value)?)
        }
        (Some(Value::Amount(sum)), Value::Amount(value)) => Value::Amount(sum.checked_add(value)?),
        (Some(sum), value) => {
            return Err(Raised::type_error(format!(
                "{} cannot be added to {}",
                value.kind(),
                sum.kind()
            )));
        }
    };
    match added {
        Value::Int(_)
        | Value::Duration(_)
        | Value::Decimal(_)
        | Value::Percent(_)
        | Value::Amount(_) => {
            *sum = Some(added);
            Ok(())
        }
        other => Err(Raised::type_error(format!(
            "values of kind {} cannot be summed",
            other.kind()
        ))),
    }
}
