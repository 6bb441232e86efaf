//! Why a transaction or a command was refused.

use std::borrow::Cow;

use borsh::{BorshDeserialize, BorshSerialize};

/// A deterministic refusal: the state is as it was before.
///
/// `code` is stable and part of what is hashed; `message` is for people, says the mend, and is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, BorshSerialize, BorshDeserialize)]
#[error("{message} [{code}]")]
pub struct Rejection {
    /// The stable code, such as `envelope.expired`.
    pub code: Cow<'static, str>,
    /// What was wrong and what to do.
    pub message: String,
}

impl Rejection {
    /// A refusal with a code of the kernel.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }
}

/// Why a command did not take effect: its own fault, or this machine's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Deterministic, the same on every node.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Local: this node stops. Never becomes a result.
    #[error(transparent)]
    Fault(#[from] crate::state::StoreFault),
}

/// Takes items that stand or fall alone. All of them are refused only if none was taken, for the reason of the last one.
pub(crate) fn each_alone<T>(
    items: impl IntoIterator<Item = T>,
    mut take: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut refused = None;
    let mut taken = 0;
    for item in items {
        match take(item) {
            Ok(()) => taken += 1,
            Err(Failure::Rejected(rejection)) => refused = Some(rejection),
            Err(fault) => return Err(fault),
        }
    }
    match refused {
        Some(rejection) if taken == 0 => Err(rejection.into()),
        _ => Ok(()),
    }
}

/// Refuses with `code` unless `condition` holds.
pub(crate) fn require(
    condition: bool,
    code: &'static str,
    message: impl FnOnce() -> String,
) -> Result<(), Rejection> {
    if condition {
        Ok(())
    } else {
        Err(Rejection {
            code: Cow::Borrowed(code),
            message: message(),
        })
    }
}
