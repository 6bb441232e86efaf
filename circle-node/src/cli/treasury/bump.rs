//! `circle treasury bump`: another account pays more for a payout that its network does not take at the fee that was planned.

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use serde_json::json;
use treasury_chains::stellar::{Horizon, Outcome, Sought, Submission};
use treasury_protocol::stellar::{
    Batch, Envelope, FeeBump, StellarError, address, fee_bump, least_fee_stroops,
};

use super::horizon::{self, Servers};
use super::hot_key::HotKey;
use super::request;
use crate::api::treasury::{Payout, PayoutDiff};
use crate::api::types::At;
use crate::api::values::fixed;
use crate::cli::output;
use crate::cli::target::{Target, block_on};
use crate::problem::Problem;

/// What a network says of a transaction that offers less than it asks.
pub const TOO_LITTLE: &str = "tx_insufficient_fee";
/// The most that is offered for an operation, in stroops: a tenth of an XLM. Who types more has most likely mistyped.
const CEILING_PER_OPERATION_STROOPS: i64 = 1_000_000;
/// A network that holds a transaction back takes another offer for it only if that is ten times as high.
const OUTBIDDING: i64 = 10;
/// So many times what is charged now is offered, because more is asked by the time it arrives.
const HEADROOM: i64 = 2;

/// Let another account pay a higher fee for a signed payout on Stellar, which the network refuses at the fee that was planned.
///
/// The payout stays as it is: its bytes, its signatures and its hash, and nobody signs anew. The wallet pays nothing. Anybody with
/// some XLM can do this, any number of times; it takes effect once.
///
///   circle treasury bump 7 --key hot.key
///   circle treasury bump 7 --key hot.key --max-fee 50000 --print
///
/// What is offered is the most that is paid for the whole transaction; the network takes what it charges everybody. Fees are counted
/// in stroops: 10,000,000 stroops are 1 XLM.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The number of the payout.
    pub payout: u64,
    #[command(flatten)]
    pub key: HotKey,
    /// The most that is paid for the whole, in stroops. Without: twice what the network charges now, and no less than what outbids
    /// the payout's own offer. At most 1,000,000 for each operation and for the bump itself.
    #[arg(long, value_name = "STROOPS")]
    pub max_fee: Option<i64>,
    /// Print the envelope instead of sending it; any Horizon takes it. Nothing is asked of the network then.
    #[arg(long, requires = "max_fee")]
    pub print: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub servers: Servers,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document instead of text for people.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    block_on(async {
        let client = args.target.client()?;
        let path = format!("/v1/payouts/{}", args.payout);
        let found: At<PayoutDiff> = client.get(&path).await?;
        let signed = Signed::read(found.answer.payout)?;
        let key = args.key.read()?;
        if args.print {
            let offer = signed.offered(args.max_fee, None)?;
            let bump = signed.bump(&key, offer)?;
            return print(&args, &signed, &bump, &key);
        }
        let horizon = args.servers.of(&args.target, &signed.payout.network)?;
        signed.is_waited_for(&horizon).await?;
        let fees = horizon.fee_stats().await.map_err(horizon::problem)?;
        let charged_stroops = i64::from(fees.charged_p95_stroops);
        let offer = signed.offered(args.max_fee, Some(charged_stroops))?;
        let bump = signed.bump(&key, offer)?;
        let payer = key_of(&key);
        let held = horizon::held_stroops(&horizon, &payer).await?;
        if held < offer {
            let reason = format!(
                "{} holds {}, and {} are offered",
                address(&payer),
                xlm(held),
                xlm(offer)
            );
            let mend = "send it some XLM, or offer less with --max-fee";
            return Err(Problem::new("bump.unfunded", reason, mend));
        }
        let text = signed.screen(&bump, held, charged_stroops);
        match args.json {
            true => output::tell(text),
            false => output::print(text),
        }
        request::confirm(args.yes, "Pay this?")?;
        send(&args, &signed, &bump, &key, &horizon).await
    })
}

/// A payout that waits for its network.
struct Signed {
    payout: Payout,
    envelope: String,
    batch: Batch,
}

