//! A ceremony in one process, for the tests of this folder: messages travel as bytes, secrets come from numbered seeds.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::keygen::{Conclusion, Keygen, Message, Participant, Phase, Received, Seed};
use super::{CeremonyId, GroupKey, KeyShare};

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn guardians(members: u8) -> Vec<[u8; 32]> {
    (1..=members).map(|number| [number; 32]).collect()
}

pub fn seed(index: u16) -> Seed {
    Seed::from_bytes([index as u8; 32])
}

/// A key generation and its participants, all honest until a test does otherwise.
pub struct Ceremony {
    pub keygen: Keygen,
    pub participants: Vec<Participant>,
    pub received: Received,
}

impl Ceremony {
    pub fn new(members: u8, threshold: u16) -> Self {
        let keygen = Keygen::new(CeremonyId([0xce; 32]), guardians(members), threshold).unwrap();
        let participant = |index| Participant::from_seed(&seed(index), &keygen, index).unwrap();
        let participants = (1..=u16::from(members)).map(participant).collect();
        Self {
            keygen,
            participants,
            received: Received::default(),
        }
    }

    pub fn participant(&self, index: u16) -> &Participant {
        &self.participants[usize::from(index) - 1]
    }

    /// Orders a message: it goes through its bytes, and is kept if accepted.
    pub fn order(
        &mut self,
        sender: u16,
        message: &Message,
    ) -> Result<super::keygen::Progress, &'static str> {
        let message = Message::decode(&message.encode()).map_err(|rejection| rejection.code())?;
        let before = self.keygen.clone();
        let progress = self
            .keygen
            .apply(sender, &message)
            .map_err(|rejection| rejection.code());
        match progress {
            Ok(_) => self.received.record(sender, message),
            Err(_) => assert_eq!(
                self.keygen, before,
                "a rejection leaves the state unchanged"
            ),
        }
        progress
    }

    /// Lets all that the present phase waits for post their honest messages of rounds 1 and 2, up to `until`.
    pub fn advance(&mut self, until: Phase) {
        while self.keygen.phase() != until {
            for index in self.keygen.waiting_for() {
                let message = match self.keygen.phase() {
                    Phase::Round1 => self.participant(index).round1(&self.keygen).unwrap(),
                    Phase::Round2 => self.participant(index).round2(&self.keygen).unwrap(),
                    phase => panic!("{phase:?} is past {until:?}"),
                };
                self.order(index, &message).unwrap();
            }
        }
    }

    pub fn conclude(&self, index: u16) -> Conclusion {
        self.participant(index)
            .conclude(&self.keygen, &self.received)
            .unwrap()
    }

    /// Plays an honest ceremony to its end.
    pub fn complete(mut self) -> (GroupKey, Vec<KeyShare>) {
        self.advance(Phase::Confirm);
        let mut shares = Vec::new();
        for index in self.keygen.waiting_for() {
            let Conclusion::Confirm { share, message } = self.conclude(index) else {
                panic!("member {index} complains about honest members");
            };
            self.order(index, &message).unwrap();
            shares.push(share);
        }
        (self.keygen.key().unwrap(), shares)
    }
}
