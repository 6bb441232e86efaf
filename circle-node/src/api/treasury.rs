//! What the API says of wallets and payouts.

use serde::{Deserialize, Serialize};

use crate::money_diff::{Decoded, Unsigned};

/// `GET /v1/payouts`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payouts {
    /// All, by number.
    pub payouts: Vec<Payout>,
    /// The wallets.
    pub wallets: Vec<Wallet>,
}

/// A wallet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wallet {
    /// The name.
    pub name: String,
    /// The kind of its chain.
    pub chain: String,
    /// Which network of that kind: the passphrase on Stellar, the chain id on Ethereum.
    pub network: String,
    /// Its address there, once it has one.
    pub account: Option<String>,
    /// Who signs for it, in words.
    pub signers: String,
    /// What is being changed about that, in words.
    pub change: Option<String>,
    /// Where the ceremony of its key, or of its next one, is, if the guardians share one.
    pub ceremony: Option<String>,
    /// Whom the ceremony, or the change of its owners, waits for.
    pub waiting_for: Vec<String>,
    /// Who owns it, where each guardian does with a key of its own, once all have named theirs. Who left is not shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
    /// How many of them have to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners_needed: Option<u32>,
    /// In what the account that was named for it differs from what its owners can use alone, as the node that is asked sees it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// The sequence number that its next payout uses, once the circle knows it.
    pub next_sequence: Option<i64>,
    /// What it holds as far as the circle knows, and what of it no payout will take.
    pub holdings: Vec<Holding>,
    /// What its transactions cost so far, in minor units of the chain's own coin.
    pub fees: i64,
    /// From which amounts on people check a payout.
    pub check_from: Vec<String>,
    /// How many guardians have to confirm such a payout.
    pub confirmations: u32,
    /// Why it pays nothing, if so.
    pub paused: Option<String>,
}

/// A guardian's own key for a wallet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The guardian.
    pub guardian: String,
    /// The address of its key there.
    pub address: String,
}

/// What a wallet holds of one asset, in whole units.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Holding {
    /// The asset.
    pub asset: String,
    /// What is on the chain as far as the circle knows.
    pub amount: String,
    /// What open payouts of the wallet take of it.
    pub going_out: String,
}

/// A payout.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payout {
    /// Its number.
    pub id: u64,
    /// `planned`, `checking`, `signing`, `signed`, `replaced`, `settled`, `failed`, `lost` or `cancelled`.
    pub state: String,
    /// `pay`, `trust`, `reclaim`, `cancel`, `signers` or `retire`.
    pub purpose: String,
    /// The address that pays.
    pub wallet: String,
    /// The name of the wallet.
    pub wallet_name: String,
    /// The kind of its chain.
    pub chain: String,
    /// Which network of that kind: the passphrase on Stellar, the chain id on Ethereum.
    #[serde(rename = "network_passphrase")]
    pub network: String,
    /// The transaction's hash on that network.
    pub tx_hash: String,
    /// The sequence number that it uses up.
    pub sequence: i64,
    /// Block time of the plan, Unix seconds.
    pub planned_s: u64,
    /// The last second in which the chain may take it.
    pub expires_s: Option<u64>,
    /// The signed envelope, base64, on Stellar.
    pub envelope_xdr: Option<String>,
    /// The data of the call that anybody may send to the Safe, hexadecimal, on Ethereum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// The confirmations of people, if it needs any.
    pub check: Option<Check>,
    /// Guardians whose signatures or shares are in.
    pub signed_by: Vec<String>,
    /// Whom it waits for.
    pub waiting_for: Vec<String>,
    /// The change of signers that it is planned behind and waits for.
    pub behind: Option<u64>,
    /// What guardians reported of it, while no quorum agrees.
    pub reported: Vec<Report>,
    /// What its chain said when the node that is asked sent it last, if it did not take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The ledger or block that took it.
    pub ledger: Option<u64>,
    /// The payout in whose place it stands.
    pub replaces: Option<u64>,
    /// The payout that stands in its place.
    pub replaced_by: Option<u64>,
    /// Who gets what.
    pub lines: Vec<Line>,
}

/// People's confirmation of a payout.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// How many have to confirm.
    pub needed: u32,
    /// Guardians whose people did.
    pub confirmed_by: Vec<String>,
}

