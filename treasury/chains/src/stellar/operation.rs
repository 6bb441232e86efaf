//! One operation in Horizon's words, and what it moved.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use treasury_protocol::stellar::{Asset, address};

use super::account::AssetRecord;
use super::movements::{Direction, Memo, Movement};
use super::text;
use crate::endpoints::Fault;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OperationRecord {
    pub paging_token: String,
    #[serde(rename = "type")]
    kind: String,
    transaction_successful: bool,
    transaction_hash: String,
    created_at: String,
    transaction: Option<JoinedRecord>,
    source_account: String,
    source_account_muxed: Option<String>,
    from: Option<String>,
    from_muxed: Option<String>,
    to: Option<String>,
    to_muxed: Option<String>,
    amount: Option<String>,
    asset: Option<String>,
    asset_type: Option<String>,
    asset_code: Option<String>,
    asset_issuer: Option<String>,
    source_amount: Option<String>,
    source_asset_type: Option<String>,
    source_asset_code: Option<String>,
    source_asset_issuer: Option<String>,
    starting_balance: Option<String>,
    funder: Option<String>,
    funder_muxed: Option<String>,
    account: Option<String>,
    account_muxed: Option<String>,
    into: Option<String>,
    into_muxed: Option<String>,
    asset_balance_changes: Vec<ChangeRecord>,
}

/// What a call of a contract moved.
#[derive(Debug, Deserialize)]
struct ChangeRecord {
    #[serde(flatten)]
    asset: AssetRecord,
    from: Option<String>,
    to: Option<String>,
    amount: String,
}

#[derive(Debug, Deserialize)]
struct JoinedRecord {
    memo_type: String,
    memo: Option<String>,
    memo_bytes: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EffectRecord {
    #[serde(rename = "type")]
    kind: String,
    account: String,
    amount: Option<String>,
    asset_type: Option<String>,
    asset_code: Option<String>,
    asset_issuer: Option<String>,
}

/// One end of a transfer: the account, and its muxed form if it was named so.
#[derive(Debug)]
struct Side {
    account: String,
    muxed: Option<String>,
}

impl Side {
    fn of(account: &Option<String>, muxed: &Option<String>) -> Option<Self> {
        let account = account.clone()?;
        let muxed = muxed.clone().filter(|text| !text.is_empty());
        (!account.is_empty()).then_some(Self { account, muxed })
    }

    fn shown(&self) -> String {
        self.muxed.clone().unwrap_or_else(|| self.account.clone())
    }
}

/// Something that went from one account to another; what is sent and what arrives differ where the network exchanged it on its way.
#[derive(Debug)]
struct Transfer {
    from: Option<Side>,
    to: Option<Side>,
    asset: Asset,
    units: i64,
    sent_asset: Asset,
    sent_units: i64,
}

impl Transfer {
    fn of(from: Option<Side>, to: Option<Side>, asset: Asset, units: i64) -> Self {
        Self {
            from,
            to,
            sent_asset: asset.clone(),
            sent_units: units,
            asset,
            units,
        }
    }

    /// Who stands at this end, and what it sees go or come.
    fn end(&self, direction: Direction) -> (&Option<Side>, &Asset, i64) {
        match direction {
            Direction::Out => (&self.from, &self.sent_asset, self.sent_units),
            Direction::In => (&self.to, &self.asset, self.units),
        }
    }

    /// Whether `me` had a part in it, other than paying itself what it holds afterwards as before.
    fn concerns(&self, me: &str) -> bool {
        let (from, to) = (is(&self.from, me), is(&self.to, me));
        (from || to) && !(from && to && self.asset == self.sent_asset)
    }
}

fn is(side: &Option<Side>, me: &str) -> bool {
    side.as_ref().is_some_and(|side| side.account == me)
}

/// Whether `me` issues the asset: what comes to it is gone, and what it gives is new.
fn is_own(asset: &Asset, me: &str) -> bool {
    matches!(asset, Asset::Issued { issuer, .. } if address(issuer) == me)
}

fn required<'a>(field: &'a Option<String>, name: &str) -> Result<&'a str, Fault> {
    field.as_deref().ok_or_else(|| Fault::Malformed {
        reason: format!("an operation has no {name}"),
    })
}

