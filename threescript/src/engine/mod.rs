//! Running policies: the interpreter, its limits, its library, and what it asks of its host.

mod catalog;
mod error;
mod host;
pub(crate) mod library;
mod limits;
pub(crate) mod meter;
pub(crate) mod observe;
pub(crate) mod operators;
pub(crate) mod profile;
pub(crate) mod query;
mod row_view;
pub(crate) mod rows;
mod run;
mod tables;
pub(crate) mod values;

pub use catalog::{Catalog, NativeActor, NativeEvent, NativeFunction, Word};
pub use error::ScriptError;
pub use host::{BlockInfo, Caller, Host, HostError, Rows};
pub use library::manual::LibraryFunction;
pub use limits::Limits;
pub use meter::Usage;
pub use observe::{Moment, Observer, Shown, Step};
pub use profile::PROFILE;
pub use run::{Effect, Event};

pub(crate) use error::{Raised, explain, place_of};
pub(crate) use meter::Meter;
pub(crate) use row_view::RowView;
pub(crate) use run::Run;

use crate::value::Value;

/// Every function and property that bodies may call without a module: what they take and give, what they do, how they
/// fail, what they cost, and an example.
pub fn host_functions() -> Vec<LibraryFunction> {
    library::manual::functions()
}

/// What a run that succeeded yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// What the body returned.
    pub value: Value,
    /// The events in the order in which they were emitted.
    pub events: Vec<Event>,
    /// The effects in the order in which they were emitted.
    pub effects: Vec<Effect>,
    /// What the run used.
    pub usage: Usage,
}

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// An action by its name.
    Action(&'a str),
    /// A question by its name.
    Ask(&'a str),
    /// A schedule by its name.
    Every(&'a str),
    /// The reaction to an event: its actor and name joined by a point. The arguments are what the event says.
    On(&'a str),
    /// An invariant by its name. It returns true, or fails with the code `invariant.<name>` or `limit.…`.
    Invariant(&'a str),
}
