//! What the API says, in JSON. Hashes and keys are hexadecimal, amounts decimal strings of whole units.

pub use super::treasury::{
    Blamed, Ceremonies, Ceremony, CeremonyMember, ChainLink, Change, Check, Endpoint, Holding,
    Line, Payout, PayoutDiff, Payouts, Report, Wallet,
};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::declarations::Declaration;

/// `GET /v1/status`: how a node and its circle stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The circle's id.
    pub circle: String,
    /// Its name.
    pub name: String,
    /// Digest of its genesis.
    pub genesis: String,
    /// The guardian whose node this is.
    pub guardian: String,
    /// The last executed height.
    pub height: u64,
    /// When that block was made, milliseconds since 1970.
    pub block_time_ms: u64,
    /// How long ago this node decided its last block.
    pub last_block_age_ms: u64,
    /// This node's conclusion at `height`.
    pub checkpoint: Checkpoint,
    /// The newest height that has to be attested.
    pub to_attest: u64,
    /// More than two thirds of the guardians attested up to here.
    pub certified_height: u64,
    /// All active guardians did.
    pub unanimous_height: u64,
    /// The height at which reads are answered; none if nothing certified is at hand.
    pub served_height: Option<u64>,
    /// Everybody the circle waits for now, by name.
    pub waiting_for: Vec<String>,
    /// The same by what waits.
    pub waiting: Vec<Waiting>,
    /// Guardians out of the active set: by a decision of the circle, or because they are new and did not attest yet.
    pub benched: Vec<String>,
    /// Since when these are the guardians, and how they will change.
    pub membership: Membership,
    /// `agrees`, `contradicted`, or `minority` if this node itself went astray.
    pub agreement: String,
    /// Who concluded otherwise than this node.
    pub diverged: Vec<Diverged>,
    /// How every guardian stands.
    pub guardians: Vec<Guardian>,
    /// Links to others that are up.
    pub peers_connected: usize,
    /// What waits to be ordered.
    pub mempool: Mempool,
    /// Payouts that did not end.
    pub payouts_waiting: Vec<PayoutWaiting>,
    /// The money chains that this node sees, and those of the circle that it does not.
    pub chains: Vec<ChainLink>,
    /// The active policies.
    pub policies: Vec<Policy>,
    /// What runs them.
    pub interpreter: Interpreter,
    /// The bounds of transactions, in bytes and actions.
    pub transaction_limits: BTreeMap<String, u64>,
    /// Why the node stopped executing, if it did.
    pub failure: Option<String>,
}

/// Since when the guardians are who they are, and what is decided to change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// How many changes there were.
    pub epoch: u64,
    /// The first height of these guardians.
    pub from_height: u64,
    /// How many of them are more than two thirds.
    pub quorum: usize,
    /// What the guardian of this node is: `guardian`, `newcomer` (not yet) or `removed` (no longer).
    pub own: String,
    /// What is decided and not in force, in the order in which it will be.
    pub pending: Vec<PendingChange>,
}

/// One decided change of the guardians.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingChange {
    /// `admit` or `remove`.
    pub change: String,
    /// Whom.
    pub guardian: String,
    /// The height of the decision, while it waits to be certified and confirmed.
    pub decided_height: Option<u64>,
    /// The height from which it holds, once it is confirmed.
    pub effective_height: Option<u64>,
    /// Whose nodes did not confirm it yet; enough do.
    pub waiting_for: Vec<String>,
}

/// One thing that waits, and for whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// What waits.
    pub what: String,
    /// For whom, by name.
    pub waiting_for: Vec<String>,
}

/// A node's conclusion at a height.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The height.
    pub height: u64,
    /// What guardians sign.
    pub digest: String,
    /// The ordered block.
    pub block: String,
    /// The checkpoint below.
    pub previous: String,
    /// The root of the state after the block.
    pub state_root: String,
    /// The root over all outcomes in the block.
    pub outcome_root: String,
    /// Whether it has to be attested; blocks of attestations need none.
    pub substantial: bool,
}

/// How one guardian stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guardian {
    /// The name.
    pub name: String,
    /// The key.
    pub key: String,
    /// Where its node is reached, if the circle was told so with its admission.
    pub addresses: Vec<String>,
    /// Whether this node has a link to it; none for the node itself.
    pub connected: Option<bool>,
    /// The height that it attested last.
    pub attested_height: u64,
    /// Up to where it agrees with this node.
    pub agreed_height: u64,
    /// Whether it is out of the active set.
    pub benched: bool,
}

/// A divergence: what differs first, and who against whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Diverged {
    /// The first height at which conclusions differ, or, while `found` is false, the lowest attested one.
    pub height: u64,
    /// Whether a testimony showed where it began.
    pub found: bool,
    /// The transaction or schedule whose outcome differs first.
    pub cause: Option<Cause>,
    /// Who agrees with this node about that height, by name.
    pub agree: Vec<String>,
    /// Who does not.
    pub differ: Vec<String>,
    /// This node's digests.
    pub ours: Digests,
    /// Those of the others.
    pub theirs: Digests,
}

/// Digests that differ.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Digests {
    /// Of the outcome of the cause.
    pub outcome: Option<String>,
    /// Of the state.
    pub state_root: Option<String>,
    /// Of the checkpoint.
    pub checkpoint: Option<String>,
}

/// What ran where conclusions first differ.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// Its place in the block, from 0.
    pub index: u32,
    /// The id of a transaction.
    pub transaction: Option<String>,
    /// `actor.action` of each of its actions, or the schedule.
    pub actions: Vec<String>,
    /// Who sent it.
    pub sender: Option<String>,
}

