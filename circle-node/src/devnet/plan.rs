//! What a development circle is asked to do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use circle::member::{MEMBERS_MAX, MEMBERS_MIN, quorum};
use threescript::value::Amount;
use treasury_protocol::stellar::multisig::MAX_OWNERS;

use super::homes;
use crate::problem::Problem;

/// Until when a development circle is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    /// Every payout is in the ledger, and the circle knows.
    Settled,
    /// Every payout is signed by the group.
    Signed,
    /// Payouts wait for the stopped guardians.
    Waiting,
    /// The divergence is found.
    Diverged,
}

/// Who signs for the wallet of a development circle on Stellar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Signers {
    /// One key that the guardians share.
    #[default]
    Group,
    /// Each guardian with a key of its own; for 20 or fewer.
    Multisig,
}

/// What makes the Ethereum chain of a development circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EthereumNode {
    /// A real node for development, which npm installs.
    Anvil,
    /// Such a node that runs already, and has nothing on its chain yet: its URL.
    At(String),
}

impl FromStr for EthereumNode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "anvil" => Ok(Self::Anvil),
            url if url.starts_with("http://") => Ok(Self::At(url.to_owned())),
            _ => Err("write anvil, or where one listens that was just started, as in http://127.0.0.1:8545".into()),
        }
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// 9 to 99.
    pub guardians: usize,
    /// A batch that `circle iou make` made; without one, the shipped sample day.
    pub ious: Option<PathBuf>,
    /// The directory with the keys of its farmers and consumers.
    pub keys: Option<PathBuf>,
    /// Escrow by consumer that is not just what the consumer owes.
    pub escrow: BTreeMap<String, Amount>,
    /// Where the homes are.
    pub directory: PathBuf,
    /// A process for each node.
    pub processes: bool,
    /// Who signs for the wallet on Stellar.
    pub signers: Signers,
    /// Pay from a Safe on an Ethereum chain instead.
    pub ethereum: Option<EthereumNode>,
    /// Guardians whose nodes are stopped once the key exists.
    pub stop: Vec<String>,
    /// A guardian whose node computes something else.
    pub diverge: Option<String>,
    /// From which action on.
    pub fault: String,
    /// Until when.
    pub until: Until,
    /// How long that may take.
    pub timeout: Duration,
}

impl Plan {
    /// Refuses what cannot be done, before anything is started.
    pub fn check(&self) -> Result<(), Problem> {
        if !(MEMBERS_MIN..=MEMBERS_MAX).contains(&self.guardians) {
            let reason = format!(
                "a circle has {MEMBERS_MIN} to {MEMBERS_MAX} guardians, not {}",
                self.guardians
            );
            return Err(Problem::new("members.count", reason, "change --guardians"));
        }
        if self.signers == Signers::Multisig && self.guardians > MAX_OWNERS {
            let reason = format!(
                "an account on Stellar has at most {MAX_OWNERS} owners, not {}",
                self.guardians
            );
            let mend = "change --guardians, or let them share a key with --signers group";
            return Err(Problem::new("devnet.signers", reason, mend));
        }
        let known =
            |name: &String| (1..=self.guardians).any(|number| homes::guardian(number) == *name);
        if let Some(stranger) = self
            .stop
            .iter()
            .chain(&self.diverge)
            .find(|name| !known(name))
        {
            let reason = format!("there is no guardian {stranger}");
            return Err(Problem::new(
                "devnet.guardian",
                reason,
                format!("the guardians are g1 to g{}", self.guardians),
            ));
        }
        let left = self.guardians - self.stop.len();
        if left < quorum(self.guardians) {
            let reason = format!(
                "with {} nodes stopped, {left} of {} are left, which is not more than two thirds",
                self.stop.len(),
                self.guardians
            );
            return Err(Problem::new("devnet.stop", reason, "stop fewer"));
        }
        match self.until {
            Until::Waiting if self.stop.is_empty() => Err(Problem::new(
                "devnet.until",
                "nobody is stopped to wait for",
                "name guardians with --stop",
            )),
            Until::Diverged if self.diverge.is_none() => Err(Problem::new(
                "devnet.until",
                "no node is to diverge",
                "name one with --diverge",
            )),
            _ => Ok(()),
        }
    }
}
