//! The wallet on Ethereum: a Safe of the guardians, and who is paid and pays there.

use circle::ids::Key;
use circle::treasury;
use ed25519_zebra::SigningKey;
use threescript::value::Value;

use super::{ACTIONS_PER_TRANSACTION, Run, SAFE, ready, refuse};
use crate::api::client::Client;
use crate::api::types::{At, Payouts, Status};
use crate::devnet::day::Day;
use crate::devnet::driver::Driver;
use crate::devnet::ethereum::{self, CHAIN_ID};
use crate::devnet::homes::Seat;
use crate::problem::Problem;

impl Run<'_> {
    /// Opens a Safe that the guardians own, says where the people of the day are paid and pay from, and lets the day be paid from the
    /// Safe.
    pub(super) async fn open_safe(
        &mut self,
        driver: &Driver,
        seats: &[Seat],
        day: &Day,
    ) -> Result<(), Problem> {
        let Some(ethereum) = &self.ethereum else {
            return Ok(());
        };
        let mut relayers = Vec::new();
        for seat in seats {
            let client = Client::new(&seat.api.to_string())?;
            let status: Status = client.get("/v1/status").await?;
            let address = status.chains.into_iter().find_map(|chain| chain.pays_gas);
            let address: Option<treasury_protocol::ethereum::Address> =
                address.and_then(|address| address.parse().ok());
            relayers.extend(address);
        }
        ethereum.fuel(&relayers).await?;
        let contracts =
            borsh::to_vec(ethereum.contracts()).expect("writing to memory does not fail");
        let open = driver.act(
            "treasury",
            "safe",
            vec![
                ("wallet", Value::Text(SAFE.into())),
                ("chain_id", Value::Int(CHAIN_ID as i64)),
                ("contracts", Value::Bytes(contracts)),
            ],
        )?;
        let pay = driver.act(
            "policy",
            "set",
            vec![
                ("policy", Value::Text("iou".into())),
                ("param", Value::Text("wallet".into())),
                ("value", Value::Text(SAFE.into())),
            ],
        )?;
        let (_, receipt) = self
            .done(driver, vec![open, pay], true, "the Safe to be opened")
            .await?;
        refuse(&receipt, "the Safe")?;
        let keys = day.keys();
        for chunk in keys.chunks(ACTIONS_PER_TRANSACTION) {
            let receive = |key: &SigningKey| {
                let address = ethereum::wallet_of(key).address().to_string();
                let given = vec![
                    ("account", Value::Account(Key::of(key).to_string())),
                    ("chain", Value::Text("ethereum".into())),
                    ("address", Value::Text(address)),
                ];
                driver.act("treasury", "receive_at", given)
            };
            let actions = chunk.iter().map(receive).collect::<Result<Vec<_>, _>>()?;
            let what = "the addresses of the people";
            let (_, receipt) = self.done(driver, actions, true, what).await?;
            refuse(&receipt, what)?;
        }
        self.until("the guardians to own a Safe", async |client| {
            let payouts: Option<At<Payouts>> = ready(client.get("/v1/payouts").await)?;
            let wallets = payouts
                .into_iter()
                .flat_map(|payouts| payouts.answer.wallets);
            let mut safes = wallets.filter(|wallet| wallet.name == SAFE);
            Ok(safes.any(|safe| safe.next_sequence.is_some()).then_some(()))
        })
        .await?;
        let safe = self.wallet().await?.account.unwrap_or_default();
        self.progress
            .line(format!("the guardians own the Safe {safe}"));
        Ok(())
    }

    /// Lets those who pay say that payments from their Ethereum addresses are theirs.
    pub(super) async fn name_payers(
        &mut self,
        circle: circle::ids::CircleId,
        payers: &[(String, SigningKey)],
    ) -> Result<(), Problem> {
        let mut waiting = Vec::new();
        for (name, key) in payers {
            let driver = Driver::new(self.client.clone(), circle, *key, Vec::new()).await?;
            let message = treasury::payer_message(circle, name);
            let hash = treasury_protocol::ethereum::message_hash(message.as_bytes());
            let signature = ethereum::wallet_of(key)
                .sign(&hash)
                .map_err(|error| Problem::of(error.code(), error))?;
            let given = vec![("signature", Value::Bytes(signature.to_vec()))];
            let says = driver.act("treasury", "pays_from", given)?;
            let id = driver.submit(vec![says], false).await?;
            waiting.push((driver, id));
        }
        for (driver, id) in waiting {
            let what = "a consumer's Ethereum address";
            let (_, receipt) = self.receipt(&driver, &id, what).await?;
            refuse(&receipt, what)?;
        }
        Ok(())
    }
}