fn named(
    kind: &Option<String>,
    code: &Option<String>,
    issuer: &Option<String>,
) -> Result<Asset, Fault> {
    match (kind.as_deref(), code, issuer) {
        (Some("native"), _, _) => Ok(Asset::Native),
        (_, Some(code), Some(issuer)) => text::issued(code, issuer),
        (kind, _, _) => Err(text::malformed(
            "this names no asset:",
            kind.unwrap_or_default(),
        )),
    }
}

impl OperationRecord {
    /// Whether what it moved is only told by its effects, and `me` had a part in it.
    pub fn needs_effects(&self, me: &str) -> bool {
        let (from, to) = self.merged_or_claimed();
        self.is_by_effects() && (is(&from, me) || is(&to, me))
    }

    fn is_by_effects(&self) -> bool {
        let kinds = ["account_merge", "claim_claimable_balance"];
        self.transaction_successful && kinds.contains(&&*self.kind)
    }

    /// What it moved, as `me` sees it.
    ///
    /// Errors: a record or effects that cannot be read, or that leave out what they have to say.
    pub fn moved(
        &self,
        effects: &[EffectRecord],
        me: &str,
        place: u64,
    ) -> Result<Vec<Movement>, Fault> {
        if !self.transaction_successful {
            return Ok(Vec::new());
        }
        let mut moved = match self.is_by_effects() {
            true => self.by_effects(effects, me)?,
            false => self.transfers()?,
        };
        moved.retain(|one| one.concerns(me));
        if moved.is_empty() {
            return Ok(Vec::new());
        }
        let joined = self.transaction.as_ref();
        let joined = joined.ok_or_else(|| Fault::Malformed {
            reason: "it leaves out the transactions of operations (join=transactions)".into(),
        })?;
        let memo = joined.read()?;
        let hash = text::hash(&self.transaction_hash)?;
        let closed_at_s = text::seconds(&self.created_at)?;
        let mut movements = Vec::new();
        for one in &moved {
            for direction in [Direction::Out, Direction::In] {
                let (side, asset, units) = one.end(direction);
                if !is(side, me) || is_own(asset, me) {
                    continue;
                }
                movements.push(Movement {
                    operation_id: place,
                    part: movements.len() as u32,
                    kind: self.kind.clone(),
                    direction,
                    from: one.from.as_ref().map(Side::shown),
                    to: one.to.as_ref().map(Side::shown),
                    asset: asset.clone(),
                    units,
                    memo: memo.clone(),
                    transaction_hash: hash,
                    ledger: (place >> 32) as u32,
                    closed_at_s,
                });
            }
        }
        Ok(movements)
    }

    fn source(&self) -> Option<Side> {
        let account = Some(self.source_account.clone());
        Side::of(&account, &self.source_account_muxed)
    }

    /// From whom to whom a merge or a claim went.
    fn merged_or_claimed(&self) -> (Option<Side>, Option<Side>) {
        match &*self.kind {
            "account_merge" => (
                Side::of(&self.account, &self.account_muxed),
                Side::of(&self.into, &self.into_muxed),
            ),
            _ => (None, self.source()),
        }
    }

    fn ends(&self) -> (Option<Side>, Option<Side>) {
        (
            Side::of(&self.from, &self.from_muxed),
            Side::of(&self.to, &self.to_muxed),
        )
    }

    /// The asset and the amount under their usual names.
    fn worth(&self) -> Result<(Asset, i64), Fault> {
        let asset = named(&self.asset_type, &self.asset_code, &self.asset_issuer)?;
        Ok((asset, text::units(required(&self.amount, "amount")?)?))
    }

