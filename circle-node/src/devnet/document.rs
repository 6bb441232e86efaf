//! The JSON document that a devnet ends with.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::client::Client;
use crate::api::types::{At, Certificate, OwedList, Payouts, Receipt, Status};
use crate::problem::Problem;

/// What became of the IOUs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ious {
    /// How many were submitted.
    pub submitted: usize,
    /// How many were taken.
    pub accepted: u64,
    /// Which were not, and why.
    pub rejected: Vec<Rejected>,
}

/// An IOU that was not taken.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected {
    /// The IOU.
    pub id: String,
    /// The stable code of the reason.
    pub code: String,
    /// For people.
    pub reason: String,
}

impl Ious {
    /// Adds what the receipt of a submission says. `stated` gives the ids that people know for those that the circle computed.
    pub fn add(
        &mut self,
        receipt: &Receipt,
        stated: &BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        let strange = || {
            Problem::new(
                "devnet.receipt",
                "the receipt of a submission does not say what was accepted",
                "use the standard policies of this version",
            )
        };
        let event = receipt
            .events
            .iter()
            .find(|event| event.name == "iou.admitted")
            .ok_or_else(strange)?;
        self.accepted += event.data["accepted"].as_u64().ok_or_else(strange)?;
        for rejected in event.data["rejected"].as_array().ok_or_else(strange)? {
            let text = |field: &str| {
                rejected[field]
                    .as_str()
                    .map(str::to_owned)
                    .ok_or_else(strange)
            };
            let id = text("id")?;
            let id = stated.get(&id).cloned().unwrap_or(id);
            self.rejected.push(Rejected {
                id,
                code: text("code")?,
                reason: text("reason")?,
            });
        }
        Ok(())
    }
}

/// The document, from certified state.
pub async fn make(
    client: &Client,
    status: &Status,
    ious: Ious,
    chain: Value,
) -> Result<Value, Problem> {
    let payouts: At<Payouts> = client.get("/v1/payouts").await?;
    let owed: At<OwedList> = client.get("/v1/owed").await?;
    let certificate: Certificate = client
        .get(&format!("/v1/certificates/{}", status.certified_height))
        .await?;
    let attested_by: Vec<&String> = certificate
        .signatures
        .iter()
        .map(|signature| &signature.guardian)
        .collect();
    let owed: Vec<Value> = owed
        .answer
        .owed
        .iter()
        .map(|owed| json!({ "consumer": owed.consumer, "farmer": owed.farmer, "amount": owed.amount, "asset": owed.asset }))
        .collect();
    let unsigned = payouts
        .answer
        .payouts
        .iter()
        .any(|payout| payout.envelope_xdr.is_none() && payout.execution.is_none());
    let mut document = json!({
        "circle": status.circle,
        "guardians": status.guardians.len(),
        "height": certificate.checkpoint.height,
        "checkpoint": certificate.checkpoint.digest,
        "state_root": certificate.checkpoint.state_root,
        "attested_by": attested_by,
        "ious": ious,
        "owed": owed,
        "chain": chain,
        "wallets": payouts.answer.wallets,
        "payouts": payouts.answer.payouts,
    });
    if unsigned || !status.diverged.is_empty() {
        document["waiting_for"] = json!(status.waiting_for);
        document["waiting"] = json!(status.waiting);
        document["diverged"] = json!(status.diverged);
    }
    Ok(document)
}
