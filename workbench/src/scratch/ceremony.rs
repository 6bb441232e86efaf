//! Keys of wallets: the guardians of a scratch circle hold the real ceremony among themselves.

use circle::authority::Authority;
use circle::ceremonies::{self, KeygenDuty};
use circle::digest::digest;
use circle::treasury;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use threescript::action::{Action, Mark};
use threescript::value::Value;
use treasury_protocol::ceremony::keygen::{Conclusion, Message, Participant, Phase, Seed};

use super::{GUARDIANS, Refused, Scratch};

impl Scratch {
    /// Makes the key of a wallet, and the wallet if there is none: every guardian's messages of the ceremony in blocks, as
    /// nodes send them. A wallet that has its key stays as it is.
    pub fn wallet(&mut self, name: &str) -> Result<(), Refused> {
        self.open_wallet(name)?;
        loop {
            let mut due = Vec::new();
            for guardian in 0..GUARDIANS {
                let duties = ceremonies::keygen_duties(self.rehearsal.rows(), u32::from(guardian))?;
                due.extend(duties.into_iter().map(|duty| (guardian, duty)));
            }
            if due.is_empty() {
                break;
            }
            for (guardian, duty) in due {
                let message = self.message(guardian, &duty)?;
                let params = vec![
                    ("ceremony".to_owned(), Value::Id(duty.ceremony)),
                    ("message".to_owned(), Value::Bytes(message.encode())),
                ];
                let action = Action {
                    mark: Mark::Act,
                    actor: "ceremony".into(),
                    name: "keygen".into(),
                    params,
                };
                let who: Authority = self.rehearsal.authority(&format!("g{}", guardian + 1))?;
                let done = self.block(Some((&who, &[action])))?;
                if let Some(refused) = done.receipts.iter().find(|receipt| !receipt.is_ok()) {
                    return Err(Refused::new(&refused.code, refused.message.as_str()));
                }
            }
        }
        match treasury::wallet(self.rehearsal.rows(), name)? {
            Some(wallet) if wallet.address.is_some() => Ok(()),
            _ => Err(Refused::new(
                "wallet.no_key",
                format!("the ceremony of {name} made no key"),
            )),
        }
    }

    fn message(&mut self, guardian: u8, duty: &KeygenDuty) -> Result<Message, Refused> {
        let failed = |error: &dyn std::fmt::Display| Refused::new("ceremony", error.to_string());
        let seed = digest(
            "guardian-circle/scratch/ceremony",
            &(duty.ceremony, guardian),
        );
        let seed = Seed::random(&mut ChaCha20Rng::from_seed(seed));
        let participant = Participant::from_seed(&seed, &duty.keygen, duty.index)
            .map_err(|error| failed(&error))?;
        let message = match duty.keygen.phase() {
            Phase::Round1 => participant.round1(&duty.keygen),
            Phase::Round2 => participant.round2(&duty.keygen),
            _ => {
                let received = ceremonies::received(self.rehearsal.local(), duty.ceremony)?;
                match participant.conclude(&duty.keygen, &received) {
                    Ok(
                        Conclusion::Confirm { message, .. } | Conclusion::Complain { message, .. },
                    ) => Ok(message),
                    Err(error) => Err(error),
                }
            }
        };
        message.map_err(|error| failed(&error))
    }
}
