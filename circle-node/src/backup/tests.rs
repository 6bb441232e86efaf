//! Backups of a real ceremony: what a drill says of each, and homes that are made out of them.

use std::collections::BTreeMap;
use std::path::Path;

use circle::genesis::Genesis;
use circle::ids::Key;
use treasury_protocol::ceremony::keygen::{Conclusion, Keygen, Participant, Phase, Received, Seed};
use treasury_protocol::ceremony::{CeremonyId, KeyShare};

use super::*;
use crate::api::treasury::Wallet;
use crate::api::types::{Ceremony, CeremonyMember};
use crate::config::{Config, Home, Ordering, SecretsConfig};
use crate::genesis_file;
use crate::keyring::Keyring;
use crate::setup::{Founding, MemberFile, found};
use crate::vault::{Identity, Lock};

const MEMBERS: u16 = 9;

/// A circle of nine whose first has a home.
struct Place {
    directory: tempfile::TempDir,
    lock: Lock,
    genesis: Genesis,
}

impl Place {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::age(Identity::generate());
        let home = Home::new(directory.path().join("home"));
        let mut keyring = Keyring::locked(home.keys(), lock.clone());
        let mut others = Keyring::new(directory.path().join("others"));
        let member = |index: u16| {
            let name = format!("g{index}");
            let key = match index {
                1 => keyring.key(&name),
                _ => others.key(&name),
            };
            MemberFile {
                key: Key::of(key.unwrap()).to_string(),
                name,
                addresses: Vec::new(),
            }
        };
        let members: Vec<MemberFile> = (1..=MEMBERS).map(member).collect();
        let genesis = found(&Founding {
            name,
            circle: None,
            members: &members,
            tft_issuer: Key::of(&ed25519_zebra::SigningKey::from([99; 32])),
            tft_on_ethereum: None,
            time_ms: 1_700_000_000_000,
        })
        .unwrap();
        home.write_config(&Config {
            guardian: "g1".into(),
            listen: Vec::new(),
            api: "127.0.0.1:9800".parse().unwrap(),
            members: BTreeMap::new(),
            ordering: Ordering::default(),
            chains: Vec::new(),
            secrets: SecretsConfig::default(),
        })
        .unwrap();
        let text = genesis_file::render(&genesis, &BTreeMap::new());
        std::fs::write(home.genesis(), text).unwrap();
        std::fs::create_dir(home.secrets()).unwrap();
        Self {
            directory,
            lock,
            genesis,
        }
    }

    fn home(&self) -> Home {
        Home::new(self.directory.path().join("home"))
    }

    fn other_home(&self) -> Home {
        Home::new(self.directory.path().join("other"))
    }

    /// Holds a ceremony, keeps the share of `keeper` as the home's own, and gives what a node says of it.
    fn ceremony(&self, number: u64, keeper: u16) -> Ceremony {
        let id = CeremonyId([number as u8; 32]);
        let keys = self.genesis.members.iter().map(|member| member.key.0);
        let mut keygen = Keygen::new(id, keys.collect(), 7).unwrap();
        let seed = |index: u16| Seed::from_bytes([index as u8; 32]);
        let participants: Vec<Participant> = (1..=MEMBERS)
            .map(|index| Participant::from_seed(&seed(index), &keygen, index).unwrap())
            .collect();
        let mut received = Received::default();
        while keygen.phase() != Phase::Confirm {
            for index in keygen.waiting_for() {
                let participant = &participants[usize::from(index) - 1];
                let message = match keygen.phase() {
                    Phase::Round1 => participant.round1(&keygen),
                    _ => participant.round2(&keygen),
                }
                .unwrap();
                keygen.apply(index, &message).unwrap();
                received.record(index, message);
            }
        }
        let mut shares: Vec<KeyShare> = Vec::new();
        for index in keygen.waiting_for() {
            let participant = &participants[usize::from(index) - 1];
            let concluded = participant.conclude(&keygen, &received).unwrap();
            let Conclusion::Confirm { share, message } = concluded else {
                panic!("all are honest")
            };
            keygen.apply(index, &message).unwrap();
            shares.push(share);
        }
        let path = self
            .home()
            .secrets()
            .join(format!("share-{}", hex::encode(id.0)));
        let bytes = shares[usize::from(keeper) - 1].to_bytes();
        self.lock.write(&path, &bytes).unwrap();
        let key = keygen.key().unwrap();
        let member = |(member, share): (&circle::member::Member, &[u8; 32])| CeremonyMember {
            guardian: member.name.clone(),
            key: hex::encode(member.key.0),
            verifying_share: Some(hex::encode(share)),
        };
        Ceremony {
            number,
            id: hex::encode(id.0),
            phase: "done".into(),
            wallets: vec![format!("wallet{number}")],
            threshold: 7,
            public: Some(hex::encode(key.public)),
            members: self
                .genesis
                .members
                .iter()
                .zip(&key.verifying_shares)
                .map(member)
                .collect(),
            waiting_for: Vec::new(),
            given_up: None,
            blamed: None,
        }
    }

    fn backup(&self, ceremonies: &[Ceremony]) -> Backup {
        let made = collect(&self.home(), &self.lock, ceremonies, 1_700_000_000_000).unwrap();
        Backup::from_bytes(&made.to_bytes()).unwrap()
    }

    fn restore(&self, backup: &Backup, home: &Home) -> Result<Restored, String> {
        let secrets = SecretsConfig::default();
        restore(backup, home, &self.lock, &secrets).map_err(|problem| problem.code)
    }

    fn own_index(&self) -> u16 {
        let mut members = self.genesis.members.iter();
        members.position(|member| member.name == "g1").unwrap() as u16 + 1
    }
}

