//! Inputs of properties: generated from a seed, and made smaller when they fail.

use circle::digest::digest;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;
use threescript::policy::Generator;
use threescript::value::{Amount, Decimal, Value};

/// How many accounts there are for an input of that kind.
const ACCOUNTS: u64 = 5;
/// How many smaller inputs are tried before the smallest one found is shown.
pub const SHRINKS: usize = 400;

/// Inputs that fail a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// Which of the cases failed, from 1.
    pub case: u32,
    /// The smallest inputs found: names, and values as a body writes them.
    pub inputs: Vec<(String, String)>,
    /// How many smaller inputs failed on the way to these.
    pub shrinks: usize,
}

/// Where values come from.
pub struct Source(ChaCha20Rng);

impl Source {
    /// The source for one case of a property: equal seeds, names and numbers give equal values.
    pub fn new(seed: u64, property: &str, case: u32) -> Self {
        let seed = digest("guardian-circle/workbench/case", &(seed, property, case));
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A number from 0 to `below` exclusive; 0 if that is 0.
    fn below(&mut self, below: u128) -> u128 {
        let high = u128::from(self.0.next_u64()) << 64;
        (high | u128::from(self.0.next_u64()))
            .checked_rem(below)
            .unwrap_or(0)
    }

    /// A number between bounds, more often one of the bounds, near one, or small.
    fn number(&mut self, from: i128, to: i128) -> i128 {
        let span = to.abs_diff(from).saturating_add(1);
        let near = span.min(8);
        let any = |offset: u128| from.saturating_add_unsigned(offset);
        match self.below(8) {
            0 => from,
            1 => to,
            2 => any(self.below(near)),
            3 => to.saturating_sub_unsigned(self.below(near)),
            // Magnitudes as often as numbers, so that small ones are not rare in a wide range.
            4 | 5 => {
                let bits = 128 - span.leading_zeros();
                let most = 1u128 << self.below(u128::from(bits)).min(126);
                let offset = self.below(most.min(span));
                match from <= 0 && to >= 0 {
                    true if self.below(2) == 0 => 0i128.saturating_add_unsigned(offset).min(to),
                    true => 0i128.saturating_sub_unsigned(offset).max(from),
                    false => any(offset),
                }
            }
            _ => any(self.below(span)),
        }
    }

    fn small(&mut self, from: usize, to: usize) -> usize {
        usize::try_from(self.number(from as i128, to as i128)).unwrap_or(from)
    }

    /// A value that the generator allows.
    pub fn value(&mut self, generator: &Generator) -> Value {
        let clamp = |number: i128| i64::try_from(number).unwrap_or(i64::MAX);
        match generator {
            Generator::Bool => Value::Bool(self.below(2) == 1),
            Generator::Int { from, to } => {
                Value::Int(clamp(self.number((*from).into(), (*to).into())))
            }
            Generator::Id { from, to } => {
                let number = self.number((*from).into(), (*to).into());
                Value::Id(u64::try_from(number).unwrap_or(0))
            }
            Generator::Duration { from, to } => {
                Value::Duration(clamp(self.number((*from).into(), (*to).into())))
            }
            Generator::Time { from, to } => {
                Value::Time(clamp(self.number((*from).into(), (*to).into())))
            }
            Generator::Decimal { from, to } => Value::Decimal(self.decimal(*from, *to)),
            Generator::Percent { from, to } => Value::Percent(self.decimal(*from, *to)),
            Generator::Amount { from, to } => {
                let units = self.number(from.units.into(), to.units.into());
                Value::Amount(Amount::new(clamp(units), from.asset.clone()))
            }
            Generator::Text { from, to } => {
                let length = self.small(*from, *to);
                Value::Text((0..length).map(|_| self.character()).collect())
            }
            Generator::Bytes { from, to } => {
                let length = self.small(*from, *to);
                Value::Bytes((0..length).map(|_| self.below(256) as u8).collect())
            }
            Generator::OneOf(values) => {
                let index = self.below(values.len() as u128) as usize;
                values.get(index).cloned().unwrap_or(Value::Unit)
            }
            Generator::Account { role } => {
                let number = self.below(ACCOUNTS.into()) as u64 + 1;
                Value::Account(account(role.as_deref(), number))
            }
            Generator::List { of, from, to } => {
                let length = self.small(*from, *to);
                Value::List((0..length).map(|_| self.value(of)).collect())
            }
        }
    }

    /// A decimal between bounds, with up to six decimals more than they have.
    fn decimal(&mut self, from: Decimal, to: Decimal) -> Decimal {
        let scale = from.scale().max(to.scale()).max(self.below(7) as u8);
        let units = |number: Decimal| number.units(scale).unwrap_or(0);
        let number = self.number(units(from), units(to));
        Decimal::new(number, scale).unwrap_or(from)
    }

    fn character(&mut self) -> char {
        const OTHERS: [char; 8] = [' ', '-', '_', '\'', '"', 'é', 'ß', '漢'];
        match self.below(10) {
            0 => OTHERS[self.below(8) as usize],
            1 => (b'0' + self.below(10) as u8).into(),
            2 => (b'A' + self.below(26) as u8).into(),
            _ => (b'a' + self.below(26) as u8).into(),
        }
    }
}

/// The name of an account of a property.
fn account(role: Option<&str>, number: u64) -> String {
    format!("{}{number}", role.unwrap_or("account"))
}

/// The accounts that inputs of a generator name, with their role.
pub fn accounts(generator: &Generator) -> Vec<(String, Vec<String>)> {
    match generator {
        Generator::Account { role } => {
            let roles: Vec<String> = role.iter().cloned().collect();
            let names = (1..=ACCOUNTS).map(|number| account(role.as_deref(), number));
            names.map(|name| (name, roles.clone())).collect()
        }
        Generator::List { of, .. } => accounts(of),
        _ => Vec::new(),
    }
}

/// Values that are simpler than one and that the generator allows as well, the simplest first.
pub fn simpler(generator: &Generator, value: &Value) -> Vec<Value> {
    match (generator, value) {
        (Generator::Bool, Value::Bool(true)) => vec![Value::Bool(false)],
        (Generator::Int { from, to }, Value::Int(number)) => {
            whole(*from, *to, *number).map(Value::Int).collect()
        }
        (Generator::Id { from, to }, Value::Id(id)) => {
            let smaller = whole(*from, *to, i64::try_from(*id).unwrap_or(i64::MAX));
            smaller.map(|id| Value::Id(id.unsigned_abs())).collect()
        }
        (Generator::Duration { from, to }, Value::Duration(seconds)) => {
            whole(*from, *to, *seconds).map(Value::Duration).collect()
        }
        (Generator::Time { from, to }, Value::Time(seconds)) => {
            whole(*from, *to, *seconds).map(Value::Time).collect()
        }
        (Generator::Decimal { from, to }, Value::Decimal(number)) => {
            decimals(*from, *to, *number).map(Value::Decimal).collect()
        }
        (Generator::Percent { from, to }, Value::Percent(number)) => {
            decimals(*from, *to, *number).map(Value::Percent).collect()
        }
        (Generator::Amount { from, to }, Value::Amount(amount)) => {
            let asset = &amount.asset;
            let smaller = whole(from.units, to.units, amount.units);
            smaller
                .map(|units| Value::Amount(Amount::new(units, asset.clone())))
                .collect()
        }
        (Generator::Text { from, .. }, Value::Text(text)) => {
            let characters: Vec<char> = text.chars().collect();
            let shorter = shorter(&characters, *from).into_iter();
            let plain = (0..characters.len())
                .filter(|at| characters[*at] != 'a')
                .map(|at| {
                    let mut plain = characters.clone();
                    plain[at] = 'a';
                    plain
                });
            let all = shorter.chain(plain);
            all.map(|characters| Value::Text(characters.into_iter().collect()))
                .collect()
        }
        (Generator::Bytes { from, .. }, Value::Bytes(bytes)) => shorter(bytes, *from)
            .into_iter()
            .map(Value::Bytes)
            .collect(),
        (Generator::OneOf(values), value) => {
            let before = values.iter().take_while(|other| *other != value);
            before.cloned().collect()
        }
        (Generator::Account { role }, Value::Account(name)) => {
            let names = (1..=ACCOUNTS).map(|number| account(role.as_deref(), number));
            names
                .take_while(|other| other != name)
                .map(Value::Account)
                .collect()
        }
        (Generator::List { of, from, .. }, Value::List(items)) => {
            let mut all: Vec<Value> = shorter(items, *from).into_iter().map(Value::List).collect();
            for (at, item) in items.iter().enumerate() {
                for simpler in simpler(of, item) {
                    let mut items = items.clone();
                    items[at] = simpler;
                    all.push(Value::List(items));
                }
            }
            all
        }
        _ => Vec::new(),
    }
}

/// Numbers between the bounds on the way from the simplest one, which is the one nearest to 0, to this one.
fn whole(from: i64, to: i64, number: i64) -> impl Iterator<Item = i64> {
    let simplest = 0.clamp(from, to);
    let mut step = i128::from(number) - i128::from(simplest);
    let mut all = Vec::new();
    while step != 0 {
        let candidate = i128::from(number) - step;
        all.extend(i64::try_from(candidate).ok());
        step /= 2;
    }
    all.dedup();
    all.into_iter()
}

fn decimals(from: Decimal, to: Decimal, number: Decimal) -> impl Iterator<Item = Decimal> {
    // Fewer decimals first, then smaller numbers.
    let rounded = (0..number.scale()).filter_map(move |scale| {
        number
            .round(scale, threescript::value::Rounding::Floor)
            .ok()
    });
    let scale = from.scale().max(to.scale()).max(number.scale());
    let bound = |number: Decimal| {
        let units = number
            .units(scale)
            .and_then(|units| i64::try_from(units).ok());
        units.unwrap_or(0)
    };
    let smaller = whole(bound(from), bound(to), bound(number));
    let smaller = smaller.filter_map(move |units| Decimal::new(units.into(), scale).ok());
    let all = rounded.chain(smaller);
    all.filter(move |other| *other != number && *other >= from && *other <= to)
}

/// Parts of a list: halves, then all but one item.
fn shorter<T: Clone>(items: &[T], least: usize) -> Vec<Vec<T>> {
    let mut all: Vec<Vec<T>> = Vec::new();
    if items.len() > least {
        all.push(items[..least].to_vec());
        let half = items.len() / 2;
        if half > least {
            all.push(items[..half].to_vec());
            all.push(items[items.len() - half..].to_vec());
        }
        for at in 0..items.len() {
            let mut fewer = items.to_vec();
            fewer.remove(at);
            all.push(fewer);
        }
    }
    all
}
