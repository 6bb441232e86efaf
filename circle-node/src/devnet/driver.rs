//! What drives a development circle through its day: signed transactions and questions to a node's API, nothing else.

use std::time::Duration;

use circle::envelope::{Body, Envelope};
use circle::ids::{CircleId, Key};
use ed25519_zebra::SigningKey;
use threescript::action::{Action, Signature};
use threescript::value::Value;

use crate::api::client::Client;
use crate::api::types::{Account, Receipt, Submitted, Transaction};
use crate::cli::acting;
use crate::problem::Problem;
use crate::setup::now_ms;

/// How long a transaction may take effect.
const LIFETIME_MS: u64 = 30 * 60 * 1000;

/// Signs as one guardian, and for others where more than two thirds have to.
pub struct Driver {
    /// The API that is used.
    pub client: Client,
    circle: CircleId,
    sender: SigningKey,
    cosigners: Vec<SigningKey>,
    signatures: Vec<Signature>,
}

impl Driver {
    /// A driver that talks to the node of `sender`; `cosigners` are enough guardians to speak for the circle.
    pub async fn new(
        client: Client,
        circle: CircleId,
        sender: SigningKey,
        cosigners: Vec<SigningKey>,
    ) -> Result<Self, Problem> {
        let signatures = client.signatures().await?;
        Ok(Self {
            client,
            circle,
            sender,
            cosigners,
            signatures,
        })
    }

    /// An action with these parameters, in declared order and with its defaults.
    pub fn act(
        &self,
        actor: &str,
        name: &str,
        given: Vec<(&str, Value)>,
    ) -> Result<Action, Problem> {
        acting::action(&self.signatures, actor, name, given)
    }

    /// Signs and submits; gives the id.
    pub async fn submit(&self, actions: Vec<Action>, as_circle: bool) -> Result<String, Problem> {
        let key = Key::of(&self.sender);
        let account: Account = self.client.get(&format!("/v1/accounts/{key}")).await?;
        let body = Body {
            circle: self.circle,
            sender: key,
            account_nonce: account.next_nonce,
            expires_at_ms: now_ms() + LIFETIME_MS,
            actions,
        };
        let mut envelope = Envelope::sign(body, &self.sender);
        if as_circle {
            self.cosigners
                .iter()
                .for_each(|cosigner| envelope.cosign(cosigner));
        }
        let submitted: Submitted = self
            .client
            .post("/v1/transactions", envelope.encode())
            .await?;
        Ok(submitted.id)
    }

    /// What became of a transaction; `None` while it is not executed and certified.
    pub async fn receipt(
        &self,
        id: &str,
        wait: Duration,
    ) -> Result<Option<(u64, Receipt)>, Problem> {
        let path = format!("/v1/transactions/{id}?wait_s={}", wait.as_secs());
        let transaction: Transaction = self.client.wait(&path, wait).await?;
        if transaction.state != "certified" {
            return Ok(None);
        }
        Ok(transaction.height.zip(transaction.receipt))
    }
}
