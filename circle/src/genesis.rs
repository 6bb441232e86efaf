//! What a circle starts with.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use threescript::engine::Limits;
use threescript::value::{AssetCode, Assets};

use crate::digest::{Hash, digest};
use crate::ids::{CircleId, Key};
use crate::member::Members;

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
    /// Who issues it on Stellar; `None` if it does not live there.
    pub stellar_issuer: Option<Key>,
}

impl Genesis {
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
