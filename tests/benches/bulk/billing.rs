//! Billing contracts: what each costs by what it uses, written back, and summed by account.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use circle::session::Session;
use circle::state::{KeyValue, Overlay, prefix_end};
use guardian_tests::{Simulation, act};
use threescript::value::Value;

use super::{Measured, fastest, settled, timed};

/// Prices are in units of 10^-7 USD for an hour, resources in GB.
const POLICY: &str = r#"policy bill version 1
const CU_PRICE = 27000
const SU_PRICE = 11000
const IP_PRICE = 5000
table contracts {
    id: id key,
    owner: account index,
    cru: int,
    mru: int,
    sru: int,
    hru: int,
    ipv4: int,
    elapsed: int,
    due: int,
    note: text,
}
formula compute_units(cru: int, mru: int): decimal =
    min(max(mru / 4, cru / 2), max(mru / 8, cru), max(mru / 2, cru / 4))
formula cost(cru: int, mru: int, sru: int, hru: int, ipv4: int, elapsed: int): int =
    half_up((compute_units(cru, mru) * CU_PRICE + (hru / 1200 + sru / 200) * SU_PRICE + ipv4 * IP_PRICE) * elapsed / 3600)
action fill(first: int, count: int) by circle {
    let rows = [];
    for n in first..first + count {
        rows.push(#{ owner: "user" + (n % 1000), cru: 1 + n % 16, mru: 2 + n % 61, sru: 50 + n % 450, hru: n % 3000, ipv4: n % 2, elapsed: 3600 - n % 7, due: 0, note: "a contract of some user" });
    }
    contracts.insert_all(rows)
}
action bill() by circle {
    contracts.set("due", "cost");
    contracts.sum_by("owner", "due")
}
"#;

/// The same contract as plain Rust keeps it.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
struct Contract {
    owner: String,
    cru: i64,
    mru: i64,
    sru: i64,
    hru: i64,
    ipv4: i64,
    elapsed: i64,
    due: i64,
    note: String,
}

impl Contract {
    fn cost(&self) -> i64 {
        let (cru, mru) = (i128::from(self.cru), i128::from(self.mru));
        // In eighths of a compute unit, and 1/1200 of a storage unit.
        let eighths = (2 * mru)
            .max(4 * cru)
            .min(mru.max(8 * cru))
            .min((4 * mru).max(2 * cru));
        let storage = i128::from(self.hru) + 6 * i128::from(self.sru);
        let hour = eighths * 150 * 27_000 + storage * 11_000 + i128::from(self.ipv4) * 1200 * 5_000;
        let (numerator, denominator) = (hour * i128::from(self.elapsed), 1200 * 3600);
        let rounded = (2 * numerator + denominator).div_euclid(2 * denominator);
        i64::try_from(rounded).expect("a cost fits")
    }
}

const PLAIN: &[u8] = b"x";

pub fn measure(contracts: i64) -> Measured {
    let circle = Simulation::with_policies(9, 1, None, vec![POLICY.into()]);
    let start = Arc::new(settled(&circle.guardians[0].state()));
    let mut session = circle.session(start);
    for first in (0..contracts).step_by(500) {
        let params = vec![("first", Value::Int(first)), ("count", Value::Int(500))];
        session = acted(session, "fill", params).0;
    }
    let mut rows = session.rows;
    let plain: Vec<Contract> = (0..contracts).map(contract).collect();
    for (number, contract) in plain.iter().enumerate() {
        let key = [PLAIN, &(number as u64 + 1).to_be_bytes()].concat();
        rows.put(key, borsh::to_vec(contract).expect("memory"));
    }
    let base = Arc::new(settled(&rows));

    let mut operations = 0;
    let by_policy = || {
        let mut session = circle.session(base.clone());
        let savepoint = session.rows.begin();
        let (time, (mut session, sums)) = timed(|| acted(session, "bill", vec![]));
        session.rows.commit(savepoint);
        operations = session.operations_used();
        (time, (session.rows, sums))
    };
    let by_hand = || {
        let mut rows = Overlay::new(base.clone());
        let savepoint = rows.begin();
        let (time, sums) = timed(|| bill(&mut rows));
        rows.commit(savepoint);
        (time, (rows, sums))
    };
    let (policy, by_hand) = fastest(by_policy, by_hand, |(rows, sums), (plain_rows, plain)| {
        assert_eq!(rows.count().writes, plain_rows.count().writes);
        assert_eq!(sums_of(&sums), plain);
    });
    let mut structs = plain;
    let (in_memory, _) = timed(|| {
        let mut sums: BTreeMap<String, (i64, u64)> = BTreeMap::new();
        for contract in &mut structs {
            contract.due = contract.cost();
            add(&mut sums, &contract.owner, contract.due);
        }
        sums
    });
    Measured {
        what: format!("billing of {contracts} contracts of 1000 accounts"),
        policy,
        plain: by_hand,
        in_memory: Some(in_memory),
        operations,
    }
}

fn contract(n: i64) -> Contract {
    Contract {
        owner: format!("user{}", n % 1000),
        cru: 1 + n % 16,
        mru: 2 + n % 61,
        sru: 50 + n % 450,
        hru: n % 3000,
        ipv4: n % 2,
        elapsed: 3600 - n % 7,
        due: 0,
        note: "a contract of some user".into(),
    }
}

/// Reads the rows in batches, as whoever walks over a store of any size does.
fn bill(rows: &mut Overlay) -> BTreeMap<String, (i64, u64)> {
    let mut sums = BTreeMap::new();
    let end = prefix_end(PLAIN);
    let mut from = PLAIN.to_vec();
    loop {
        let batch = rows
            .scan(&from, end.as_deref(), 256, false)
            .expect("memory");
        let Some((last, _)) = batch.last() else {
            return sums;
        };
        from = last.clone();
        from.push(0);
        for (key, value) in batch {
            let mut contract: Contract = borsh::from_slice(&value).expect("a contract");
            contract.due = contract.cost();
            add(&mut sums, &contract.owner, contract.due);
            rows.put(key, borsh::to_vec(&contract).expect("memory"));
        }
    }
}

fn add(sums: &mut BTreeMap<String, (i64, u64)>, owner: &str, due: i64) {
    match sums.get_mut(owner) {
        Some(sum) => *sum = (sum.0 + due, sum.1 + 1),
        None => {
            sums.insert(owner.to_owned(), (due, 1));
        }
    }
}

fn sums_of(value: &Value) -> BTreeMap<String, (i64, u64)> {
    let Value::List(groups) = value else {
        panic!("{value:?}")
    };
    let groups = groups.iter().map(|group| match group {
        Value::Map(group) => match (&group["owner"], &group["due"], &group["count"]) {
            (Value::Account(owner), Value::Int(due), Value::Int(count)) => {
                (owner.clone(), (*due, count.unsigned_abs()))
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    groups.collect()
}

fn acted(session: Box<Session>, name: &str, params: Vec<(&str, Value)>) -> (Box<Session>, Value) {
    let authority = circle::authority::Authority::Circle;
    let (session, result) = session.act(&authority, &act("bill", name, params));
    (
        session,
        result.unwrap_or_else(|stop| panic!("{name}: {stop:?}")),
    )
}
