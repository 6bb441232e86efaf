//! IOUs that both parties have signed.

use std::collections::BTreeMap;

use circle::digest::encode;
use circle::ids::Key;
use circle::iou::{Iou, Price, SignedIou};
use threescript::value::Value;

use super::{Refused, Scratch, secret};

impl Scratch {
    /// A batch of signed IOUs as `iou.submit` takes it, from maps of `farmer`, `consumer`, `from`, `to` and `amount`, and,
    /// where they matter, `reference`, `sequence`, `usage` and `tft_musd`.
    pub fn ious(&mut self, batch: &[Value]) -> Result<Vec<u8>, Refused> {
        let mut ious = Vec::with_capacity(batch.len());
        for one in batch {
            ious.push(self.iou(one)?);
        }
        Ok(encode(&ious))
    }

    fn iou(&mut self, entries: &Value) -> Result<SignedIou, Refused> {
        const KNOWN: [&str; 9] = [
            "farmer",
            "consumer",
            "from",
            "to",
            "amount",
            "reference",
            "sequence",
            "usage",
            "tft_musd",
        ];
        let wrong = |what: String| Refused::new("iou.entry", what);
        let Value::Map(entries) = entries else {
            return Err(wrong(
                "an IOU is a map: #{ farmer, consumer, from, to, amount }".into(),
            ));
        };
        if let Some(name) = entries.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(wrong(format!(
                "an IOU has no `{name}`, only {}",
                KNOWN.join(", ")
            )));
        }
        let wanted = |name: &str, kind: &str| wrong(format!("`{name}` of an IOU is {kind}"));
        let party = |name: &str| match entries.get(name) {
            Some(Value::Text(party) | Value::Account(party)) => Ok(secret(party)),
            _ => Err(wanted(name, "the name of an account")),
        };
        let time = |name: &str| match entries.get(name) {
            Some(Value::Time(time)) => Ok(*time),
            _ => Err(wanted(name, "a time")),
        };
        let (farmer, consumer) = (party("farmer")?, party("consumer")?);
        let amount = match entries.get("amount") {
            Some(Value::Amount(amount)) => amount.clone(),
            _ => return Err(wanted("amount", "an amount")),
        };
        let reference = match entries.get("reference") {
            None => "contract-1".to_owned(),
            Some(Value::Text(text)) => text.clone(),
            Some(_) => return Err(wanted("reference", "a text")),
        };
        let number = |name: &str, otherwise: u64| match entries.get(name) {
            None => Ok(otherwise),
            Some(Value::Int(number)) if *number >= 0 => Ok(number.unsigned_abs()),
            Some(_) => Err(wanted(name, "an int that is not negative")),
        };
        let usage = match entries.get("usage") {
            None => BTreeMap::new(),
            Some(Value::Map(usage)) => usage.clone(),
            Some(_) => return Err(wanted("usage", "a map of decimals by unit")),
        };
        let usage = usage.into_iter().map(|(unit, used)| match used {
            Value::Decimal(used) => Ok((unit, used)),
            Value::Int(used) => Ok((unit, used.into())),
            _ => Err(wanted("usage", "a map of decimals by unit")),
        });
        let usage = usage.collect::<Result<_, _>>()?;
        let (from, to) = (time("from")?, time("to")?);
        let tft_musd = number("tft_musd", 50)?;
        let next = self.number();
        let iou = Iou {
            circle: self.rehearsal.genesis().circle,
            farmer: Key::of(&farmer),
            consumer: Key::of(&consumer),
            reference,
            from,
            to,
            usage,
            price: Price {
                policy: [0; 32],
                tft_musd,
            },
            asset: amount.asset.clone(),
            amount: amount.units,
            sequence: number("sequence", next)?,
        };
        Ok(iou.sign(&farmer, &consumer))
    }
}
