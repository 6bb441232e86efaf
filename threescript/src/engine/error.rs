//! Why a run ended without a result.

use crate::policy::diagnostic::Place;
use crate::value::ValueError;
use rhai::{Dynamic, EvalAltResult, Position};
use std::fmt;

/// Why a run ended without a result: its writes, events and effects are void.
///
/// [`ScriptError::code`] is the same on every node, in every build and whatever the interpreter's texts say; digests
/// take nothing else. The rest is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// A stable short name, such as `require`, `overflow` or `limit.operations`.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub mend: String,
    /// The policy file as it was named at compilation.
    pub file: String,
    /// The line, from 1; 0 if the error has no place.
    pub line: u32,
    /// The character in the line, from 1; 0 if the error has no place.
    pub column: u32,
    /// True if something broke on this node only (the host reported a fault): the node must stop, and no result, not
    /// even a failed one, may be made of the run.
    pub is_fault: bool,
    /// The operations that the run had used, nested runs included; a host that goes on after the failure of a nested
    /// run reports them in [`Host::operations_used`](super::Host::operations_used).
    pub operations: u64,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            message,
            mend,
            file,
            line,
            column,
            ..
        } = self;
        match line {
            0 => write!(formatter, "{file}: {message} [{code}]")?,
            _ => write!(formatter, "{file}:{line}:{column}: {message} [{code}]")?,
        }
        match mend.is_empty() {
            true => Ok(()),
            false => write!(formatter, "; {mend}"),
        }
    }
}

impl std::error::Error for ScriptError {}

/// An error on its way through the interpreter, which adds the place.
#[derive(Clone, Debug)]
pub(crate) struct Raised {
    pub code: String,
    pub message: String,
    pub mend: String,
    pub is_fault: bool,
}

impl Raised {
    pub fn new(code: &str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            mend: mend.into(),
            is_fault: false,
        }
    }

    pub fn type_error(message: impl Into<String>) -> Self {
        Self::new("type", message, "")
    }

    pub fn fault(message: impl Into<String>) -> Self {
        Self {
            is_fault: true,
            ..Self::new("fault", message, "")
        }
    }

    pub fn at(self, file: &str, place: Option<Place>) -> ScriptError {
        let Self {
            code,
            message,
            mend,
            is_fault,
        } = self;
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
        ScriptError {
            code,
            message,
            mend,
            file: file.to_owned(),
            line,
            column,
            is_fault,
            operations: 0,
        }
    }
}

impl From<ValueError> for Raised {
    fn from(error: ValueError) -> Self {
        let (message, mend) = error.reason_and_mend();
        Self::new(error.code(), message, mend)
    }
}

impl From<Raised> for Box<EvalAltResult> {
    fn from(raised: Raised) -> Self {
        Box::new(EvalAltResult::ErrorRuntime(
            Dynamic::from(raised),
            Position::NONE,
        ))
    }
}

/// The interpreter's error as ours. Codes follow from the kind of the error, never from its text.
pub(crate) fn explain(error: EvalAltResult) -> (Raised, Option<Place>) {
    use EvalAltResult as E;
    let place = place_of(error.position());
    let raised = match error {
        // The innermost error says what went wrong and where; the calls around it do not matter.
        E::ErrorInFunctionCall(_, _, inner, _) | E::ErrorInModule(_, inner, _) => {
            let (raised, inner_place) = explain(*inner);
            return (raised, inner_place.or(place));
        }
        E::ErrorRuntime(value, _) | E::ErrorTerminated(value, _) => {
            match value.try_cast::<Raised>() {
                Some(raised) => raised,
                None => Raised::new("thrown", "the policy threw a value", "use fail(code, text)"),
            }
        }
        E::ErrorTooManyOperations(_) => {
            Raised::new("limit.operations", "the run took too many operations", "")
        }
        E::ErrorStackOverflow(_) => Raised::new(
            "limit.depth",
            "functions call each other too deep",
            "use a loop instead of recursion",
        ),
        E::ErrorTooManyVariables(_) => Raised::new(
            "limit.variables",
            "there are too many variables",
            "use a list",
        ),
        E::ErrorDataTooLarge(..) => Raised::new(
            "limit.size",
            "a text, list or map has grown too large",
            "keep it in a table",
        ),
        E::ErrorVariableNotFound(name, _) => Raised::new(
            "unknown_variable",
            format!("there is no variable `{name}`"),
            "",
        ),
        E::ErrorPropertyNotFound(name, _) => Raised::new(
            "unknown_field",
            format!("the map has no entry `{name}`"),
            "use get(\"name\") for one that may be missing",
        ),
        // Names and numbers of arguments are checked at compilation, so what is left is a wrong type.
        E::ErrorFunctionNotFound(signature, _) => {
            Raised::type_error(format!("no operation fits: {}", plain(&signature)))
        }
        E::ErrorDotExpr(text, _) => Raised::new("unknown_field", plain(&text), ""),
        E::ErrorMismatchDataType(wanted, given, _)
        | E::ErrorMismatchOutputType(wanted, given, _) => Raised::type_error(format!(
            "{} is wanted, {} is given",
            plain(&wanted),
            plain(&given)
        )),
        E::ErrorIndexingType(text, _) => {
            Raised::type_error(format!("this cannot be indexed: {}", plain(&text)))
        }
        E::ErrorFor(_) => {
            Raised::type_error("this cannot be iterated over; use a list, a range or rows()")
        }
        E::ErrorArrayBounds(length, index, _)
        | E::ErrorStringBounds(length, index, _)
        | E::ErrorBitFieldBounds(length, index, _) => Raised::new(
            "index",
            format!("the index {index} is outside, the length is {length}"),
            "check len() first",
        ),
        E::ErrorIndexNotFound(..) => {
            Raised::new("index", "the index does not exist", "check len() first")
        }
        // Our own operators check everything; these are what the interpreter computes by itself.
        E::ErrorArithmetic(text, _) => Raised::new("overflow", text, ""),
        E::ErrorAssignmentToConstant(name, _) => Raised::new(
            "constant",
            format!("`{name}` cannot be changed"),
            "copy it into a variable with `let`",
        ),
        E::ErrorNonPureMethodCallOnConstant(name, _) => Raised::new(
            "constant",
            format!("`{name}` would change a constant"),
            "copy it into a variable with `let`",
        ),
        other => Raised::new("engine", other.to_string(), ""),
    };
    (raised, place)
}

/// The interpreter's names of types as ours.
fn plain(text: &str) -> String {
    const NAMES: [(&str, &str); 6] = [
        ("core::ops::range::RangeInclusive<i64>", "range"),
        ("core::ops::range::Range<i64>", "range"),
        ("i64", "int"),
        ("array", "list"),
        ("string", "text"),
        ("()", "nothing"),
    ];
    NAMES.iter().fold(text.to_owned(), |text, (theirs, ours)| {
        text.replace(theirs, ours)
    })
}

pub(crate) fn place_of(position: Position) -> Option<Place> {
    let line = u32::try_from(position.line()?).ok()?;
    Some(Place {
        line,
        column: u32::try_from(position.position().unwrap_or(1)).ok()?.max(1),
    })
}