/// What waits to be ordered at this node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mempool {
    /// How many transactions.
    pub transactions: usize,
    /// How many bytes.
    pub bytes: usize,
}

/// A payout that did not end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PayoutWaiting {
    /// Its number.
    pub payout: u64,
    /// `planned`, `checking`, `signing`, `signed` or `replaced`.
    pub state: String,
    /// What it waits with, in words.
    pub with: String,
    /// For whom, by name.
    pub waiting_for: Vec<String>,
}

/// An active policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// The name.
    pub name: String,
    /// Its version, as its file says.
    pub version: u32,
    /// The hash.
    pub hash: String,
    /// The first height at which it ran under this name.
    pub since: u64,
    /// Its params, as they are now.
    pub params: Vec<Param>,
}

/// A param of an active policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Param {
    /// The name.
    pub name: String,
    /// What it is now.
    pub value: Value,
    /// Whether the circle decided so; otherwise it is what the policy says.
    pub decided: bool,
}

/// What runs the policies, and within which bounds: rows of the state, the same on every node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interpreter {
    /// Version, features and settings.
    pub profile: String,
    /// The bounds of every run and of every policy file.
    pub limits: BTreeMap<String, u64>,
    /// One hash of profile and limits, to be compared.
    pub hash: String,
}

/// `GET /v1/policies`: what is installed, and what of it is active.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policies {
    /// The active ones, by name.
    pub active: Vec<Policy>,
    /// Decided activations that wait for their height, or for the certificate of the decision.
    pub pending: Vec<PendingPolicy>,
    /// All that are installed, by name, version and hash.
    pub installed: Vec<InstalledPolicy>,
}

/// A decided activation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingPolicy {
    /// The name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The hash.
    pub hash: String,
    /// Not before this height.
    pub height: u64,
    /// The height of the decision, which has to be certified first.
    pub decided: u64,
}

/// An installed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstalledPolicy {
    /// The name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The hash.
    pub hash: String,
    /// What it is, in its own words.
    pub doc: String,
    /// Bytes of its source.
    pub bytes: usize,
}

/// `GET /v1/policies/{hash}`: one installed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicySource {
    /// What it is.
    #[serde(flatten)]
    pub policy: InstalledPolicy,
    /// Since which height it is active, if it is.
    pub active_since: Option<u64>,
    /// The file.
    pub source: String,
    /// Its params as they are now, while it is active.
    pub params: Vec<Param>,
    /// What it declares: actions and questions.
    pub signatures: Vec<Declaration>,
}

/// An ordered block, as it was executed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Block {
    /// From 1.
    pub height: u64,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// What the members agreed on.
    pub hash: String,
    /// Signed transactions, base64.
    pub transactions: Vec<String>,
}

/// `GET /v1/blocks/{height}?count=…`: ordered blocks in a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Blocks {
    /// From the one that was asked for; fewer than asked for where they are large, or not there yet.
    pub blocks: Vec<Block>,
    /// The last height that this node executed.
    pub head: u64,
}

/// `GET /v1/transactions/{id}`: where a transaction is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// Its id.
    pub id: String,
    /// `waiting` (not seen in a block), `executed`, or `certified`.
    pub state: String,
    /// The height of its block.
    pub height: Option<u64>,
    /// What became of it.
    pub receipt: Option<Receipt>,
    /// Whom its certification waits for.
    pub waiting_for: Vec<String>,
}

/// What became of a transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// `ok`, or why it was refused.
    pub code: String,
    /// For people.
    pub message: String,
    /// `file:line:column` in a policy.
    pub place: Option<String>,
    /// `actor.action` of each action.
    pub actions: Vec<String>,
    /// Who sent it.
    pub sender: Option<String>,
    /// Hashes of the policies that ran.
    pub policies: Vec<String>,
    /// What was made known.
    pub events: Vec<Event>,
    /// What the circle wants done in the world.
    pub effects: Vec<Event>,
}

/// An event or an effect.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// `actor.name`.
    pub name: String,
    /// What it says.
    pub data: Value,
}

/// `POST /v1/transactions`: accepted here, not yet ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submitted {
    /// The id under which to ask for it.
    pub id: String,
}

/// `GET /v1/accounts/{name}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The name.
    pub name: String,
    /// The key.
    pub key: String,
    /// The roles.
    pub roles: Vec<String>,
    /// A nonce for its next transaction. This node hands each out once a minute.
    pub next_nonce: u64,
    /// The height of the state that was asked.
    pub height: u64,
}

/// An answer from certified state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct At<T> {
    /// The height of the state that was asked.
    pub height: u64,
    /// Up to where more than two thirds of the guardians agree.
    pub certified_height: u64,
    /// The answer.
    #[serde(flatten)]
    pub answer: T,
}

/// `GET /v1/owed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OwedList {
    /// By consumer and farmer.
    pub owed: Vec<Owed>,
}

/// What stays owed between two.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owed {
    /// Who owes.
    pub consumer: String,
    /// To whom.
    pub farmer: String,
    /// In which asset.
    pub asset: String,
    /// How much.
    pub amount: String,
}

/// `GET /v1/certificates/{height}`: enough signatures over one checkpoint at or above a height.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Certificate {
    /// The checkpoint that was signed.
    pub checkpoint: Checkpoint,
    /// Who signed, and the signatures over its digest.
    pub signatures: Vec<CertificateSignature>,
    /// How many are needed.
    pub quorum: usize,
}

/// One signature of a certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateSignature {
    /// The guardian.
    pub guardian: String,
    /// Its key.
    pub key: String,
    /// Over the checkpoint's digest.
    pub signature: String,
}
