//! What is written reads back, whatever it is.

use proptest::prelude::*;

use super::*;

fn any_asset() -> impl Strategy<Value = Asset> {
    prop_oneof![Just(Asset::Native), any_issued()]
}

fn any_issued() -> impl Strategy<Value = Asset> {
    ("[A-Za-z0-9]{1,12}", any::<[u8; 32]>()).prop_map(|(code, issuer)| Asset::Issued {
        code: AssetCode::new(&code).unwrap(),
        issuer,
    })
}

fn any_memo() -> impl Strategy<Value = Memo> {
    prop_oneof![
        "[ -~]{0,28}".prop_map(Memo::Text),
        any::<u64>().prop_map(Memo::Id),
        any::<[u8; 32]>().prop_map(Memo::Hash)
    ]
}

fn any_destination() -> impl Strategy<Value = Destination> {
    any::<([u8; 32], Option<u64>)>().prop_map(|(key, muxed)| Destination { key, muxed })
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (any_destination(), any_asset(), 1..=i64::MAX)
            .prop_map(|(to, asset, amount)| Operation::Payment { to, asset, amount }),
        (
            any::<[u8; 32]>(),
            any_asset(),
            1..=i64::MAX,
            1..=i64::MAX as u64
        )
            .prop_map(
                |(to, asset, amount, reclaim_after_s)| Operation::CreateClaimable {
                    to,
                    asset,
                    amount,
                    reclaim_after_s
                }
            ),
        any::<[u8; 32]>().prop_map(|balance| Operation::Reclaim { balance }),
        (any_issued(), 0..=i64::MAX).prop_map(|(asset, limit)| Operation::Trust { asset, limit }),
        any::<([u8; 32], u8)>().prop_map(|(key, weight)| Operation::SetSigner { key, weight }),
        any::<[u8; 4]>().prop_map(|[master, low, medium, high]| Operation::SetThresholds {
            master,
            low,
            medium,
            high
        }),
        Just(Operation::Nothing),
    ]
}

fn any_batch() -> impl Strategy<Value = Batch> {
    let bounds = (0..u64::MAX).prop_flat_map(|min| (Just(min), min + 1..=u64::MAX));
    (
        100..10_000_000u32,
        1..=i64::MAX,
        bounds,
        prop::option::of(any_memo()),
        prop::collection::vec(any_operation(), 1..=100),
    )
        .prop_map(
            |(fee_per_op_stroops, sequence, (min, max), memo, operations)| Batch {
                source: key(7),
                fee_per_op_stroops,
                sequence,
                time_bounds: TimeBounds { min, max },
                memo,
                operations,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn envelopes_read_back(batch in any_batch(), signers in prop::collection::btree_set(1..=255u8, 1..=20)) {
        let hash = batch.hash(PUBLIC_PASSPHRASE).unwrap();
        let signatures: Vec<_> = signers.iter().map(|signer| sign(*signer, &hash)).collect();
        let mut keys: Vec<_> = signers.iter().map(|signer| key(*signer)).collect();
        let text = batch.envelope(PUBLIC_PASSPHRASE, &signatures).unwrap();
        let envelope = Envelope::parse(&text).unwrap();
        prop_assert_eq!(&envelope.batch, &batch);
        prop_assert_eq!(envelope.signers(TESTNET_PASSPHRASE, &keys), Err(StellarError::Signature));
        let found = envelope.signers(PUBLIC_PASSPHRASE, &keys).unwrap();
        keys.sort_unstable();
        prop_assert_eq!(found, keys);
        prop_assert_eq!(borsh::from_slice::<Batch>(&borsh::to_vec(&batch).unwrap()).unwrap(), batch);
    }

    #[test]
    fn fee_bumps_read_back(batch in any_batch(), more_stroops in 0..=i64::MAX / 2) {
        let inner = batch.envelope(PUBLIC_PASSPHRASE, &[sign(7, &batch.hash(PUBLIC_PASSPHRASE).unwrap())]).unwrap();
        let least_stroops = i64::from(batch.fee_per_op_stroops) * (batch.operations.len() as i64 + 1);
        let bump = fee_bump(&inner, PUBLIC_PASSPHRASE, key(3), least_stroops + more_stroops).unwrap();
        let text = bump.envelope(&sign(3, &bump.hash()).bytes).unwrap();
        prop_assert_eq!(&bump.inner().batch, &batch);
        prop_assert_eq!(FeeBump::parse(&text, PUBLIC_PASSPHRASE), Ok(bump));
        prop_assert_eq!(FeeBump::parse(&text, TESTNET_PASSPHRASE), Err(StellarError::Signature));
    }

    #[test]
    fn destinations_read_back(destination in any_destination()) {
        prop_assert_eq!(destination.to_string().parse(), Ok(destination));
    }

    #[test]
    fn no_text_makes_the_readers_fail_otherwise_than_by_an_error(text in "[A-Za-z0-9+/=]{0,400}") {
        let _ = (Envelope::parse(&text), FeeBump::parse(&text, PUBLIC_PASSPHRASE), text.parse::<Destination>());
    }

    /// Bytes of an envelope changed at one place are the same envelope's never: another batch, or other signatures, or an error.
    #[test]
    fn a_changed_byte_is_noticed(batch in any_batch(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        use stellar_xdr::{Limits, ReadXdr, TransactionEnvelope, WriteXdr};
        let signature = sign(7, &batch.hash(PUBLIC_PASSPHRASE).unwrap());
        let text = batch.envelope(PUBLIC_PASSPHRASE, &[signature]).unwrap();
        let mut bytes = TransactionEnvelope::from_xdr_base64(&text, Limits::none())
            .and_then(|envelope| envelope.to_xdr(Limits::none()))
            .unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let changed = TransactionEnvelope::from_xdr(&bytes, Limits::none())
            .and_then(|envelope| envelope.to_xdr_base64(Limits::none()));
        if let Ok(envelope) = changed.map_err(|_| ()).and_then(|text| Envelope::parse(&text).map_err(|_| ())) {
            prop_assert!(envelope.signers(PUBLIC_PASSPHRASE, &[key(7)]).is_err());
        }
    }
}
