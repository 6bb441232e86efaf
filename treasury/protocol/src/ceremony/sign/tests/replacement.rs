//! Signers that are silent, late or gone, and how many sessions they cost.

use super::{Group, MESSAGE, NINE, TWELVE};
use crate::ceremony::sign::*;
use crate::ceremony::{GroupKey, KeyShare};

/// Lets each of the last members get into a session of its own and fall silent there, which is the most that silence can
/// cost, until those that are left sign.
fn silent_one_by_one(keys: &'static (GroupKey, Vec<KeyShare>), seed: u64) {
    let mut group = Group::new(keys, seed);
    let (members, threshold) = (group.key.members(), group.key.threshold);
    let silent = threshold + 1..=members;
    for (session, silent) in (0..).zip(silent.clone()) {
        assert_eq!(group.commit(silent), Progress::Accepted);
        // Whoever has answered the session before commits again, as patience tells it to.
        group.commit_all(1..threshold - 1);
        assert_eq!(
            group.commit(threshold - 1),
            Progress::SessionFixed { session }
        );
        for index in 1..threshold {
            assert_eq!(group.answer(index), Progress::Accepted);
        }
        assert_eq!(group.signing.waiting_for(), vec![silent]);
    }
    group.commit_all(1..=threshold);
    for index in 1..threshold {
        group.answer(index);
    }
    let Progress::Signed { signature } = group.answer(threshold) else {
        panic!("all that are left have answered")
    };
    group.check_signature(&signature);
    let failed = usize::from(members - threshold);
    assert_eq!(group.signing.sessions().len(), failed + 1);
    assert_eq!(
        group.culprits(),
        Vec::<u16>::new(),
        "silence is not cheating"
    );
}

#[test]
fn silence_costs_at_most_as_many_sessions_as_there_are_members_to_spare() {
    silent_one_by_one(&NINE, 21);
    silent_one_by_one(&TWELVE, 22);
}

#[test]
fn cheating_costs_at_most_as_many_sessions_as_there_are_members_to_spare() {
    for (keys, seed) in [(&*NINE, 23), (&*TWELVE, 24)] {
        let mut group = Group::new(keys, seed);
        let (members, threshold) = (group.key.members(), group.key.threshold);
        let honest: Vec<u16> = (1..=threshold).collect();
        for cheater in threshold + 1..=members {
            group.commit(cheater);
            group.commit_all(1..threshold);
            let Message::Share { session, mut share } = group.owed(cheater) else {
                panic!()
            };
            share[1] ^= 1;
            let bad = Message::Share { session, share };
            assert_eq!(
                group.order(cheater, bad),
                Ok(Progress::CheaterNamed { culprit: cheater })
            );
        }
        group.complete(&honest);
        let spare = usize::from(members - threshold);
        assert_eq!(group.signing.sessions().len(), spare + 1);
        assert_eq!(
            group.culprits(),
            (threshold + 1..=members).collect::<Vec<_>>()
        );
    }
}

/// A share that is late for a session that is over, right or wrong, is nobody's fault: nobody relied on it any more.
#[test]
fn a_share_for_a_session_that_is_over_is_refused_and_not_blamed() {
    let mut group = Group::new(&NINE, 25);
    group.commit_all(1..=7);
    let (of_2, of_3) = (group.owed(2), group.owed(3));
    group
        .order(
            1,
            Message::Share {
                session: 0,
                share: [1; 32],
            },
        )
        .unwrap();
    assert!(group.signing.sessions()[0].is_closed());
    assert_eq!(group.order(2, of_2), Err("sign_not_owed"));
    assert_eq!(group.order(3, of_2), Err("sign_not_owed"), "wrong and late");
    assert_eq!(group.order(3, of_3), Err("sign_not_owed"));
    group.complete(&[2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(group.culprits(), vec![1]);
    let signers = group.signing.sessions()[1].signers();
    assert!(signers.iter().any(|signer| signer.index == 3));
    assert_eq!(group.order(9, of_3), Err("sign_complete"));
}

/// The share of an old session does for that one only, and in a new session it is wrong.
#[test]
fn a_share_of_another_session_is_wrong_in_this_one() {
    let mut group = Group::new(&NINE, 26);
    group.commit_all(1..=7);
    let of_first = group.owed(2);
    group.commit(1);
    group.commit_all(2..=7);
    assert_eq!(
        group.order(2, of_first),
        Err("sign_not_owed"),
        "its session was closed by the restart of member 1"
    );
    let Message::Share { share, .. } = of_first else {
        panic!()
    };
    let renamed = Message::Share { session: 1, share };
    assert_eq!(
        group.order(2, renamed),
        Ok(Progress::CheaterNamed { culprit: 2 })
    );
}

#[test]
fn a_signer_that_left_the_circle_is_done_without() {
    // Member 3 is gone after the session was fixed, member 8 while its commitment waits for one: nothing of either is
    // ordered any more.
    let mut group = Group::new(&NINE, 27);
    group.commit_all(1..=7);
    group.commit(8);
    for index in [1, 2, 4, 5, 6, 7] {
        group.answer(index);
    }
    assert_eq!(group.signing.waiting_for(), vec![3]);
    group.complete(&[1, 2, 4, 5, 6, 7, 9]);
    assert_eq!(
        group.signing.sessions().len(),
        3,
        "each of the two held up one session"
    );
    assert_eq!(group.culprits(), Vec::<u16>::new());
}

#[test]
fn an_excluded_member_stays_excluded_whatever_it_sends() {
    let mut group = Group::new(&NINE, 28);
    group.commit_all(1..=7);
    let right = group.owed(7);
    let wrong = Message::Share {
        session: 0,
        share: [7; 32],
    };
    group.order(7, wrong).unwrap();
    for message in [right, wrong, group.commitment(7)] {
        assert_eq!(group.order(7, message), Err("sign_excluded"));
    }
    // A node that reads the stored state knows it, too.
    group.signing = borsh::from_slice(&borsh::to_vec(&group.signing).unwrap()).unwrap();
    let again = group.commitment(7);
    assert_eq!(group.order(7, again), Err("sign_excluded"));
    group.complete(&[1, 2, 3, 4, 5, 6, 8]);
    assert!(group.signing.sessions()[1].signer(7).is_none());
    let cheater = group.signing.cheaters()[0];
    let evidence = &group.signing.sessions()[cheater.session as usize];
    assert!(!evidence.share_is_valid(group.key, &MESSAGE, cheater.culprit, &cheater.share));
}

/// Shares are added up, so two that are exchanged make a good signature all the same. That is why each is judged alone.
#[test]
fn exchanged_shares_would_make_a_good_signature_and_are_noticed() {
    let mut group = Group::new(&NINE, 29);
    group.commit_all(1..=7);
    let mut honest = group.signing.clone();
    let shares: Vec<Message> = (1..=7).map(|index| group.owed(index)).collect();
    for (index, share) in (1..).zip(&shares) {
        honest.apply(group.key, index, share).unwrap();
    }
    group.check_against(&honest.signature().unwrap());
    assert_eq!(
        group.order(1, shares[1]),
        Ok(Progress::CheaterNamed { culprit: 1 })
    );
    assert_eq!(group.culprits(), vec![1]);
}
