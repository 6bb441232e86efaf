//! What a circle starts with.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::engine::Limits;
use threescript::value::{AssetCode, Assets};
use treasury_protocol::ethereum;

use crate::digest::{Hash, digest};
use crate::ids::{CircleId, Key};
use crate::member::Members;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// Everything that all members have to agree on before the first block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Genesis {
    /// The id that everything signed for this circle carries.
    pub circle: CircleId,
    /// For people.
    pub name: String,
    /// Milliseconds since 1970. No block is earlier.
    pub time_ms: u64,
    /// 9 to 99 guardians.
    pub members: Members,
    /// The assets the circle deals in.
    pub assets: BTreeMap<AssetCode, Asset>,
    /// The sources of the policies that are active from the first block.
    pub policies: Vec<String>,
    /// The bounds of every script run.
    pub limits: Limits,
    /// Which interpreter runs them, see [`threescript::engine::PROFILE`]. A node with another one does not start.
    pub interpreter: String,
}

/// One asset.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Asset {
    /// How many decimals one whole has in minor units, 0 to 9.
    pub decimals: u8,
    /// The chains on which it lives; none for what is only counted here.
    pub homes: Vec<Home>,
}

/// Where an asset lives.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Home {
    /// On Stellar.
    Stellar {
        /// The account that issues it; `None` for XLM.
        issuer: Option<Key>,
    },
    /// On an Ethereum chain.
    Ethereum {
        /// The chain.
        chain_id: u64,
        /// The token's contract; `None` for the chain's own coin.
        token: Option<ethereum::Address>,
        /// How many decimals one whole has there, at least as many as here.
        decimals: u8,
    },
}

/// What runs the policies, and within which bounds: in the state from the first block on, so that a proof against any
/// checkpoint shows it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Interpreter {
    /// Version, features and settings, see [`threescript::engine::PROFILE`].
    pub profile: String,
    /// The bounds of every script run.
    pub limits: Limits,
}

const INTERPRETER: Table<Interpreter> = Table::new(b"km", "the interpreter");

impl Interpreter {
    /// What the circle runs its policies with.
    pub fn of(rows: &(impl KeyValue + ?Sized)) -> Result<Self, StoreFault> {
        let missing = || StoreFault::Corrupt {
            what: "the interpreter",
            reason: "its row is missing".into(),
        };
        INTERPRETER.get(rows, ())?.ok_or_else(missing)
    }

    /// Writes it before the first block.
    pub(crate) fn put(&self, rows: &mut Overlay) {
        INTERPRETER.put(rows, (), self);
    }

    /// One hash of all of it, for people to compare.
    pub fn digest(&self) -> Hash {
        digest("guardian-circle/v1/interpreter", self)
    }
}

impl Genesis {
    /// What runs the policies, and within which bounds.
    pub fn interpreter(&self) -> Interpreter {
        Interpreter {
            profile: self.interpreter.clone(),
            limits: self.limits.clone(),
        }
    }

    /// The digest that members compare before they start.
    pub fn digest(&self) -> Hash {
        digest("guardian-circle/v1/genesis", self)
    }

    /// The decimals of all assets.
    pub fn decimals(&self) -> Result<Assets, threescript::value::ValueError> {
        Assets::new(
            self.assets
                .iter()
                .map(|(code, asset)| (code.clone(), asset.decimals))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::state::Memory;

    #[test]
    fn the_interpreter_is_a_row_of_the_state() {
        let interpreter = Interpreter {
            profile: "rhai 1.27.0".into(),
            limits: Limits::default(),
        };
        let mut rows = Overlay::new(Arc::new(Memory::new()));
        assert!(matches!(
            Interpreter::of(&rows),
            Err(StoreFault::Corrupt { .. })
        ));
        interpreter.put(&mut rows);
        assert_eq!(Interpreter::of(&rows).unwrap(), interpreter);
        expect_test::expect!["01000000020000006b6d014b0000000b0000007268616920312e32372e30404b4c00000000001800000030000000800000000040000010270000204e0000000000040000000050c3000010270000102700000000010080000000"].assert_eq(&hex::encode(crate::digest::encode(&rows.changes())));
        expect_test::expect!["614bb0f0fb38f8bc12efa5c7801367661590e6d081f79b2f2351e534362f9c0d"]
            .assert_eq(&hex::encode(interpreter.digest()));
    }
}
