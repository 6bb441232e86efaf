//! Key ceremonies as the API tells of them: how far each is, whom it waits for, who was caught, and the public side of its key.

use std::collections::{BTreeMap, BTreeSet};

use circle::ceremonies;
use circle::ids::Key;
use circle::treasury::{self, Purpose};
use treasury_protocol::ceremony::keygen::{Abandoned, Charge, Keygen};

use crate::api::types::{At, Blamed, Ceremonies, Ceremony, CeremonyMember};
use crate::node::core::Core;
use crate::node::status::phase_name;
use crate::problem::Problem;

/// All key ceremonies, by number.
pub fn ceremonies(core: &Core) -> Result<At<Ceremonies>, Problem> {
    let rows = core.certified()?;
    // The wallets of each ceremony: those that its key signs for, or is to.
    let mut wallets: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for wallet in treasury::wallets(&rows.state)? {
        let mut of = vec![wallet.ceremony(), wallet.next_ceremony];
        for change in treasury::changes(&rows.state, &wallet.name)? {
            if let Purpose::Signers(after) = &change.purpose {
                of.push(after.ceremony());
            }
        }
        for ceremony in of.into_iter().flatten() {
            let names = wallets.entry(ceremony).or_default();
            names.insert(wallet.name.clone());
        }
    }
    let ceremony = |(number, keygen): (u64, Keygen)| {
        let of_this = wallets.get(&number).into_iter().flatten();
        describe(core, number, &keygen, of_this.cloned().collect())
    };
    let answer = Ceremonies {
        ceremonies: ceremonies::keygens(&rows.state)?
            .into_iter()
            .map(ceremony)
            .collect(),
    };
    Ok(At {
        height: rows.height,
        certified_height: rows.certified_height,
        answer,
    })
}

fn describe(core: &Core, number: u64, keygen: &Keygen, wallets: Vec<String>) -> Ceremony {
    // By key, for the numbers of a ceremony are those of the members when it began.
    let name = |index: u16| {
        let key = usize::from(index)
            .checked_sub(1)
            .and_then(|at| keygen.guardians().get(at));
        key.map_or_else(|| format!("member {index}"), |key| name_of(core, key))
    };
    let key = keygen.key();
    let members = (1..)
        .zip(keygen.guardians())
        .map(|(index, member)| CeremonyMember {
            guardian: name_of(core, member),
            key: hex::encode(member),
            verifying_share: key
                .as_ref()
                .and_then(|key| key.verifying_share(index))
                .map(hex::encode),
        });
    Ceremony {
        number,
        id: hex::encode(keygen.id().0),
        phase: phase_name(keygen.phase()).into(),
        wallets,
        threshold: keygen.threshold(),
        public: key.as_ref().map(|key| hex::encode(key.public)),
        members: members.collect(),
        waiting_for: keygen.waiting_for().into_iter().map(name).collect(),
        given_up: keygen.abandoned().map(|why| match why {
            Abandoned::Left(index) => format!("{} left the circle", name(index)),
            Abandoned::Superseded => "another ceremony was begun in its place".into(),
        }),
        blamed: keygen.failure().map(|failure| Blamed {
            guardian: name(failure.culprit),
            charge: charge(failure.charge).into(),
            complainer: name(failure.complainer),
            complaint: hex::encode(failure.complaint),
        }),
    }
}

fn name_of(core: &Core, key: &[u8; 32]) -> String {
    core.guardians().name_of(&Key(*key))
}

fn charge(charge: Charge) -> &'static str {
    match charge {
        Charge::UnreadableShare => "sent a share that cannot be decrypted",
        Charge::WrongShare => "sent a share that contradicts its own commitments",
        Charge::FalseComplaint => "complained about a share that is good",
        Charge::FalseEvidence => "complained with evidence that is false",
    }
}
