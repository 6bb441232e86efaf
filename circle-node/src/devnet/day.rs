//! The IOUs that a development circle bills: a batch from a file, or the shipped sample day.

use std::collections::BTreeMap;
use std::path::Path;

use circle::ids::{CircleId, Key};
use circle::iou::SignedIou;
use ed25519_zebra::SigningKey;
use threescript::value::AssetCode;

use super::document::Rejected;
use super::homes::CIRCLE;
use crate::iou_file::{self, IouFile, Party};
use crate::iou_make::{self, Request};
use crate::keyring::Keyring;
use crate::problem::Problem;

/// Fewer than a batch may hold: they share a transaction with its signatures, and a block with others.
const IOUS_PER_TRANSACTION: usize = 1000;

/// A day of usage of a few farmers and consumers.
const SAMPLE: &str = include_str!("../../sample/usage.csv");
/// The price of one TFT on that day, in mUSD.
const SAMPLE_PRICE_MUSD: i64 = 50;

/// A day's IOUs and whom they are between.
pub struct Day {
    file: IouFile,
    accounts: BTreeMap<String, SigningKey>,
}

impl Day {
    /// The batch in `ious`, whose keys are in `keys`; or the sample day, made in `directory`.
    pub fn load(
        ious: Option<&Path>,
        keys: Option<&Path>,
        directory: &Path,
    ) -> Result<Self, Problem> {
        let (sample, sample_keys) = (directory.join("sample-day.iou"), directory.join("keys"));
        let (ious, keys) = match (ious, keys) {
            (Some(ious), Some(keys)) => (ious, keys),
            _ => {
                if !sample.exists() {
                    make_sample(directory, &sample, &sample_keys)?;
                }
                (sample.as_path(), sample_keys.as_path())
            }
        };
        let file = iou_file::read(ious).map_err(|error| Problem::of("devnet.ious", error))?;
        // The names in a batch are not signed, so the keys decide who is who.
        let mut keyring = Keyring::new(keys);
        let mut accounts = BTreeMap::new();
        for Party { name, key, .. } in &file.accounts {
            let secret = *keyring
                .existing(name)
                .map_err(|error| Problem::of("devnet.keys", error))?;
            let own = Key::of(&secret);
            if own != *key {
                let reason = format!(
                    "{} says that the key of {name} is {key}, and {} holds {own}",
                    ious.display(),
                    keys.display()
                );
                return Err(Problem::new(
                    "devnet.keys",
                    reason,
                    "name the directory of keys that the batch was made with",
                ));
            }
            accounts.insert(name.clone(), secret);
        }
        Ok(Self { file, accounts })
    }

    /// Everybody who has to have an account.
    pub fn parties(&self) -> &[Party] {
        &self.file.accounts
    }

    /// The key of an account.
    pub fn key(&self, name: &str) -> Option<SigningKey> {
        self.accounts.get(name).copied()
    }

    /// The keys of everybody.
    pub fn keys(&self) -> Vec<SigningKey> {
        self.accounts.values().copied().collect()
    }

    /// How many IOUs the batch has, the malformed ones among them.
    pub fn count(&self) -> usize {
        self.file.entries.len()
    }

    /// The encoded batches that submit all IOUs in their order.
    pub fn batches(&self) -> Vec<Vec<u8>> {
        let ious: Vec<&SignedIou> = self.file.signed().collect();
        ious.chunks(IOUS_PER_TRANSACTION)
            .flat_map(|chunk| iou_file::batches(chunk.iter().copied()))
            .collect()
    }

    /// When the last window ends, Unix seconds.
    pub fn end(&self) -> i64 {
        self.file
            .signed()
            .map(|signed| signed.iou.to)
            .max()
            .unwrap_or(0)
    }

    /// What cannot even be submitted, as the circle would report it.
    pub fn malformed(&self) -> Vec<Rejected> {
        let rejected = |(entry, malformed): (&iou_file::Entry, &iou_file::Malformed)| Rejected {
            id: entry.id.clone(),
            code: malformed.code.into(),
            reason: malformed.reason.clone(),
        };
        self.file.malformed().map(rejected).collect()
    }

    /// By the ids that the circle computes, those that the batch states.
    pub fn stated_ids(&self) -> BTreeMap<String, String> {
        self.file
            .stated_ids()
            .into_iter()
            .map(|(id, stated)| (hex::encode(id), stated.to_owned()))
            .collect()
    }
}

fn make_sample(directory: &Path, out: &Path, keys: &Path) -> Result<(), Problem> {
    let usage = directory.join("sample-day.csv");
    std::fs::write(&usage, SAMPLE).map_err(|error| Problem::file("write", &usage, error))?;
    let request = Request {
        usage,
        price_musd: SAMPLE_PRICE_MUSD,
        keys: keys.into(),
        out: out.into(),
        circle: CircleId::of_name(CIRCLE),
        asset: AssetCode::new("TFT").expect("TFT is a code"),
        sequence_start: 1,
        skip_bad: false,
    };
    iou_make::make(&request, &|_, _, _| ()).map_err(|error| Problem::of("devnet.sample", error))?;
    Ok(())
}
