//! Policies: what an actor offers, declared in a header of ours with bodies in Rhai.
//!
//! [`compile`] reads and checks a policy file; [`Policy::run`] runs one of its actions, questions or schedules against a
//! [`Host`](crate::engine::Host). The language is described in `docs/policy-language.md`.

pub(crate) mod check;
pub(crate) mod declaration;
pub(crate) mod diagnostic;
mod header;
mod lexer;
pub(crate) mod types;

mod compile;
mod execute;

pub use compile::{Policy, compile};
pub use declaration::{CallerRule, Column, ConstDecl, EntryDecl, EntryKind, TableDecl};
pub use diagnostic::{Diagnostic, Place};