impl Signed {
    fn read(payout: Payout) -> Result<Self, Problem> {
        let id = payout.id;
        if payout.chain != "stellar" {
            let reason = format!(
                "payout {id} is on {}, where others pay for it",
                payout.chain
            );
            let mend = "`circle status` shows who pays for what a node sends there";
            return Err(Problem::new("bump.chain", reason, mend));
        }
        let envelope = match (&*payout.state, &payout.envelope_xdr) {
            ("signed", Some(envelope)) => envelope.clone(),
            _ => return Err(unsigned(&payout)),
        };
        let strange = |reason: String| {
            let reason = format!("payout {id} is not what its envelope says: {reason}");
            Problem::new("bump.envelope", reason, "ask another node with --node")
        };
        // The node is believed as far as the bytes bear it out.
        let unread = |error: StellarError| strange(error.to_string());
        let batch = Envelope::parse(&envelope).map_err(unread)?.batch;
        let hash = hex::encode(batch.hash(&payout.network).map_err(unread)?);
        if hash != payout.tx_hash {
            return Err(strange(format!("its hash is {hash}")));
        }
        Ok(Self {
            payout,
            envelope,
            batch,
        })
    }

    /// Operations that are paid for: those of the payout, and one for the bump itself.
    fn operations(&self) -> i64 {
        self.batch.operations.len() as i64 + 1
    }

    /// What is offered for the whole, in stroops.
    fn offered(
        &self,
        wanted_stroops: Option<i64>,
        charged_stroops: Option<i64>,
    ) -> Result<i64, Problem> {
        let ceiling = CEILING_PER_OPERATION_STROOPS * self.operations();
        let least = least_fee_stroops(&self.batch);
        let charged = charged_stroops.unwrap_or(0).saturating_mul(HEADROOM);
        let usual = (charged.saturating_mul(self.operations())).max(least * OUTBIDDING);
        let offer = wanted_stroops.unwrap_or(usual);
        if offer > ceiling {
            let reason = format!(
                "{} are more than the {} that this program offers at most for {} operations",
                xlm(offer),
                xlm(ceiling),
                self.operations()
            );
            let mend = "offer less with --max-fee, or wait until the network asks for less";
            return Err(Problem::new("bump.fee", reason, mend));
        }
        if offer < least {
            let reason = format!("{} are too little for this payout", xlm(offer));
            let mend = format!("offer {least} stroops or more with --max-fee");
            return Err(Problem::new("bump.fee", reason, mend));
        }
        Ok(offer)
    }

    fn bump(&self, key: &SigningKey, offer_stroops: i64) -> Result<FeeBump, Problem> {
        let network = &self.payout.network;
        fee_bump(&self.envelope, network, key_of(key), offer_stroops)
            .map_err(|error| Problem::of(error.code(), error))
    }

    /// Whether the network can still take it, and has not.
    async fn is_waited_for(&self, horizon: &Horizon) -> Result<(), Problem> {
        let (id, hash) = (self.payout.id, &self.payout.tx_hash);
        let sought = Sought {
            hash: self
                .batch
                .hash(&self.payout.network)
                .map_err(|error| Problem::of(error.code(), error))?,
            source: self.batch.source,
            sequence: self.batch.sequence,
            max_time_s: self.batch.time_bounds.max,
        };
        let waits = "nothing has to be paid: the guardians see it by themselves";
        match horizon.outcome(&sought).await.map_err(horizon::problem)? {
            Outcome::Pending => Ok(()),
            Outcome::Included { ledger, .. } => {
                let reason =
                    format!("payout {id} is in ledger {ledger} already, transaction {hash}");
                Err(Problem::new("bump.included", reason, waits))
            }
            Outcome::Passed { .. } | Outcome::Expired => {
                let reason = format!("the network can never take payout {id} any more");
                let mend = "nothing has to be paid: the circle puts another one in its place";
                Err(Problem::new("bump.dead", reason, mend))
            }
        }
    }

    fn screen(&self, bump: &FeeBump, held_stroops: i64, charged_stroops: i64) -> String {
        let Payout {
            id,
            wallet_name,
            tx_hash,
            ..
        } = &self.payout;
        let operations = self.operations();
        let offered = i64::from(self.batch.fee_per_op_stroops);
        [
            format!("payout {id} of wallet {wallet_name} is signed"),
            format!("  transaction  {tx_hash}, which stays as it is"),
            format!("  offers       {offered} stroops for each operation; the network charges {charged_stroops} now"),
            format!("  paid by      {} (holds {} XLM), not by the wallet", address(&bump.fee_source()), fixed(held_stroops.into(), 7)),
            format!("  at most      {}", xlm(bump.fee_stroops())),
            format!(
                "  likely       {}: {charged_stroops} stroops, {operations} times",
                xlm(charged_stroops.saturating_mul(operations))
            ),
        ]
        .join("\n")
    }
}

