//! Judging a complaint, so that all come to the same verdict.

use borsh::{BorshDeserialize, BorshSerialize};

use super::message::SharedSecret;
use super::share::{Address, read_share};
use super::{Complaint, Keygen, Rejection};
use crate::ceremony::group;

/// The end of a ceremony in which somebody lied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Failure {
    /// Number of the member that lied.
    pub culprit: u16,
    /// What it did.
    pub charge: Charge,
    /// Number of the member whose complaint brought it to light.
    pub complainer: u16,
    /// SHA-256 of the complaint, which is in the log and which anybody can judge again.
    pub complaint: [u8; 32],
}

/// What a member was caught at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Charge {
    /// It sent a share that its receiver cannot decrypt.
    UnreadableShare,
    /// It sent a share that contradicts its own commitments.
    WrongShare,
    /// It complained about a share that is good.
    FalseComplaint,
    /// It complained with a point that is not the shared secret.
    FalseEvidence,
}

impl Keygen {
    /// The verdict about a complaint: the one who lied, whoever that is.
    ///
    /// Errors: [`Rejection::Evidence`] if the complaint is not about messages that were posted, [`Rejection::Duplicate`]
    /// if its sender has confirmed before.
    pub(super) fn judge(
        &self,
        complainer: u16,
        complaint: &Complaint,
    ) -> Result<Failure, Rejection> {
        if self.confirmed[self.position(complainer)?].is_some() {
            return Err(Rejection::Duplicate {
                index: complainer,
                message: "confirm",
            });
        }
        let charge = self.charge(complainer, complaint)?;
        let culprit = match charge {
            Charge::UnreadableShare | Charge::WrongShare => complaint.accused,
            Charge::FalseComplaint | Charge::FalseEvidence => complainer,
        };
        let complaint = group::digest("guardian-circle/v1/keygen/complaint", complaint);
        Ok(Failure {
            culprit,
            charge,
            complainer,
            complaint,
        })
    }

    fn charge(&self, complainer: u16, complaint: &Complaint) -> Result<Charge, Rejection> {
        let accused = complaint.accused;
        let foreign = Rejection::Evidence { accused };
        let at = self.position(accused).map_err(|_| foreign.clone())?;
        let posted = self.round1[at]
            .is_some_and(|posted| posted.digest == complaint.round1.digest())
            && self.round2[at] == Some(complaint.round2.digest());
        let sealed = complaint.round2.share_for(accused, complainer);
        let (true, Some(sealed)) = (posted, sealed) else {
            return Err(foreign);
        };
        // Both were accepted in round 1, so their keys and commitments decode.
        let (Some(complainer_key), Some(accused_key), Some(commitments)) = (
            self.encryption_key(complainer)
                .and_then(|key| group::prime_order_point(&key)),
            group::prime_order_point(&complaint.round1.encryption_key),
            complaint.round1.points(),
        ) else {
            return Err(foreign);
        };
        // A component of small order would let the proof through now and then, and open the share with a wrong key.
        let Some(shared) = group::prime_order_point(&complaint.shared_secret) else {
            return Ok(Charge::FalseEvidence);
        };
        let statement = SharedSecret {
            context: &self.context,
            complainer,
            accused,
            complainer_key: &complainer_key,
            accused_key: &accused_key,
            shared: &shared,
        };
        if !statement.verify(&complaint.proof) {
            return Ok(Charge::FalseEvidence);
        }
        let address = Address {
            context: &self.context,
            sender: accused,
            receiver: complainer,
        };
        Ok(match address.open(&shared, sealed) {
            None => Charge::UnreadableShare,
            Some(share) if read_share(&share, &commitments, complainer).is_none() => {
                Charge::WrongShare
            }
            Some(_) => Charge::FalseComplaint,
        })
    }
}