/// What one guardian reported of a payout's transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The guardian.
    pub guardian: String,
    /// What its node saw, for people.
    pub saw: String,
}

/// A line of a payout.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The account in the circle.
    pub account: String,
    /// Its address on the chain.
    pub to: String,
    /// The asset.
    pub asset: String,
    /// How much, in whole units.
    pub amount: String,
    /// Whether the payee has to claim it, because it could not receive the asset.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claimable: bool,
}

/// `GET /v1/ceremonies`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ceremonies {
    /// All key ceremonies, by number.
    pub ceremonies: Vec<Ceremony>,
}

/// A key ceremony.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ceremony {
    /// Its number, from 1.
    pub number: u64,
    /// Its id, which key shares are bound to.
    pub id: String,
    /// `commitments`, `encrypted shares`, `confirmations`, `done` or `failed`.
    pub phase: String,
    /// The wallets that its key is for.
    pub wallets: Vec<String>,
    /// How many members have to sign.
    pub threshold: u16,
    /// The group's public key, once every member confirmed it.
    pub public: Option<String>,
    /// Its members, in the order of their numbers.
    pub members: Vec<CeremonyMember>,
    /// Whom it waits for.
    pub waiting_for: Vec<String>,
    /// Why it was given up, which is nobody's fault.
    pub given_up: Option<String>,
    /// Who made it fail.
    pub blamed: Option<Blamed>,
}

/// A member of a key ceremony.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CeremonyMember {
    /// The guardian.
    pub guardian: String,
    /// Its key.
    pub key: String,
    /// The public counterpart of its secret share, once the key is made.
    pub verifying_share: Option<String>,
}

/// Who made a key ceremony fail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Blamed {
    /// The guardian.
    pub guardian: String,
    /// What it did.
    pub charge: String,
    /// Who brought it to light.
    pub complainer: String,
    /// SHA-256 of the complaint in the ordered log, which anybody can judge again.
    pub complaint: String,
}

/// `GET /v1/payouts/{id}`: one payout, and what the exact bytes that are signed do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PayoutDiff {
    /// The payout.
    pub payout: Payout,
    /// The bytes, without signatures.
    pub transaction: Unsigned,
    /// What this node read back from it.
    pub decoded: Decoded,
    /// Where the bytes do not do what the circle planned; nothing if all is well.
    pub mismatches: Vec<String>,
    /// Addresses that the circle knows: (address, account or guardian).
    pub names: Vec<(String, String)>,
    /// What the wallet holds before and after it, as long as it is open.
    pub holdings: Vec<Change>,
    /// The account with which the person behind this node's guardian confirms.
    pub confirmer: Option<String>,
}

/// What a payout makes of a holding, in whole units.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// The asset.
    pub asset: String,
    /// What the wallet holds as far as the circle knows.
    pub before: String,
    /// What it holds after this payout alone.
    pub after: String,
}

/// A money chain, as a node sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChainLink {
    /// Its kind.
    pub kind: String,
    /// Which network of that kind: the passphrase on Stellar.
    pub network: String,
    /// Whether circle.toml names servers of it. If not, this node sees nothing of it, and others report.
    pub configured: bool,
    /// Whether the last look at it was answered.
    pub reachable: bool,
    /// Why it was not.
    pub error: Option<String>,
    /// Since when, Unix seconds.
    pub since_s: Option<u64>,
    /// Its servers.
    pub endpoints: Vec<Endpoint>,
    /// The circle's wallets there.
    pub wallets: Vec<String>,
    /// The address that pays for what this node sends there, where that is not the wallet itself: it needs some of the chain's coin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pays_gas: Option<String>,
}

/// A server of a money chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it is.
    pub name: String,
    /// Whether it answered the last question.
    pub reachable: bool,
    /// Why it did not.
    pub error: Option<String>,
    /// Since when, Unix seconds.
    pub since_s: Option<u64>,
    /// The last ledger that it showed.
    pub ledger: Option<u64>,
    /// How many ledgers the farthest of its peers is ahead.
    pub behind: Option<u64>,
    /// How old its last ledger was, in seconds.
    pub age_s: Option<u64>,
    /// How often most of its peers proved it wrong.
    pub contradictions: u64,
}
