//! From nothing to an open wallet on Stellar: its key or its owners, its account, and what it trusts.

use circle::ids::Key;
use threescript::value::Value;
use treasury_protocol::stellar::multisig::Owners;

use super::{Run, WALLET, key_of, ready, refuse};
use crate::api::types::{At, Payout, Payouts};
use crate::devnet::driver::Driver;
use crate::devnet::plan::Signers;
use crate::devnet::stellar::PASSPHRASE;
use crate::problem::Problem;

impl Run<'_> {
    /// Lets the circle decide on the wallet, and waits until it is open and trusts TFT.
    pub(super) async fn make_key(&mut self, driver: &Driver) -> Result<(), Problem> {
        let payouts: At<Payouts> = self
            .until("certified state", async |client| {
                ready(client.get("/v1/payouts").await)
            })
            .await?;
        if payouts.answer.wallets.is_empty() {
            let mut given = vec![
                ("wallet", Value::Text(WALLET.into())),
                ("network", Value::Text(PASSPHRASE.into())),
            ];
            let start = match self.plan.signers {
                Signers::Multisig => driver.act("treasury", "multisig", given)?,
                Signers::Group => {
                    given.push(("sequence", Value::Int(-1)));
                    driver.act("ceremony", "start", given)?
                }
            };
            let (_, receipt) = self
                .done(driver, vec![start], true, "the wallet to be decided on")
                .await?;
            refuse(&receipt, "the wallet")?;
        }
        if self.plan.signers == Signers::Multisig {
            self.make_account(driver).await?;
        }
        let account = self
            .until("all guardians to make the wallet's key", async |client| {
                let payouts: Option<At<Payouts>> = ready(client.get("/v1/payouts").await)?;
                Ok(payouts.and_then(|payouts| {
                    payouts
                        .answer
                        .wallets
                        .into_iter()
                        .find_map(|wallet| wallet.account)
                }))
            })
            .await?;
        if self.plan.signers == Signers::Group {
            self.progress
                .line(format!("the guardians share the key of {account}"));
            self.bank.befriend(&Key(key_of(&account)?)).await?;
        }
        self.until(
            "the guardians to open the wallet's account",
            async |client| {
                let payouts: Option<At<Payouts>> = ready(client.get("/v1/payouts").await)?;
                Ok(payouts.and_then(|payouts| {
                    let At { answer, .. } = payouts;
                    let found = answer
                        .wallets
                        .iter()
                        .all(|wallet| wallet.next_sequence.is_some());
                    let trusts =
                        |payout: &Payout| payout.purpose == "trust" && payout.state == "settled";
                    (found && answer.payouts.iter().any(trusts)).then_some(())
                }))
            },
        )
        .await?;
        self.progress
            .line("its account is open and trusts TFT".to_owned());
        Ok(())
    }

    /// Lets the issuer of TFT make the account of the wallet that each guardian owns, and names it to the circle.
    async fn make_account(&mut self, driver: &Driver) -> Result<(), Problem> {
        let what = "all guardians to name the keys by which they own the wallet";
        let wallet = self
            .until(what, async |client| {
                let payouts: Option<At<Payouts>> = ready(client.get("/v1/payouts").await)?;
                let wallets = payouts
                    .into_iter()
                    .flat_map(|payouts| payouts.answer.wallets);
                Ok(wallets
                    .into_iter()
                    .find(|wallet| wallet.name == WALLET && wallet.owners_needed.is_some()))
            })
            .await?;
        if wallet.account.is_some() {
            return Ok(());
        }
        let keys = wallet.owners.iter().map(|owner| key_of(&owner.address));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let threshold = wallet.owners_needed.unwrap_or_default();
        let owners = Owners::new(keys, u8::try_from(threshold).unwrap_or(u8::MAX))
            .map_err(|error| Problem::of(error.code(), error))?;
        let account = self.bank.found(&owners).await?;
        self.progress.line(format!(
            "any {threshold} of {} guardians sign for {account}, each with a key of its own",
            wallet.owners.len()
        ));
        let given = vec![
            ("wallet", Value::Text(WALLET.into())),
            ("address", Value::Text(account)),
        ];
        let named = driver.act("treasury", "account", given)?;
        let (_, receipt) = self
            .done(driver, vec![named], false, "the account to be named")
            .await?;
        refuse(&receipt, "the account")
    }
}
