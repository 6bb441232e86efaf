//! Somebody with an account on Stellar makes the account of a wallet and gives it to the guardians.

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use rand::RngCore as _;
use treasury_chains::stellar::{Horizon, Submission};
use treasury_protocol::stellar::founding::Founding;
use treasury_protocol::stellar::multisig::Owners;
use treasury_protocol::stellar::{Asset, TimeBounds, address};
use zeroize::Zeroizing;

use crate::problem::Problem;
use crate::setup::now_ms;

/// How long the network may take it, in seconds.
const LIFETIME_S: u64 = 600;
/// What is offered for an operation at least, in stroops.
const FEE_LEAST_STROOPS: u32 = 1_000;

/// A signed transaction that makes an account, whose own key is forgotten.
pub struct Made {
    /// The address of the account.
    pub address: String,
    /// Who pays for it.
    pub funder: String,
    /// The transaction's hash.
    pub hash: [u8; 32],
    /// The most that it costs, beside what the account is given, in stroops.
    pub fee_stroops: i64,
    /// The envelope, base64 XDR.
    pub envelope: String,
}

/// Prepares an account with these owners, which is given `starting_stroops`.
pub async fn prepare(
    horizon: &Horizon,
    funder: &SigningKey,
    owners: &Owners,
    starting_stroops: i64,
) -> Result<Made, Problem> {
    let payer: [u8; 32] = VerificationKeyBytes::from(funder).into();
    let answer = horizon.account(&payer).await;
    let known = answer.map_err(|error| Problem::of("horizon", error))?;
    let account = known.ok_or_else(|| {
        let reason = format!("there is no account {} on this network", address(&payer));
        let mend = "send some XLM to it first, or name the key of another one";
        Problem::new("horizon.account", reason, mend)
    })?;
    let fees = horizon.fee_stats().await;
    let fees = fees.map_err(|error| Problem::of("horizon", error))?;
    let mut seed = Zeroizing::new([0; 32]);
    rand::rngs::OsRng.fill_bytes(&mut *seed);
    let fresh = SigningKey::from(*seed);
    let founding = Founding {
        funder: payer,
        sequence: account.sequence + 1,
        fee_per_op_stroops: fees
            .charged_p95_stroops
            .saturating_mul(2)
            .max(FEE_LEAST_STROOPS),
        time_bounds: TimeBounds {
            min: 0,
            max: now_ms() / 1000 + LIFETIME_S,
        },
        account: VerificationKeyBytes::from(&fresh).into(),
        starting_stroops,
        owners: owners.clone(),
    };
    let fee_stroops = i64::from(founding.fee_per_op_stroops) * founding.operations() as i64;
    let held = account.balance(&Asset::Native).map_or(0, |one| one.units);
    if held < starting_stroops.saturating_add(fee_stroops) {
        let reason = format!(
            "{} holds {held} stroops, and {} are needed",
            address(&payer),
            starting_stroops.saturating_add(fee_stroops)
        );
        let mend = "send it some XLM, or give the wallet less with --starting";
        return Err(Problem::new("account.unfunded", reason, mend));
    }
    let refused =
        |error: treasury_protocol::stellar::StellarError| Problem::of(error.code(), error);
    let network = horizon.network_passphrase();
    let hash = founding.hash(network).map_err(refused)?;
    let envelope = founding
        .envelope(network, funder.sign(&hash).into(), fresh.sign(&hash).into())
        .map_err(refused)?;
    Ok(Made {
        address: address(&founding.account),
        funder: address(&payer),
        hash,
        fee_stroops,
        envelope,
    })
}

/// Sends it. Gives the ledger that it is in.
pub async fn send(horizon: &Horizon, made: &Made) -> Result<u32, Problem> {
    let submission = horizon.submit(&made.envelope).await;
    match submission.map_err(|error| Problem::of("horizon", error))? {
        Submission::Included {
            ledger,
            succeeded: true,
            ..
        } => Ok(ledger),
        Submission::Included { codes, .. } | Submission::Refused { codes } => {
            let reason = format!("the network refused it: {codes}");
            let mend = "nothing was made; run this again";
            Err(Problem::new("account.refused", reason, mend))
        }
        Submission::Unknown { reason } => {
            let reason = format!("nobody knows whether {} was made ({reason})", made.address);
            let mend = "look for that address on the network before this is run again";
            Err(Problem::new("account.unknown", reason, mend))
        }
    }
}