    /// What went from whom to whom, where the operation says so itself. Kinds that move nothing have no transfers.
    fn transfers(&self) -> Result<Vec<Transfer>, Fault> {
        let (from, to) = self.ends();
        Ok(match &*self.kind {
            "payment" => {
                let (asset, units) = self.worth()?;
                vec![Transfer::of(from, to, asset, units)]
            }
            // The last is the name that the first had before the second came.
            "path_payment_strict_receive" | "path_payment_strict_send" | "path_payment" => {
                let (asset, units) = self.worth()?;
                let (kind, code) = (&self.source_asset_type, &self.source_asset_code);
                vec![Transfer {
                    from,
                    to,
                    asset,
                    units,
                    sent_asset: named(kind, code, &self.source_asset_issuer)?,
                    sent_units: text::units(required(&self.source_amount, "source_amount")?)?,
                }]
            }
            "create_account" => {
                let units = text::units(required(&self.starting_balance, "starting_balance")?)?;
                let from = Side::of(&self.funder, &self.funder_muxed);
                let to = Side::of(&self.account, &None);
                vec![Transfer::of(from, to, Asset::Native, units)]
            }
            "create_claimable_balance" => {
                let asset = text::asset(required(&self.asset, "asset")?)?;
                let units = text::units(required(&self.amount, "amount")?)?;
                vec![Transfer::of(self.source(), None, asset, units)]
            }
            "clawback" => {
                let (asset, units) = self.worth()?;
                vec![Transfer::of(from, None, asset, units)]
            }
            "invoke_host_function" => {
                let changes = self.asset_balance_changes.iter().map(|change| {
                    let from = Side::of(&change.from, &None);
                    let to = Side::of(&change.to, &None);
                    let units = text::units(&change.amount)?;
                    Ok(Transfer::of(from, to, change.asset.read()?, units))
                });
                changes.collect::<Result<_, Fault>>()?
            }
            _ => Vec::new(),
        })
    }

    /// What went from whom to whom by a merge or a claim, whose amount only the effects tell.
    ///
    /// Errors: no such effect: a slower server answered than the one that showed the operation.
    fn by_effects(&self, effects: &[EffectRecord], me: &str) -> Result<Vec<Transfer>, Fault> {
        let (from, to) = self.merged_or_claimed();
        // A third party's, which the account had another part in.
        if !is(&from, me) && !is(&to, me) {
            return Ok(Vec::new());
        }
        let wanted = match is(&to, me) {
            true => "account_credited",
            false => "account_debited",
        };
        let mut fitting = effects
            .iter()
            .filter(|one| one.kind == wanted && one.account == me);
        let effect = fitting.next().ok_or_else(|| Fault::Malformed {
            reason: format!(
                "the operation {} has no effect '{wanted}' on {me} yet",
                self.paging_token
            ),
        })?;
        let asset = named(&effect.asset_type, &effect.asset_code, &effect.asset_issuer)?;
        let units = text::units(required(&effect.amount, "amount")?)?;
        Ok(vec![Transfer::of(from, to, asset, units)])
    }
}

