//! Members that come back from a backup: they have their key share and what is public, and nothing else.

use super::{Group, MESSAGE, NINE, rng};
use crate::ceremony::KeyShare;
use crate::ceremony::sign::*;

/// The share as it comes out of an old backup.
fn restored(share: &KeyShare) -> KeyShare {
    KeyShare::from_bytes(&share.to_bytes()).unwrap()
}

#[test]
fn a_restored_member_takes_part_by_a_new_commitment_only() {
    let mut group = Group::new(&NINE, 31);
    let old = group.commitment(1);
    group.order(1, old).unwrap();
    group.commit_all(2..=7);
    // The node is lost here; its backup is older than the session. The nonces were never written anywhere.
    group.nonces.remove(&1);
    let share = restored(group.share(1));
    assert_eq!(group.signing.duty(1), Some(Duty::Share { session: 0 }));
    let sign = |group: &mut Group, seed| {
        let (nonces, message) = SigningNonces::commit(&share, &mut rng(seed)).unwrap();
        let refusal = nonces.sign(&share, group.key, &group.signing, 0, &MESSAGE);
        (refusal.unwrap_err().code(), message)
    };
    let (refusal, _) = sign(&mut group, 100);
    assert_eq!(refusal, "sign_other_nonces");
    let (refusal, fresh) = sign(&mut group, 101);
    assert_eq!(refusal, "sign_other_nonces");
    assert_eq!(
        group.order(1, old),
        Err("sign_repeated_nonces"),
        "what it committed to before cannot come back"
    );
    group.order(1, fresh).unwrap();
    assert!(group.signing.sessions()[0].is_closed());
    group.complete(&[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(group.culprits(), Vec::<u16>::new());
}

/// A machine whose whole memory was set back draws the same nonces again if its source of randomness was set back, too.
#[test]
fn nonces_that_are_drawn_again_are_refused() {
    let mut group = Group::new(&NINE, 32);
    let (nonces, first) = SigningNonces::commit(group.share(1), &mut rng(77)).unwrap();
    group.nonces.insert(1, nonces);
    group.order(1, first).unwrap();
    group.commit_all(2..=7);
    group.answer(1);
    let (_, again) = SigningNonces::commit(&restored(group.share(1)), &mut rng(77)).unwrap();
    assert_eq!(first, again);
    assert_eq!(group.order(1, again), Err("sign_repeated_nonces"));
    group.complete(&[2, 3, 4, 5, 6, 7, 8, 9]);
}

/// The equation of a second share with the same nonces would give the key share away.
#[test]
fn a_session_takes_one_share_of_a_member() {
    let mut group = Group::new(&NINE, 33);
    let (nonces, commitment) = SigningNonces::commit(group.share(1), &mut rng(78)).unwrap();
    let (copy, _) = SigningNonces::commit(group.share(1), &mut rng(78)).unwrap();
    group.order(1, commitment).unwrap();
    group.commit_all(2..=7);
    let share = nonces
        .sign(group.share(1), group.key, &group.signing, 0, &MESSAGE)
        .unwrap();
    group.order(1, share).unwrap();
    // A member that was set back to before it answered, with its nonces still in memory.
    let refusal = copy.sign(
        &restored(group.share(1)),
        group.key,
        &group.signing,
        0,
        &MESSAGE,
    );
    assert_eq!(refusal.unwrap_err().code(), "sign_not_owed");
    let before = group.signing.clone();
    for second in [
        share,
        Message::Share {
            session: 0,
            share: [9; 32],
        },
    ] {
        assert_eq!(group.order(1, second), Err("sign_not_owed"));
    }
    assert_eq!(group.signing, before);
    assert_eq!(
        group.culprits(),
        Vec::<u16>::new(),
        "a repetition is no evidence against anybody"
    );
    group.complete(&[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(group.signing.sessions().len(), 1);
}
