//! The table of accounts, by name, key and number.

use crate::account::{Account, NonceWindow, check_name, check_roles};
use crate::ids::Key;
use crate::member::Member;
use crate::rejection::{Failure, require};
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

const ACCOUNTS: Table<Account> = Table::new(b"ka", "an account");
const BY_NAME: Table<u32> = Table::new(b"kn", "an account's name");
const BY_KEY: Table<u32> = Table::new(b"kb", "an account's key");
const COUNT: Table<u32> = Table::new(b"kc", "the number of accounts");

/// Registers an account.
pub fn register(
    rows: &mut Overlay,
    name: &str,
    key: Key,
    roles: Vec<String>,
) -> Result<Account, Failure> {
    check_name(name)?;
    let roles = check_roles(roles)?;
    require(!BY_NAME.has(rows, name)?, "account.name_taken", || {
        format!("there is an account {name} already; choose another name")
    })?;
    require(!BY_KEY.has(rows, key)?, "account.key_taken", || {
        format!("the key {key} has an account already; use another key")
    })?;
    let number = COUNT.get(rows, ())?.unwrap_or(0);
    let next = number.checked_add(1);
    require(next.is_some(), "account.full", || {
        "there are 2^32 accounts already".into()
    })?;
    COUNT.put(rows, (), &next.unwrap_or(number));
    let account = Account {
        number,
        name: name.into(),
        key,
        roles,
        nonces: NonceWindow::default(),
    };
    BY_NAME.put(rows, name, &number);
    BY_KEY.put(rows, key, &number);
    put(rows, &account);
    Ok(account)
}

/// Gives the account of a member the role of a guardian, or takes it. An account that a node lacks, because it went astray, is
/// registered if its name is free.
pub(crate) fn set_guardian(
    rows: &mut Overlay,
    member: &Member,
    is_guardian: bool,
) -> Result<(), StoreFault> {
    const ROLE: &str = "guardian";
    let mut account = match by_key(rows, &member.key)? {
        Some(account) => account,
        None => match register(rows, &member.name, member.key, Vec::new()) {
            Ok(account) => account,
            Err(Failure::Rejected(_)) => return Ok(()),
            Err(Failure::Fault(fault)) => return Err(fault),
        },
    };
    account.roles.retain(|role| role != ROLE);
    if is_guardian {
        account.roles.push(ROLE.into());
        account.roles.sort();
    }
    put(rows, &account);
    Ok(())
}

/// Writes an account back.
pub fn put(rows: &mut Overlay, account: &Account) {
    ACCOUNTS.put(rows, account.number, account);
}

/// The account with this key.
pub fn by_key(rows: &(impl KeyValue + ?Sized), key: &Key) -> Result<Option<Account>, StoreFault> {
    BY_KEY
        .get(rows, key)?
        .map(|number| by_number(rows, number))
        .transpose()
}

/// The account with this name.
pub fn by_name(rows: &(impl KeyValue + ?Sized), name: &str) -> Result<Option<Account>, StoreFault> {
    BY_NAME
        .get(rows, name)?
        .map(|number| by_number(rows, number))
        .transpose()
}

/// The account called `text`, or whose key is written so.
pub fn resolve(rows: &(impl KeyValue + ?Sized), text: &str) -> Result<Option<Account>, StoreFault> {
    match text.parse::<Key>() {
        Ok(key) => by_key(rows, &key),
        Err(_) => by_name(rows, text),
    }
}

/// The account with a number, if there is one.
pub fn find(rows: &(impl KeyValue + ?Sized), number: u32) -> Result<Option<Account>, StoreFault> {
    ACCOUNTS.get(rows, number)
}

/// The account with a number that a row of this state names.
pub fn by_number(rows: &(impl KeyValue + ?Sized), number: u32) -> Result<Account, StoreFault> {
    let missing = || StoreFault::Corrupt {
        what: "an account",
        reason: format!("number {number} is missing"),
    };
    ACCOUNTS.get(rows, number)?.ok_or_else(missing)
}