impl JoinedRecord {
    fn read(&self) -> Result<Option<Memo>, Fault> {
        let text = self.memo.clone().unwrap_or_default();
        let bytes = |text: &str| -> Result<Vec<u8>, Fault> {
            let bytes = STANDARD.decode(text);
            bytes.map_err(|_| text::malformed("this is no base64:", text))
        };
        let hash = || -> Result<[u8; 32], Fault> {
            let hash = bytes(&text)?.try_into();
            hash.map_err(|_| text::malformed("this memo is no hash:", &text))
        };
        Ok(Some(match &*self.memo_type {
            "none" => return Ok(None),
            // The bytes are the memo; the text shows a sign of replacement for what is no UTF-8.
            "text" => match &self.memo_bytes {
                None => Memo::Text(text),
                Some(encoded) => String::from_utf8(bytes(encoded)?)
                    .map_or_else(|error| Memo::Bytes(error.into_bytes()), Memo::Text),
            },
            "id" => Memo::Id(text::number(&text)?),
            "hash" => Memo::Hash(hash()?),
            "return" => Memo::Return(hash()?),
            other => return Err(text::malformed("this is no kind of memo:", other)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;

    fn me() -> String {
        address(&[1; 32])
    }

    fn other() -> String {
        address(&[2; 32])
    }

    fn issuer() -> String {
        address(&[3; 32])
    }

    /// An operation in the form of the documented API, with `fields` on top, as `me` sees it: amounts, assets, from and to.
    #[track_caller]
    fn check(kind: &str, fields: Value, expected: Expect) {
        let mut record = json!({
            "id": "4294971393", "paging_token": "4294971393", "type": kind, "transaction_successful": true,
            "source_account": other(), "created_at": "2024-02-29T00:00:00Z", "transaction_hash": "07".repeat(32),
            "transaction": { "memo_type": "none" },
        });
        if let Value::Object(fields) = fields {
            for (name, value) in fields {
                record[name] = value;
            }
        }
        let record: OperationRecord = serde_json::from_value(record).unwrap();
        let names = [(me(), "me"), (other(), "other"), (issuer(), "issuer")];
        let short = |text: String| {
            let replace = |text: String, (long, short): &(String, &str)| text.replace(long, short);
            names.iter().fold(text, replace)
        };
        let lines = match record.moved(&[], &me(), 4_294_971_393) {
            Err(fault) => short(fault.to_string()),
            Ok(movements) => {
                let line = |one: &Movement| {
                    let nobody = || "nobody".to_owned();
                    let (from, to) = (one.from.clone(), one.to.clone());
                    format!(
                        "{} {:?} {} {}: {} -> {}",
                        one.name(),
                        one.direction,
                        one.units,
                        crate::stellar::asset_text(&one.asset),
                        from.unwrap_or_else(nobody),
                        to.unwrap_or_else(nobody)
                    )
                };
                let lines: Vec<String> = movements.iter().map(line).collect();
                short(lines.join("\n"))
            }
        };
        expected.assert_eq(&lines);
    }

    #[test]
    fn a_path_payment_moves_another_asset_than_it_brings() {
        let path = |from: String, to: String| {
            json!({
                "from": from, "to": to, "amount": "2.0000000", "asset_type": "credit_alphanum4", "asset_code": "TFT",
                "asset_issuer": issuer(), "source_amount": "0.5000000", "source_asset_type": "native", "path": [],
            })
        };
        check(
            "path_payment_strict_receive",
            path(other(), me()),
            expect!["4294971393 In 20000000 TFT:issuer: other -> me"],
        );
        check(
            "path_payment_strict_send",
            path(me(), other()),
            expect!["4294971393 Out 5000000 native: me -> other"],
        );
        // To itself: an exchange, in two parts.
        check(
            "path_payment_strict_send",
            path(me(), me()),
            expect![[r#"
            4294971393 Out 5000000 native: me -> me
            4294971393-1 In 20000000 TFT:issuer: me -> me"#]],
        );
        check("path_payment", path(other(), issuer()), expect![""]);
    }

    #[test]
    fn a_clawback_takes_and_a_contract_moves() {
        let clawback = json!({
            "from": me(), "amount": "1.0000000", "asset_type": "credit_alphanum4", "asset_code": "TFT", "asset_issuer": issuer(),
        });
        check(
            "clawback",
            clawback,
            expect!["4294971393 Out 10000000 TFT:issuer: me -> nobody"],
        );
        let contract = "CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSC4";
        let calls = json!({ "asset_balance_changes": [
            { "type": "transfer", "asset_type": "native", "from": contract, "to": me(), "amount": "3.0000000" },
            { "type": "transfer", "asset_type": "native", "from": other(), "to": contract, "amount": "4.0000000" },
            { "type": "mint", "asset_type": "credit_alphanum4", "asset_code": "TFT", "asset_issuer": issuer(), "to": me(),
              "amount": "5.0000000" },
        ] });
        check(
            "invoke_host_function",
            calls,
            expect![[r#"
            4294971393 In 30000000 native: CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSC4 -> me
            4294971393-1 In 50000000 TFT:issuer: nobody -> me"#]],
        );
    }

    #[test]
    fn what_moves_nothing_is_no_movement() {
        check(
            "set_options",
            json!({ "source_account": me() }),
            expect![""],
        );
        check(
            "something_new",
            json!({ "from": me(), "to": other(), "amount": "1.0" }),
            expect![""],
        );
        let own = json!({
            "from": other(), "to": me(), "amount": "1.0", "asset_type": "credit_alphanum4", "asset_code": "OWN", "asset_issuer": me(),
        });
        check("payment", own, expect![""]);
        let failed = json!({
            "transaction_successful": false, "from": other(), "to": me(), "amount": "1.0", "asset_type": "native",
        });
        check("payment", failed, expect![""]);
    }

    #[test]
    fn what_cannot_be_read_is_no_answer() {
        let payment = |name: &str, value: Value| {
            let mut fields = json!({ "from": other(), "to": me(), "amount": "1.0000000", "asset_type": "native" });
            fields[name] = value;
            fields
        };
        check(
            "payment",
            payment("amount", json!("1.00000001")),
            expect!["an answer that cannot be used: this is no amount of 7 decimals: '1.00000001'"],
        );
        check(
            "payment",
            payment("amount", Value::Null),
            expect!["an answer that cannot be used: an operation has no amount"],
        );
        check(
            "payment",
            payment("asset_type", json!("credit_alphanum4")),
            expect!["an answer that cannot be used: this names no asset: 'credit_alphanum4'"],
        );
        check(
            "payment",
            payment("transaction", Value::Null),
            expect![
                "an answer that cannot be used: it leaves out the transactions of operations (join=transactions)"
            ],
        );
        check(
            "payment",
            payment("transaction_hash", json!("07")),
            expect!["an answer that cannot be used: this is no hash: '07'"],
        );
        let merge = json!({ "account": other(), "into": me() });
        check(
            "account_merge",
            merge,
            expect![
                "an answer that cannot be used: the operation 4294971393 has no effect 'account_credited' on me yet"
            ],
        );
    }

    #[test]
    fn memos_are_read_as_their_bytes_say() {
        for (record, expected) in [
            (json!({ "memo_type": "none" }), Some(None)),
            (
                json!({ "memo_type": "text", "memo": "hi", "memo_bytes": "aGk=" }),
                Some(Some(Memo::Text("hi".into()))),
            ),
            (
                json!({ "memo_type": "text", "memo": "", "memo_bytes": "" }),
                Some(Some(Memo::Text(String::new()))),
            ),
            (
                json!({ "memo_type": "text", "memo": "\u{fffd}", "memo_bytes": "/w==" }),
                Some(Some(Memo::Bytes(vec![255]))),
            ),
            (
                json!({ "memo_type": "text", "memo": "old" }),
                Some(Some(Memo::Text("old".into()))),
            ),
            (
                json!({ "memo_type": "id", "memo": "18446744073709551615" }),
                Some(Some(Memo::Id(u64::MAX))),
            ),
            (
                json!({ "memo_type": "hash", "memo": STANDARD.encode([7; 32]) }),
                Some(Some(Memo::Hash([7; 32]))),
            ),
            (
                json!({ "memo_type": "return", "memo": STANDARD.encode([8; 32]) }),
                Some(Some(Memo::Return([8; 32]))),
            ),
            (json!({ "memo_type": "hash", "memo": "aGk=" }), None),
            (json!({ "memo_type": "id", "memo": "-1" }), None),
            (json!({ "memo_type": "new" }), None),
        ] {
            let joined: JoinedRecord = serde_json::from_value(record.clone()).unwrap();
            assert_eq!(joined.read().ok(), expected, "{record}");
        }
        assert_eq!(Memo::Hash([7; 32]).to_string(), "07".repeat(32));
    }
}
