//! IOUs: what a consumer owes a farmer for capacity used in a window of time, signed by both.

mod book;
mod claim;
mod collect;
#[cfg(test)]
mod collect_tests;
mod open;
#[cfg(test)]
mod tests;
mod verify;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_zebra::SigningKey;
use threescript::value::{AssetCode, Decimal};

use crate::digest::{Hash, digest};
use crate::ids::{CircleId, Key, sign};

pub use book::{
    Admission, Debtor, Limits, Owed, Paid, State, Unpaid, admit, consumers, debtors, ids, owed,
    owed_page, pay,
};
pub use claim::{Claim, Oldest, cancel, find, hold, oldest, oldest_of, release, unpaid};
pub use collect::{COLLECT_MAX, Collection, LOOK_COST, Line, Short, collect};
pub use verify::verify_signatures;

/// The most IOUs in one batch.
pub const BATCH_IOUS_MAX: usize = 2048;

/// What both parties sign.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Iou {
    /// The circle that may collect it.
    pub circle: CircleId,
    /// Who offered the capacity and is paid.
    pub farmer: Key,
    /// Who used it and pays.
    pub consumer: Key,
    /// The contract or service, 1 to 64 bytes.
    pub reference: String,
    /// Start of the window, Unix seconds, included.
    pub from: i64,
    /// End of the window, Unix seconds, excluded.
    pub to: i64,
    /// What was used, by unit, sorted by unit.
    pub usage: Vec<(String, Decimal)>,
    /// How the amount follows from the usage.
    pub price: Price,
    /// The asset of `amount`.
    pub asset: AssetCode,
    /// In minor units of `asset`.
    pub amount: i64,
    /// Strictly rising per pair of farmer and consumer.
    pub sequence: u64,
}

/// The price policy behind an amount.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Price {
    /// The hash of the policy that computed the amount.
    pub policy: Hash,
    /// The price of one TFT, in mUSD.
    pub tft_musd: u64,
}

impl Iou {
    /// The id, and what both parties sign.
    pub fn id(&self) -> Hash {
        digest("guardian-circle/v1/iou", self)
    }

    /// Signs as both parties.
    pub fn sign(self, farmer: &SigningKey, consumer: &SigningKey) -> SignedIou {
        let id = self.id();
        SignedIou {
            farmer_signature: sign(farmer, &id),
            consumer_signature: sign(consumer, &id),
            iou: self,
        }
    }
}

/// An IOU with both signatures over [`Iou::id`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedIou {
    /// What was signed.
    pub iou: Iou,
    /// By [`Iou::farmer`].
    pub farmer_signature: [u8; 64],
    /// By [`Iou::consumer`].
    pub consumer_signature: [u8; 64],
}