fn standings(backup: &Backup, genesis: &Genesis, ceremonies: &[Ceremony]) -> Vec<Standing> {
    standings_with(backup, genesis, ceremonies, Vec::new())
}

fn standings_with(
    backup: &Backup,
    genesis: &Genesis,
    ceremonies: &[Ceremony],
    wallets: Vec<Wallet>,
) -> Vec<Standing> {
    let members = genesis.members.iter();
    let public = Public {
        genesis: genesis.clone(),
        guardians: members
            .map(|member| (member.name.clone(), hex::encode(member.key.0)))
            .collect(),
        ceremonies: ceremonies.to_vec(),
        wallets,
    };
    let coverage = check(backup, &public);
    let standings: Vec<Standing> = coverage.rows.iter().map(|row| row.standing).collect();
    let fine = |one: &Standing| matches!(one, Standing::Covered | Standing::Pending);
    assert_eq!(coverage.complete, standings.iter().all(fine));
    standings
}

/// A wallet that g1 owns by this address, and one that it does not own.
fn owned(chain: &str, address: String) -> Vec<Wallet> {
    let wallet = |guardian: &str| {
        serde_json::json!({
            "name": "own", "chain": chain, "network": "", "account": null, "signers": "", "change": null,
            "ceremony": null, "waiting_for": [], "next_sequence": null, "holdings": [], "fees": 0,
            "check_from": [], "confirmations": 0, "paused": null, "owners_needed": 7,
            "owners": [{ "guardian": guardian, "address": address }],
        })
    };
    let read = |document| serde_json::from_value(document).unwrap();
    vec![read(wallet("g1")), read(wallet("g2"))]
}

#[test]
fn the_keys_by_which_a_guardian_owns_wallets_are_drilled() {
    use Standing::{Covered, Missing, Wrong};
    let place = Place::new("ours");
    let key = [5; 32];
    let on_stellar =
        treasury_protocol::stellar::address(&Key::of(&ed25519_zebra::SigningKey::from(key)).0);
    let on_ethereum = treasury_protocol::ethereum::OwnerKey::from_bytes(&key).unwrap();
    for (chain, file, address) in [
        ("stellar", "owner-stellar", on_stellar),
        (
            "ethereum",
            "owner-ethereum",
            on_ethereum.address().to_string(),
        ),
    ] {
        let path = place.home().secrets().join(file);
        let drill = |wanted: Standing| {
            let found = standings_with(
                &place.backup(&[]),
                &place.genesis,
                &[],
                owned(chain, address.clone()),
            );
            assert_eq!(found, [Covered, Covered, wanted], "{chain}");
        };
        drill(Missing);
        place.lock.write(&path, &[6; 32]).unwrap();
        drill(Wrong);
        place.lock.write(&path, &[6; 31]).unwrap();
        drill(Wrong);
        place.lock.write(&path, &key).unwrap();
        drill(Covered);
    }
}

