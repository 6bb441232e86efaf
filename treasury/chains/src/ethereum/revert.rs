//! Why a contract refuses, in words.

use std::fmt;

use alloy::primitives::Bytes;
use alloy::rpc::json_rpc::ErrorPayload;
use alloy::sol_types::{Panic, Revert as Text, SolError};

/// A refusal of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// What the contract said: a text such as `GS026`, or the bytes in hexadecimal.
    pub reason: String,
}

impl Revert {
    pub(super) fn of(error: &ErrorPayload) -> Self {
        match error.as_revert_data() {
            Some(data) => Self::from_data(&data),
            None => Self {
                reason: error.message.to_string(),
            },
        }
    }

    fn from_data(data: &Bytes) -> Self {
        let reason = if data.is_empty() {
            String::new()
        } else if let Ok(text) = Text::abi_decode(data) {
            text.reason
        } else if let Ok(panic) = Panic::abi_decode(data) {
            panic.to_string()
        } else {
            data.to_string()
        };
        Self { reason }
    }

    /// What to do about it, as far as it is known. Codes are those of Safe 1.5.0.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self.reason.as_str() {
            "" => {
                "a call in it fails without a reason: the Safe holds too little, or the payee takes no payments"
            }
            "GS000" => {
                "the Safe could not finish its setup; check the contracts that it is made of"
            }
            "GS001" => "the Safe has no owners yet; deploy it",
            "GS010" => "the gas is not enough; send it with more",
            "GS013" => {
                "a call in it fails: the Safe holds too little, or the payee takes no payments"
            }
            "GS020" => "fewer owners signed than the Safe requires; collect the others",
            "GS021" | "GS022" | "GS023" | "GS024" => {
                "a signature of a contract does not hold; owners here are keys"
            }
            "GS025" => "an owner has not approved this hash; collect signatures instead",
            "GS026" => {
                "a signature is not an owner's over this very transaction with the Safe's present nonce, or they are not sorted by owner"
            }
            "GS030" => "who sent this is not an owner",
            "GS031" => "only the Safe itself may do this; let a Safe transaction call it",
            "GS200" => "the Safe is set up already",
            "GS201" => "the threshold would be above the number of owners",
            "GS202" => "the threshold would be zero",
            "GS203" => "an owner's address is none that a Safe takes",
            "GS204" => "who would become an owner is one already",
            "GS205" => "the owners are linked in another order by now; plan the change again",
            "Create2 call failed" => "there is a contract at the Safe's address already",
            "Singleton contract not deployed" => {
                "the Safe's code is not on this chain; correct the address of the singleton"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reason.as_str(), self.advice()) {
            ("", Some(advice)) => formatter.write_str(advice),
            (reason, Some(advice)) => write!(formatter, "{reason}: {advice}"),
            (reason, None) => write!(formatter, "'{reason}'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::hex;

    use super::*;

    #[test]
    fn a_refusal_is_told_in_words() {
        let text = |code: &str| {
            let mut data = hex!("08c379a0").to_vec();
            let words = [vec![0x20], vec![5], code.as_bytes().to_vec()];
            let [offset, length, mut text] = words;
            for number in [offset, length] {
                data.resize(data.len() + 31, 0);
                data.extend(number);
            }
            text.resize(32, 0);
            data.extend(text);
            data
        };
        for (data, expected) in [
            (text("GS013"), "GS013: a call in it fails"),
            (text("GS020"), "GS020: fewer owners signed"),
            (text("GS025"), "GS025: an owner has not approved"),
            (text("GS026"), "GS026: a signature is not an owner's"),
            (text("GS999"), "'GS999'"),
            (vec![], "a call in it fails without a reason"),
            (vec![1, 2, 3], "'0x010203'"),
        ] {
            let told = Revert::from_data(&data.into()).to_string();
            assert!(told.starts_with(expected), "{told}");
        }
        // Division by zero, as a compiler says it.
        let mut panic = hex!("4e487b71").to_vec();
        panic.resize(4 + 31, 0);
        panic.push(0x12);
        let told = Revert::from_data(&panic.into()).to_string();
        assert!(told.contains("division"), "{told}");
    }
}
