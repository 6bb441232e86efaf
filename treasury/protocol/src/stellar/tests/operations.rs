//! Operations other than plain payments.

use super::*;

fn with(operation: Operation) -> impl FnOnce(&mut Batch) {
    |batch| batch.operations = vec![operation]
}

fn claimable() -> Operation {
    Operation::CreateClaimable {
        to: key(1),
        asset: tft(),
        amount: 5,
        reclaim_after_s: 1_800_000_000,
    }
}

#[test]
fn the_bytes_of_a_payment_within_an_exchange_are_these() {
    check(
        with(Operation::Payment {
            to: Destination {
                key: key(1),
                muxed: Some(u64::MAX - 1),
            },
            asset: tft(),
            amount: 7,
        }),
        expect![[r#"
            124704b022cf80e5ae661b578832d1ee9bfcc2bef3941e5be20840d8d3ad5234
            AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAAAQAAAQD//////////oqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29cAAAAAVRGVAAAAAAA/RckOFqgx1tk+3jNYC+h2ZH96/drE8WO1wLqyDXp9hgAAAAAAAAABwAAAAAAAAABFEbSLAAAAEDnuwuakhI8IdwyteePX4UnAgS0kfp5vqFh2IeHtBYBuQ0xtz91Wki8lF+0EhW/ALws5MpJ5cUh6XXnQs0jmcEJ"#]],
    );
}

#[test]
fn the_bytes_of_a_claimable_balance_are_these() {
    check(
        with(claimable()),
        expect![[r#"
        4c0549efbfc13a13b7c3a2aa565e2826db5c5b32914b70b5994cde5cf4422363
        AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAADgAAAAFURlQAAAAAAP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYYAAAAAAAAAAUAAAACAAAAAAAAAACKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAAAAQAAAAAa0nSAAAAAAAAAAAA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iwAAAADAAAAAQAAAAQAAAAAa0nSAAAAAAAAAAABFEbSLAAAAEBjRmKCV76lsfL13r6FgQ8WPcn7aGgIs+0N1/g2GD/j/21INCwumuw1zDCngFS7Xp+JN6s+Bd1RkvyE0vNKk38M"#]],
    );
    check(
        with(Operation::Reclaim {
            balance: [0xcd; 32],
        }),
        expect![[r#"
        0f0a24218e20ef9c5551af1cd4553eba724e0061f0f0346ee3b8247d333d1013
        AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAADwAAAADNzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3NzQAAAAAAAAABFEbSLAAAAEA1BQtCRAOiE++NaG7GcLN3DImh8xYEAebtxooqrQ7X+Ig6TyS8d3GpxDqVNpkEXSr8aPdH8DJQIZ9lwQtKYaMC"#]],
    );
}

#[test]
fn the_bytes_of_trust_are_these() {
    check(
        with(Operation::Trust {
            asset: tft(),
            limit: i64::MAX,
        }),
        expect![[r#"
            546cbce0f195614bdbd2257057ad59c68b85eb1df9079c1710c9743f9e861e98
            AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAABgAAAAFURlQAAAAAAP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYYf/////////8AAAAAAAAAARRG0iwAAABAqmfsXzii6k2N3eONoFwzBAOk7OIbC9LZrzPYVqx6LGie4pPUdfTP0pUoUXDwFjInLaqTrM6qOw58HIjq4McZAg=="#]],
    );
}

#[test]
fn the_bytes_of_signers_and_thresholds_are_these() {
    check(
        |batch| {
            batch.operations = vec![
                Operation::SetSigner {
                    key: key(1),
                    weight: 1,
                },
                Operation::SetSigner {
                    key: key(2),
                    weight: 0,
                },
                Operation::SetThresholds {
                    master: 0,
                    low: 1,
                    medium: 2,
                    high: 255,
                },
            ];
        },
        expect![[r#"
            b29d019901545875d0cd4fbe3c5bac665f8855a027312f60c5ad8f4c5945d579
            AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAASwAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAMAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAACKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAAAAEAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAACBOXcOqH0XX1ajVGbDTH7My42KkbTuN6Jd9g9bj8mzlAAAAAAAAAAAAAAABQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAQAAAAEAAAABAAAAAgAAAAEAAAD/AAAAAAAAAAAAAAAAAAAAARRG0iwAAABAoemoJKV0nKV/anHVDn4+irwCEkTunbedNBem7peuX3fTRvNPuCYfgBDl6br9bM/XvQRGQF8UnYNw1DwVTWXrBg=="#]],
    );
}

#[test]
fn the_bytes_of_nothing_are_these() {
    check(
        |batch| batch.operations = vec![Operation::Nothing],
        expect![[r#"
            4b8fceaad7d6a188c3444f31c8316d2eecc030b0a27755c28acd764f2743ddff
            AAAAAgAAAADqSmxj4pxSCr71UHsTLsX5lUd2rr6+e5JCHuppFEbSLAAAAGQAAAAAAAAAKgAAAAEAAAAAAAAAAAAAAABlU/EAAAAAAAAAAAEAAAAAAAAACwAAAAAAAAAAAAAAAAAAAAEURtIsAAAAQLgGgEjtpZKfRskdJLr9BfacrQIrOpMiuZXpMNVgTEYXfq/+DFLeR2Vis9Dpeahlro6tSlMzS4ua0fKgTwq1kwc="#]],
    );
}

#[test]
fn a_claimable_balance_is_named_by_account_sequence_and_position() {
    let mut batch = batch();
    batch.operations = vec![claimable(), batch.operations[0].clone(), claimable()];
    let name = |batch: &Batch, position| batch.claimable_id(position).map(hex::encode);
    expect!["00ad0564b5d6fcf1bfd5d274f3fccce26f97945064563ca4470138ac6dd6ceb0"]
        .assert_eq(&name(&batch, 0).unwrap());
    expect!["bc26bd084783dd557caae8d90f325a1d085520d5eee6388876fa2ab7e142d292"]
        .assert_eq(&name(&batch, 2).unwrap());
    expect!["operation 1 is nothing that creates a claimable balance"]
        .assert_eq(&name(&batch, 1).unwrap_err().to_string());
    expect!["operation 3 is nothing that creates a claimable balance"]
        .assert_eq(&name(&batch, 3).unwrap_err().to_string());
    batch.sequence += 1;
    expect!["1359ab1a2e813c182e3af65cbcf19d69339dfc4b04d120f1726583f3210e4819"]
        .assert_eq(&name(&batch, 0).unwrap());
}

#[test]
fn what_the_network_refuses_of_any_account_has_no_bytes() {
    check(
        |batch| {
            batch.operations = vec![claimable()];
            set_amount(batch, 0);
        },
        expect!["stellar_amount: operation 0 is of 0 units; an amount must be positive"],
    );
    let claimable = |to, reclaim_after_s| Operation::CreateClaimable {
        to,
        asset: tft(),
        amount: 1,
        reclaim_after_s,
    };
    check(
        with(claimable(key(7), 1)),
        expect![
            "stellar_operation: operation 0 is a claimable balance for its own source; pay or keep it"
        ],
    );
    check(
        with(claimable(key(1), 0)),
        expect![
            "stellar_operation: operation 0 is a claimable balance without a time that its payee has; give unix seconds"
        ],
    );
    check(
        with(claimable(key(1), 1 << 63)),
        expect![
            "stellar_operation: operation 0 is a claimable balance without a time that its payee has; give unix seconds"
        ],
    );
    let trust = |asset, limit| Operation::Trust { asset, limit };
    check(
        with(trust(Asset::Native, 1)),
        expect!["stellar_operation: operation 0 is trust in XLM, which needs none"],
    );
    check(
        with(trust(tft(), -1)),
        expect!["stellar_operation: operation 0 is a negative limit of trust; use 0 to end trust"],
    );
    let own = Asset::Issued {
        code: AssetCode::new("OWN").unwrap(),
        issuer: key(7),
    };
    check(
        with(trust(own, 1)),
        expect![
            "stellar_operation: operation 0 is trust of the account in itself, which needs none"
        ],
    );
    check(
        with(Operation::SetSigner {
            key: key(7),
            weight: 1,
        }),
        expect![
            "stellar_operation: operation 0 is a signer that is the account itself; set the master weight instead"
        ],
    );
}

#[test]
fn operations_that_a_batch_does_not_have_are_refused() {
    use stellar_xdr as xdr;
    let refusal = |operation: Operation, change: &dyn Fn(&mut xdr::OperationBody)| {
        let mut batch = batch();
        batch.operations = vec![operation];
        refused(&batch, |tx| {
            let mut operation = tx.operations[0].clone();
            change(&mut operation.body);
            tx.operations = vec![operation].try_into().unwrap();
        })
    };
    let of_claimable = |change: &dyn Fn(&mut Vec<xdr::ClaimantV0>)| {
        refusal(claimable(), &|body| {
            let xdr::OperationBody::CreateClaimableBalance(create) = body else {
                unreachable!("it creates one")
            };
            let claimants = create.claimants.iter();
            let mut claimants = claimants
                .map(|xdr::Claimant::ClaimantTypeV0(claimant)| claimant.clone())
                .collect();
            change(&mut claimants);
            let claimants = claimants.into_iter().map(xdr::Claimant::ClaimantTypeV0);
            create.claimants = claimants.collect::<Vec<_>>().try_into().unwrap();
        })
    };
    expect![
        "not the envelope of a batch: a claimable balance is not for a payee and then its source"
    ]
    .assert_eq(&of_claimable(&|claimants| drop(claimants.pop())));
    expect!["not the envelope of a batch: a claimable balance does not end at a fixed time"]
        .assert_eq(&of_claimable(&|claimants| {
            claimants[0].predicate = xdr::ClaimPredicate::Unconditional;
        }));
    // A time of its own for the source would leave a gap, or an overlap in which both may claim.
    expect!["not the envelope of a batch: it says more than a batch can"].assert_eq(&of_claimable(
        &|claimants| {
            claimants[1].predicate = xdr::ClaimPredicate::Unconditional;
        },
    ));
    expect!["not the envelope of a batch: a claimable balance does not end at a fixed time"]
        .assert_eq(&of_claimable(&|claimants| claimants.swap(0, 1)));
    let of_thresholds = |change: &dyn Fn(&mut xdr::SetOptionsOp)| {
        let thresholds = Operation::SetThresholds {
            master: 1,
            low: 1,
            medium: 1,
            high: 1,
        };
        refusal(thresholds, &|body| {
            let xdr::OperationBody::SetOptions(options) = body else {
                unreachable!("it sets options")
            };
            change(options);
        })
    };
    expect![
        "not the envelope of a batch: it sets options that are no signer and not all thresholds"
    ]
    .assert_eq(&of_thresholds(&|options| options.high_threshold = None));
    expect!["not the envelope of a batch: a weight is over 255"]
        .assert_eq(&of_thresholds(&|options| options.master_weight = Some(256)));
    expect!["not the envelope of a batch: it says more than a batch can"]
        .assert_eq(&of_thresholds(&|options| options.set_flags = Some(1)));
    expect!["not the envelope of a batch: it says more than a batch can"].assert_eq(
        &of_thresholds(&|options| {
            options.signer = Some(xdr::Signer {
                key: xdr::SignerKey::Ed25519(xdr::Uint256(key(1))),
                weight: 1,
            });
        }),
    );
    expect!["not the envelope of a batch: it sets a signer that is no ed25519 key"].assert_eq(
        &of_thresholds(&|options| {
            options.signer = Some(xdr::Signer {
                key: xdr::SignerKey::HashX(xdr::Uint256([1; 32])),
                weight: 1,
            });
        }),
    );
    expect!["not the envelope of a batch: an operation is of a kind that batches do not have"]
        .assert_eq(&refusal(claimable(), &|body| {
            *body = xdr::OperationBody::Inflation;
        }));
}

/// As the state of a circle holds them.
#[test]
fn the_stored_bytes_of_each_operation_are_these() {
    let stored = |operation: Operation| hex::encode(borsh::to_vec(&operation).unwrap());
    let payment = |muxed| Operation::Payment {
        to: Destination {
            key: [1; 32],
            muxed,
        },
        asset: Asset::Native,
        amount: 2,
    };
    expect![
        "00010101010101010101010101010101010101010101010101010101010101010100000200000000000000"
    ]
    .assert_eq(&stored(payment(None)));
    expect!["000101010101010101010101010101010101010101010101010101010101010101010300000000000000000200000000000000"].assert_eq(&stored(payment(Some(3))));
    let asset = Asset::Issued {
        code: AssetCode::new("TFT").unwrap(),
        issuer: [4; 32],
    };
    expect!["0101010101010101010101010101010101010101010101010101010101010101010103000000544654040404040404040404040404040404040404040404040404040404040404040402000000000000000500000000000000"].assert_eq(&stored(Operation::CreateClaimable {
        to: [1; 32],
        asset: asset.clone(),
        amount: 2,
        reclaim_after_s: 5,
    }));
    expect!["020606060606060606060606060606060606060606060606060606060606060606"]
        .assert_eq(&stored(Operation::Reclaim { balance: [6; 32] }));
    expect!["03010300000054465404040404040404040404040404040404040404040404040404040404040404040700000000000000"].assert_eq(&stored(Operation::Trust { asset, limit: 7 }));
    expect!["04080808080808080808080808080808080808080808080808080808080808080809"].assert_eq(
        &stored(Operation::SetSigner {
            key: [8; 32],
            weight: 9,
        }),
    );
    expect!["050a0b0c0d"].assert_eq(&stored(Operation::SetThresholds {
        master: 10,
        low: 11,
        medium: 12,
        high: 13,
    }));
    let mut batch = batch();
    batch.memo = Some(Memo::Text("m".to_owned()));
    expect!["ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c640000002a00000000000000000000000000000000f15365000000000100010000006d01000000008a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c000103000000544654fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f61800dd0ee902000000"].assert_eq(&hex::encode(borsh::to_vec(&batch).unwrap()));
}