/// Why a payout that is not signed needs no higher fee.
fn unsigned(payout: &Payout) -> Problem {
    let (id, state) = (payout.id, &payout.state);
    let ledger = payout
        .ledger
        .map_or_else(String::new, |ledger| format!(" in ledger {ledger}"));
    let (code, mend) = match &**state {
        "settled" | "failed" => (
            "bump.included",
            "nothing has to be paid: its network took it".to_owned(),
        ),
        "lost" | "cancelled" | "replaced" => (
            "bump.dead",
            "nothing has to be paid: look with `circle treasury status` what stands in its place"
                .into(),
        ),
        _ => (
            "bump.unsigned",
            format!(
                "wait until it is signed; `circle treasury status {id}` says whom it waits for"
            ),
        ),
    };
    Problem::new(code, format!("payout {id} is {state}{ledger}"), mend)
}

fn key_of(key: &SigningKey) -> [u8; 32] {
    VerificationKeyBytes::from(key).into()
}

/// An amount of the network's coin.
fn xlm(stroops: i64) -> String {
    format!("{stroops} stroops ({} XLM)", fixed(stroops.into(), 7))
}

fn sealed(bump: &FeeBump, key: &SigningKey) -> Result<String, Problem> {
    let signature = key.sign(&bump.hash()).into();
    bump.envelope(&signature)
        .map_err(|error| Problem::of(error.code(), error))
}

fn document(signed: &Signed, bump: &FeeBump, envelope: &str) -> serde_json::Value {
    json!({
        "payout": signed.payout.id,
        "inner_tx_hash": signed.payout.tx_hash,
        "tx_hash": hex::encode(bump.hash()),
        "fee_source": address(&bump.fee_source()),
        "max_fee_stroops": bump.fee_stroops(),
        "max_fee_xlm": fixed(bump.fee_stroops().into(), 7),
        "envelope_xdr": envelope,
    })
}

fn print(args: &Args, signed: &Signed, bump: &FeeBump, key: &SigningKey) -> Result<(), Problem> {
    let envelope = sealed(bump, key)?;
    match args.json {
        true => output::print_json(&document(signed, bump, &envelope)),
        false => output::print(envelope),
    }
    Ok(())
}

