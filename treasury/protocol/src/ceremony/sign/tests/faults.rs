use proptest::prelude::*;
use rand_chacha::rand_core::RngCore;

use super::{Group, MESSAGE, NINE, TWELVE};
use crate::ceremony::sign::*;

#[test]
fn a_wrong_share_names_its_sender_and_the_others_sign_without_it() {
    let mut group = Group::new(&NINE, 3);
    for index in 1..=9 {
        group.commit(index);
    }
    group.answer(1);
    let Message::Share { session, mut share } = group.owed(4) else {
        panic!()
    };
    share[0] ^= 1;
    assert_eq!(
        group.order(4, Message::Share { session, share }),
        Ok(Progress::CheaterNamed { culprit: 4 })
    );
    assert_eq!(
        group.signing.cheaters(),
        vec![Cheater {
            culprit: 4,
            session,
            share
        }]
    );
    let evidence = &group.signing.sessions()[0];
    assert!(evidence.is_closed());
    assert!(!evidence.share_is_valid(group.key, &MESSAGE, 4, &share));
    assert_eq!(
        group.order(4, Message::Share { session, share }),
        Err("sign_excluded")
    );
    let late = group.commitment(4);
    assert_eq!(group.order(4, late), Err("sign_excluded"));
    assert_eq!(group.signing.duty(4), None);
    assert_eq!(
        group.signing.duty(1),
        Some(Duty::Commit),
        "who answered the closed session starts anew"
    );
    assert_eq!(
        group.signing.duty(2),
        Some(Duty::Commit),
        "who owed it something, too"
    );
    assert_eq!(group.signing.waiting_for(), vec![1, 2, 3, 5, 6, 7]);
    group.complete(&[1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(group.culprits(), vec![4]);
    assert_eq!(group.signing.sessions().len(), 2);
}

#[test]
fn a_share_that_is_no_scalar_is_a_wrong_share() {
    let mut group = Group::new(&NINE, 4);
    group.commit_all(1..=7);
    let message = Message::Share {
        session: 0,
        share: [0xff; 32],
    };
    assert_eq!(
        group.order(2, message),
        Ok(Progress::CheaterNamed { culprit: 2 })
    );
}

#[test]
fn swapped_shares_name_who_sent_the_wrong_one() {
    let mut group = Group::new(&NINE, 5);
    group.commit_all(1..=9);
    let (of_2, of_3) = (group.owed(2), group.owed(3));
    assert_eq!(
        group.order(2, of_3),
        Ok(Progress::CheaterNamed { culprit: 2 })
    );
    assert_eq!(
        group.order(3, of_2),
        Err("sign_not_owed"),
        "the session is closed by then"
    );
    group.complete(&[1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(group.culprits(), vec![2]);
}

#[test]
fn silent_signers_are_replaced_and_not_blamed() {
    let mut group = Group::new(&NINE, 6);
    group.commit_all(1..=7);
    // Members 6 and 7 are in the session and fall silent; 8 and 9 take their places.
    group.complete(&[1, 2, 3, 4, 5, 8, 9]);
    assert_eq!(group.culprits(), Vec::<u16>::new());
    assert_eq!(group.signing.sessions().len(), 2);
    assert!(!group.signing.sessions()[0].is_closed());
}

#[test]
fn a_late_share_still_completes_its_session() {
    let mut group = Group::new(&NINE, 7);
    group.commit_all(1..=7);
    let late = group.owed(7);
    for index in [1, 2, 3, 4, 5, 6] {
        group.answer(index);
    }
    for index in [8, 9, 1, 2, 3, 4] {
        group.commit(index);
    }
    assert_eq!(group.commit(5), Progress::SessionFixed { session: 1 });
    assert_eq!(group.signing.waiting_for(), vec![1, 2, 3, 4, 5, 8, 9]);
    group.answer(8);
    let Ok(Progress::Signed { signature }) = group.order(7, late) else {
        panic!("late is not wrong")
    };
    group.check_signature(&signature);
}

#[test]
fn a_restarted_node_commits_anew_and_frees_the_others_of_its_session() {
    let mut group = Group::new(&NINE, 8);
    group.commit(1);
    let replaced = group.commit(1);
    assert_eq!(
        replaced,
        Progress::Accepted,
        "an open commitment is replaced, at no cost"
    );
    group.commit_all(2..=7);
    group.answer(2);
    for restart in 1..=MAX_RESTARTS {
        // All but member 3 answer; member 3 has lost its nonces each time.
        group.commit(3);
        assert!(
            group.signing.sessions().last().unwrap().is_closed(),
            "restart {restart}"
        );
        assert_eq!(group.signing.duty(2), Some(Duty::Commit));
        group.commit_all([1, 2, 4, 5, 6, 7]);
        assert_eq!(
            group.signing.duty(3),
            Some(Duty::Share {
                session: u32::from(restart)
            })
        );
    }
    let once_more = group.commitment(3);
    assert_eq!(group.order(3, once_more), Err("sign_too_many_restarts"));
    group.complete(&[1, 2, 4, 5, 6, 7, 8, 9]);
    assert_eq!(group.culprits(), Vec::<u16>::new());
}

#[test]
fn too_many_cheaters_make_a_signature_impossible() {
    let mut group = Group::new(&NINE, 15);
    for cheater in 1..=3 {
        assert!(group.signing.is_possible());
        for index in cheater..=9 {
            group.follow_duty(index, true);
            if matches!(group.signing.duty(cheater), Some(Duty::Share { .. })) {
                break;
            }
        }
        let Some(Duty::Share { session }) = group.signing.duty(cheater) else {
            panic!()
        };
        group
            .order(
                cheater,
                Message::Share {
                    session,
                    share: [1; 32],
                },
            )
            .unwrap();
    }
    assert!(!group.signing.is_possible());
    assert_eq!(group.culprits(), vec![1, 2, 3]);
}

/// How a faulty member behaves.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Silent,
    SilentAfterCommitting,
    Cheats,
    KeepsRestarting,
    PostsNoise,
}

fn any_fault() -> impl Strategy<Value = Fault> {
    use Fault::*;
    prop_oneof![
        Just(Silent),
        Just(SilentAfterCommitting),
        Just(Cheats),
        Just(KeepsRestarting),
        Just(PostsNoise)
    ]
}

impl Group {
    fn misbehave(&mut self, index: u16, fault: Fault) {
        let duty = self.signing.duty(index);
        match (fault, duty) {
            (Fault::Silent, _) | (_, None) => {}
            (Fault::PostsNoise, _) => {
                let mut bytes = [0; 65];
                self.rng.fill_bytes(&mut bytes);
                bytes[0] &= 1;
                let length = if bytes[0] == 0 { 65 } else { 37 };
                if let Ok(message) = Message::decode(&bytes[..length]) {
                    let _ = self.order(index, message);
                }
                let _ = self.order(
                    index,
                    Message::Share {
                        session: 0,
                        share: [0; 32],
                    },
                );
            }
            (_, Some(Duty::Commit | Duty::StandBy { .. })) => {
                self.commit(index);
            }
            (Fault::SilentAfterCommitting, Some(Duty::Share { .. })) => {}
            (Fault::Cheats, Some(Duty::Share { session })) => {
                let _ = self.order(
                    index,
                    Message::Share {
                        session,
                        share: [1; 32],
                    },
                );
            }
            (Fault::KeepsRestarting, Some(Duty::Share { .. })) => {
                let message = self.commitment(index);
                let _ = self.order(index, message);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever up to three of twelve members do, in whatever order messages arrive, the nine others make a signature,
    /// and none of them is ever named.
    #[test]
    fn any_threshold_of_honest_members_signs(
        seed in any::<u64>(),
        faulty in prop::collection::btree_map(1..=12u16, any_fault(), 0..=3),
        crashes in prop::collection::vec((1..=12u16, 0..60usize), 0..4),
    ) {
        let mut group = Group::new(&TWELVE, seed);
        let mut steps = 0;
        while group.signing.signature().is_none() {
            prop_assert!(steps < 20_000, "no signature; waiting for {:?}", group.signing.waiting_for());
            let index = (group.rng.next_u32() % 12) as u16 + 1;
            let impatient = group.rng.next_u32().is_multiple_of(8);
            // An honest node that crashes forgets its nonces.
            for (crashed, _) in crashes.iter().filter(|(crashed, at)| *at == steps && !faulty.contains_key(crashed)) {
                group.nonces.remove(crashed);
            }
            match faulty.get(&index) {
                Some(fault) => group.misbehave(index, *fault),
                None => { group.follow_duty(index, impatient); }
            }
            steps += 1;
        }
        group.check_signature(&group.signing.signature().unwrap());
        prop_assert!(group.culprits().iter().all(|culprit| faulty.contains_key(culprit)));
        prop_assert!(group.signing.sessions().len() <= 24, "{} sessions", group.signing.sessions().len());
    }
}
