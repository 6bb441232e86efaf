//! Policies: what an actor offers, declared in a header of ours with bodies in Rhai.
//!
//! [`compile`] reads and checks a policy file; [`Policy::run`] runs one of its actions, questions, schedules, reactions
//! or invariants against a
//! [`Host`](crate::engine::Host). The language is described in `docs/policy-language.md`.

mod actors;
mod bodies;
pub(crate) mod check;
pub(crate) mod declaration;
pub(crate) mod diagnostic;
mod header;
pub(crate) mod lexer;
pub(crate) mod param;
pub(crate) mod types;
mod typing;
mod usage;

pub(crate) mod compile;
mod execute;
mod flow;
mod points;
mod testing;

pub use compile::{Policy, StoredRow, compile, compile_with, source_hash};
pub use declaration::{
    CallerRule, Column, ConstDecl, EntryDecl, EntryKind, FormulaDecl, TableDecl, UseDecl, UsedName,
};
pub use diagnostic::{Diagnostic, Place, Severity, suggest};
pub use flow::{Assigned, Flow};
pub use header::KEYWORDS;
pub use param::{ParamError, PolicyParam};
pub use points::{Branching, BranchingKind, Points};
pub use testing::{
    CaseDecl, Generator, InputDecl, TestFile, TestTitle, compile_tests, read_test_title,
};
pub use types::{fit, type_name};