#[test]
fn a_drill_says_what_is_covered_missing_and_wrong() {
    use Standing::{Covered, Missing, Pending, Wrong};
    let place = Place::new("ours");
    let index = place.own_index();
    let first = place.ceremony(1, index);
    let early = place.backup(std::slice::from_ref(&first));
    let second = place.ceremony(2, index);
    let both = [first.clone(), second.clone()];
    assert_eq!(
        standings(&early, &place.genesis, std::slice::from_ref(&first)),
        [Covered, Covered, Covered]
    );
    assert_eq!(
        standings(&early, &place.genesis, &both),
        [Covered, Covered, Covered, Missing],
        "an old backup lacks the share of a later wallet"
    );
    assert_eq!(
        standings(&place.backup(&both), &place.genesis, &both),
        [Covered, Covered, Covered, Covered]
    );
    // The share of somebody else, under this guardian's name.
    let stolen = place.ceremony(2, index % MEMBERS + 1);
    assert_eq!(
        standings(
            &place.backup(&both),
            &place.genesis,
            &[first.clone(), stolen]
        ),
        [Covered, Covered, Covered, Wrong]
    );
    let mut running = second.clone();
    (running.public, running.phase) = (None, "confirmations".into());
    assert_eq!(
        standings(&early, &place.genesis, &[first.clone(), running]),
        [Covered, Covered, Covered, Pending]
    );
    let other = Place::new("theirs");
    assert_eq!(
        standings(&early, &other.genesis, &[]),
        [Wrong, Wrong],
        "another circle, in which the key is no guardian's"
    );
    let mut keyless = place.backup(&both);
    keyless
        .secrets
        .retain(|one| !one.place.starts_with("keys/"));
    assert_eq!(standings(&keyless, &place.genesis, &[]), [Covered, Missing]);
}

#[test]
fn a_seed_is_in_no_backup_and_a_mark_is() {
    let place = Place::new("ours");
    let secrets = place.home().secrets();
    place.lock.write(&secrets.join("seed-01"), b"seed").unwrap();
    std::fs::write(secrets.join("answered-02-1"), b"").unwrap();
    let backup = place.backup(&[]);
    let places: Vec<&str> = backup
        .secrets
        .iter()
        .map(|one| one.place.as_str())
        .collect();
    assert_eq!(places, ["keys/g1.key"]);
    assert_eq!(backup.answered, ["answered-02-1"]);
}

#[test]
fn a_home_is_made_again_and_nothing_in_one_is_ever_overwritten() {
    let place = Place::new("ours");
    let ceremony = place.ceremony(1, place.own_index());
    let backup = place.backup(std::slice::from_ref(&ceremony));
    let share = place
        .home()
        .secrets()
        .join(format!("share-{}", ceremony.id));

    let home = place.other_home();
    let restored = place.restore(&backup, &home).unwrap();
    assert_eq!(restored.written.len(), 2);
    assert_eq!(restored.written.last().unwrap(), "keys/g1.key", "last");
    let read = |home: &Home, place: &str, lock: &Lock| {
        lock.read(&home.path().join(place)).unwrap().unwrap()
    };
    for one in &backup.secrets {
        assert_eq!(read(&home, &one.place, &place.lock), one.bytes);
    }
    assert_eq!(home.read_config().unwrap().guardian, "g1");
    assert_eq!(
        genesis_file::read(&home.genesis()).unwrap().digest(),
        place.genesis.digest()
    );
    // Once more changes nothing, and a lost share comes back alone.
    assert_eq!(place.restore(&backup, &home).unwrap().present.len(), 2);
    place.lock.remove(&share).unwrap();
    let again = place.restore(&backup, &place.home()).unwrap();
    assert_eq!((again.written.len(), again.present.len()), (1, 1));

    let refused = |backup: &Backup, home: &Home| place.restore(backup, home).unwrap_err();
    place.lock.write(&share, b"another share").unwrap();
    assert_eq!(refused(&backup, &place.home()), "restore.other_secret");
    assert_eq!(
        place.lock.read(&share).unwrap().unwrap().as_slice(),
        b"another share"
    );
    let theirs = Place::new("theirs");
    assert_eq!(
        refused(&theirs.backup(&[]), &place.home()),
        "restore.other_circle"
    );
    let stranger = Home::new(place.directory.path().join("stranger"));
    Keyring::new(stranger.keys()).key("eve").unwrap();
    assert_eq!(refused(&backup, &stranger), "restore.other_key");
    assert!(!Path::exists(&stranger.config()), "nothing was written");
    let mut forged = place.backup(&[]);
    forged.guardian = "g2".into();
    assert_eq!(refused(&forged, &place.other_home()), "backup.key");
    let mut mixed = place.backup(&[]);
    mixed.genesis_file = theirs.backup(&[]).genesis_file;
    assert_eq!(refused(&mixed, &place.other_home()), "backup.malformed");
}
