//! Why a value could not be read or computed.

use super::AssetCode;

/// A value that cannot be read, or a calculation that has no exact result.
///
/// [`ValueError::code`] is stable and may enter digests; the text is for people and may change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The text is not in the form of its type.
    #[error("`{text}` is not {expected}; {mend}")]
    Malformed {
        /// What was asked for, with its article: `an int`.
        expected: &'static str,
        /// The text as it was written, shortened to 64 characters.
        text: String,
        /// How it is written.
        mend: String,
    },
    /// The number is well formed and too large for its type.
    #[error("{what} does not fit into its type; use a smaller number")]
    Overflow {
        /// The number or the operation.
        what: String,
    },
    /// A divisor is zero.
    #[error("division by zero; check the divisor first")]
    DivisionByZero,
    /// A result needs more than 18 decimals and no rounding was named.
    #[error("the result of {operation} needs more than 18 decimals; name a rounding")]
    Inexact {
        /// The operation.
        operation: &'static str,
    },
    /// Two amounts of different assets were put together.
    #[error("{left} and {right} are different assets; convert one of them first")]
    AssetMismatch {
        /// The asset on the left.
        left: AssetCode,
        /// The asset on the right.
        right: AssetCode,
    },
    /// The circle does not know the asset.
    #[error("the asset {asset} is not known here; use one of: {known}")]
    UnknownAsset {
        /// The asset that was named.
        asset: AssetCode,
        /// The known assets, separated by comma and space.
        known: String,
    },
    /// The amount is finer than the smallest unit of its asset.
    #[error("`{text}` has more than the {decimals} decimals of {asset}; round it to {decimals}")]
    TooFine {
        /// The amount as it was written.
        text: String,
        /// Its asset.
        asset: AssetCode,
        /// The decimals of the asset.
        decimals: u8,
    },
    /// Lists, maps and scripts are nested deeper than [`super::MAX_DEPTH`].
    #[error("values are nested deeper than {max} levels; flatten them", max = super::MAX_DEPTH)]
    TooDeep,
}

impl ValueError {
    /// A stable short name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed_value",
            Self::Overflow { .. } => "overflow",
            Self::DivisionByZero => "division_by_zero",
            Self::Inexact { .. } => "inexact",
            Self::AssetMismatch { .. } => "asset_mismatch",
            Self::UnknownAsset { .. } => "unknown_asset",
            Self::TooFine { .. } => "too_fine",
            Self::TooDeep => "too_deep",
        }
    }

    /// What is wrong, and how to mend it, as two sentences without a full stop.
    pub fn reason_and_mend(&self) -> (String, String) {
        let text = self.to_string();
        match text.rsplit_once("; ") {
            Some((reason, mend)) => (reason.to_owned(), mend.to_owned()),
            None => (text, String::new()),
        }
    }

    pub(crate) fn malformed(expected: &'static str, text: &str, mend: impl Into<String>) -> Self {
        Self::Malformed {
            expected,
            text: shorten(text),
            mend: mend.into(),
        }
    }

    pub(crate) fn overflow(what: impl Into<String>) -> Self {
        Self::Overflow { what: what.into() }
    }
}

/// Keeps a quotation of foreign text on one readable line.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 64;
    let visible = |character: char| {
        if character.is_control() {
            '\u{fffd}'
        } else {
            character
        }
    };
    let mut shown: String = text.chars().take(SHOWN).map(visible).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
