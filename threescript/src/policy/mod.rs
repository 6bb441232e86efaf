//! Policies: what an actor offers, declared in a header of ours with bodies in Rhai.
//!
//! [`compile`] reads and checks a policy file; [`Policy::run`] runs one of its actions, questions or schedules against a
//! [`Host`](crate::engine::Host). The language is described in `docs/policy-language.md`.

pub(crate) mod check;
pub(crate) mod diagnostic;
pub(crate) mod header;
mod lexer;
pub(crate) mod types;

mod compile;
mod execute;

pub use compile::{Policy, compile};
pub use diagnostic::{Diagnostic, Place};
pub use header::{CallerRule, Column, ConstDecl, EntryDecl, EntryKind, TableDecl};