async fn send(
    args: &Args,
    signed: &Signed,
    bump: &FeeBump,
    key: &SigningKey,
    horizon: &Horizon,
) -> Result<(), Problem> {
    let envelope = sealed(bump, key)?;
    let id = signed.payout.id;
    match horizon.submit(&envelope).await.map_err(horizon::problem)? {
        Submission::Included {
            ledger,
            succeeded,
            fee_stroops,
            ..
        } => {
            if args.json {
                let mut document = document(signed, bump, &envelope);
                document["ledger"] = ledger.into();
                document["succeeded"] = succeeded.into();
                document["fee_charged_stroops"] = fee_stroops.into();
                output::print_json(&document);
            } else {
                let how = if succeeded { "took effect" } else { "failed" };
                output::print(format!(
                    "it {how} in ledger {ledger}, for {}; `circle treasury status {id}` shows when the guardians have seen it",
                    xlm(fee_stroops)
                ));
            }
            Ok(())
        }
        Submission::Refused { codes } => {
            let mend = match (&*codes.transaction, codes.inner.as_deref()) {
                (TOO_LITTLE, _) => {
                    "offer more with --max-fee: the network asks for more by now, and for ten times as much if it holds an earlier offer"
                }
                ("tx_insufficient_balance", _) => {
                    "send the paying account some XLM; it has to keep its reserve"
                }
                ("tx_bad_auth", _) => "the key does not sign for that account; name another one",
                (_, Some("tx_bad_seq")) => {
                    "its number was used up meanwhile, most likely by itself; look with `circle treasury status`"
                }
                _ => {
                    "nothing was paid; look with `circle treasury status` what became of the payout"
                }
            };
            let reason = format!("the network refused it: {codes}");
            Err(Problem::new("bump.refused", reason, mend))
        }
        Submission::Unknown { reason } => {
            let reason = format!("nobody knows whether the network took it ({reason})");
            let mend = "run this again: it takes effect once at most";
            Err(Problem::new("bump.unknown", reason, mend))
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use treasury_protocol::stellar::{Operation, Signature, TESTNET_PASSPHRASE, TimeBounds};

    use super::*;

    fn payout(state: &str) -> Payout {
        let key = SigningKey::from([7; 32]);
        let batch = Batch {
            source: key_of(&key),
            fee_per_op_stroops: 1_000,
            sequence: 5,
            time_bounds: TimeBounds { min: 0, max: 9 },
            memo: None,
            operations: vec![Operation::SetThresholds {
                master: 1,
                low: 0,
                medium: 0,
                high: 0,
            }],
        };
        let hash = batch.hash(TESTNET_PASSPHRASE).unwrap();
        let signature = Signature {
            key: batch.source,
            bytes: key.sign(&hash).into(),
        };
        let envelope = batch.envelope(TESTNET_PASSPHRASE, &[signature]).unwrap();
        let document = json!({
            "id": 7, "state": state, "purpose": "pay", "wallet": "", "wallet_name": "main",
            "chain": "stellar", "network_passphrase": TESTNET_PASSPHRASE, "tx_hash": hex::encode(hash),
            "sequence": 5, "planned_s": 0, "expires_s": 9, "envelope_xdr": envelope, "check": null,
            "signed_by": [], "waiting_for": [], "reported": [], "ledger": null, "replaces": null,
            "replaced_by": null, "lines": [],
        });
        serde_json::from_value(document).unwrap()
    }

    fn check(payout: Payout, offer: Option<i64>, charged: Option<i64>, expected: Expect) {
        let offered = Signed::read(payout).and_then(|signed| signed.offered(offer, charged));
        let text = match offered {
            Ok(stroops) => format!("{stroops}\n"),
            Err(problem) => format!("{}: {problem}\n", problem.code),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn what_is_offered_outbids_the_payout_and_has_a_ceiling() {
        check(
            payout("signed"),
            None,
            None,
            expect![[r#"
            20000
        "#]],
        );
        check(
            payout("signed"),
            None,
            Some(100),
            expect![[r#"
            20000
        "#]],
        );
        check(
            payout("signed"),
            None,
            Some(7_000),
            expect![[r#"
            28000
        "#]],
        );
        check(
            payout("signed"),
            Some(2_000),
            Some(7_000),
            expect![[r#"
            2000
        "#]],
        );
        check(
            payout("signed"),
            Some(1_999),
            None,
            expect![[r#"
            bump.fee: 1999 stroops (0.0001999 XLM) are too little for this payout
              offer 2000 stroops or more with --max-fee
        "#]],
        );
        check(
            payout("signed"),
            Some(2_000_001),
            None,
            expect![[r#"
            bump.fee: 2000001 stroops (0.2000001 XLM) are more than the 2000000 stroops (0.2000000 XLM) that this program offers at most for 2 operations
              offer less with --max-fee, or wait until the network asks for less
        "#]],
        );
        check(
            payout("signed"),
            None,
            Some(i64::MAX),
            expect![[r#"
            bump.fee: 9223372036854775807 stroops (922337203685.4775807 XLM) are more than the 2000000 stroops (0.2000000 XLM) that this program offers at most for 2 operations
              offer less with --max-fee, or wait until the network asks for less
        "#]],
        );
    }

    #[test]
    fn only_what_waits_for_its_network_is_paid_for() {
        let other = |change: fn(&mut Payout)| {
            let mut payout = payout("signed");
            change(&mut payout);
            payout
        };
        check(
            payout("signing"),
            None,
            None,
            expect![[r#"
            bump.unsigned: payout 7 is signing
              wait until it is signed; `circle treasury status 7` says whom it waits for
        "#]],
        );
        check(
            other(|payout| (payout.state, payout.ledger) = ("settled".into(), Some(9))),
            None,
            None,
            expect![[r#"
                bump.included: payout 7 is settled in ledger 9
                  nothing has to be paid: its network took it
            "#]],
        );
        check(
            payout("lost"),
            None,
            None,
            expect![[r#"
            bump.dead: payout 7 is lost
              nothing has to be paid: look with `circle treasury status` what stands in its place
        "#]],
        );
        check(
            other(|payout| payout.chain = "ethereum".into()),
            None,
            None,
            expect![[r#"
            bump.chain: payout 7 is on ethereum, where others pay for it
              `circle status` shows who pays for what a node sends there
        "#]],
        );
        check(
            other(|payout| payout.network = "another network".into()),
            None,
            None,
            expect![[r#"
                bump.envelope: payout 7 is not what its envelope says: its hash is 1e0624ca0f38323efc29290b1da7c8c74c890670ef601e08ddbfcbb804ec7296
                  ask another node with --node
            "#]],
        );
    }
}
