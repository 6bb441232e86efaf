"""Checks Stellar transactions with the official Stellar SDK for Python (PyPI: stellar-sdk).

Reads one JSON object per line from standard input, each with

    network_passphrase, envelope_xdr (base64), tx_hash (hex), wallet (G... or 64 hex digits),
    lines: one for each operation, by default a payment
        {"to": G..., M... or 64 hex digits, "asset": CODE, CODE:ISSUER or XLM, "amount": decimal with 7 places}
        {"kind": "create_claimable", "to", "asset", "amount", "reclaim_after_s": unix seconds, "balance": id in hex}
        {"kind": "reclaim", "balance": id in hex}
        {"kind": "trust", "asset", "limit": decimal with 7 places}
        {"kind": "set_signer", "key": G..., "weight"}
        {"kind": "set_thresholds", "master", "low", "medium", "high"}
        {"kind": "nothing"}: the sequence number is bumped to where it was long ago

and optionally

    signers: [G...], whose signatures the envelope has, the wallet alone if not given
    memo: {"text", "id" (decimal text) or "hash" (hex)} or null
    fee_per_op_stroops, sequence (decimal text), time_bounds: [min, max] (decimal texts)
    fee_bump: {"source": G..., "fee_stroops": decimal text, "tx_hash": hex, "envelope_xdr": base64}

(other members are ignored) and prints one line for each: whether the SDK reads the envelope as a transaction of
the wallet with that hash, whether the signatures are those of the signers, whether each operation does what the line
of the same position says, whether claimable balances have the name that the SDK computes, and whether a fee bump
has that hash, source and fee. Ends with status 1 if anything differs, or if there was nothing to check.
"""

import json
import sys
from decimal import Decimal

from stellar_sdk import (
    BumpSequence,
    ChangeTrust,
    ClaimClaimableBalance,
    CreateClaimableBalance,
    FeeBumpTransactionEnvelope,
    HashMemo,
    IdMemo,
    Keypair,
    Payment,
    SetOptions,
    StrKey,
    TextMemo,
    TransactionEnvelope,
)
from stellar_sdk.operation.create_claimable_balance import ClaimPredicateType


def account(text):
    """The G... address of an account given by address or by hexadecimal key."""
    if len(text) == 64:
        return StrKey.encode_ed25519_public_key(bytes.fromhex(text))
    return text


def expect(what, found, expected):
    if found != expected:
        raise ValueError(f"{what} is {found}, expected {expected}")


def expect_amount(what, found, text):
    expect(what, Decimal(found), Decimal(text))
    if len(text.partition(".")[2]) != 7:
        raise ValueError(f"{what} {text} is not written with 7 decimals")


def expect_asset(what, asset, text):
    names = ("XLM", "native") if asset.is_native() else (asset.code, f"{asset.code}:{asset.issuer}")
    if text not in names:
        raise ValueError(f"{what} is {asset}, expected {text}")


def check_payment(what, operation, line, _):
    expect(f"{what} destination", operation.destination.universal_account_id, account(line["to"]))
    expect_amount(f"{what} amount", operation.amount, line["amount"])
    expect_asset(f"{what} asset", operation.asset, line["asset"])


def before(what, predicate):
    expect(f"{what} predicate", predicate.claim_predicate_type, ClaimPredicateType.CLAIM_PREDICATE_BEFORE_ABSOLUTE_TIME)
    return predicate.abs_before


def check_create_claimable(what, operation, line, transaction):
    expect_amount(f"{what} amount", operation.amount, line["amount"])
    expect_asset(f"{what} asset", operation.asset, line["asset"])
    payee, source = operation.claimants
    expect(f"{what} payee", payee.destination, account(line["to"]))
    expect(f"{what} second claimant", source.destination, transaction.source.universal_account_id)
    expect(f"{what} end for the payee", before(what, payee.predicate), line["reclaim_after_s"])
    negated = source.predicate
    expect(f"{what} source's predicate", negated.claim_predicate_type, ClaimPredicateType.CLAIM_PREDICATE_NOT)
    expect(f"{what} begin for the source", before(what, negated.not_predicate), line["reclaim_after_s"])
    balance = transaction.get_claimable_balance_id(transaction.operations.index(operation))
    expect(f"{what} balance", balance, "00000000" + line["balance"])


def check_reclaim(what, operation, line, _):
    expect(f"{what} balance", operation.balance_id, "00000000" + line["balance"])


def check_trust(what, operation, line, _):
    expect_asset(f"{what} asset", operation.asset, line["asset"])
    expect_amount(f"{what} limit", operation.limit, line["limit"])


OPTIONS = (
    "inflation_dest", "clear_flags", "set_flags", "master_weight", "low_threshold", "med_threshold", "high_threshold",
    "home_domain",
)


def expect_options(what, operation, **expected):
    for name in OPTIONS:
        expect(f"{what} {name}", getattr(operation, name), expected.get(name))


def check_set_signer(what, operation, line, _):
    expect_options(what, operation)
    expect(f"{what} signer", operation.signer.signer_key.encoded_signer_key, line["key"])
    expect(f"{what} weight", operation.signer.weight, line["weight"])


def check_set_thresholds(what, operation, line, _):
    expect(f"{what} signer", operation.signer, None)
    expect_options(
        what, operation, master_weight=line["master"], low_threshold=line["low"], med_threshold=line["medium"],
        high_threshold=line["high"],
    )


def check_nothing(what, operation, line, _):
    expect(f"{what} bumps to", operation.bump_to, 0)


KINDS = {
    "payment": (Payment, check_payment),
    "create_claimable": (CreateClaimableBalance, check_create_claimable),
    "reclaim": (ClaimClaimableBalance, check_reclaim),
    "trust": (ChangeTrust, check_trust),
    "set_signer": (SetOptions, check_set_signer),
    "set_thresholds": (SetOptions, check_set_thresholds),
    "nothing": (BumpSequence, check_nothing),
}


def check_operation(position, operation, line, transaction):
    what = f"operation {position}"
    kind, check_kind = KINDS[line.get("kind", "payment")]
    if type(operation) is not kind:
        raise ValueError(f"{what} is a {type(operation).__name__}, expected a {kind.__name__}")
    expect(f"{what} source", operation.source, None)
    check_kind(what, operation, line, transaction)


def check_memo(memo, expected):
    kinds = {
        TextMemo: lambda: {"text": memo.memo_text.decode()},
        IdMemo: lambda: {"id": str(memo.memo_id)},
        HashMemo: lambda: {"hash": memo.memo_hash.hex()},
    }
    expect("memo", kinds.get(type(memo), lambda: None)(), expected)


def check_signatures(envelope, signers):
    """Each signer signed once, in the order of the raw keys, and nobody else did."""
    keypairs = sorted(map(Keypair.from_public_key, signers), key=Keypair.raw_public_key)
    expect("number of signatures", len(envelope.signatures), len(keypairs))
    for signature, signer in zip(envelope.signatures, keypairs):
        expect("signature hint", signature.signature_hint, signer.signature_hint())
        signer.verify(envelope.hash(), signature.signature)


def check_fee_bump(bump, envelope, network_passphrase):
    outer = FeeBumpTransactionEnvelope.from_xdr(bump["envelope_xdr"], network_passphrase)
    expect("re-encoded fee bump", outer.to_xdr(), bump["envelope_xdr"])
    expect("fee bump hash", outer.hash_hex(), bump["tx_hash"])
    expect("fee source", outer.transaction.fee_source.universal_account_id, bump["source"])
    expect("fee of the fee bump", outer.transaction.fee, int(bump["fee_stroops"]))
    inner = outer.transaction.inner_transaction_envelope
    expect("inner envelope", inner.to_xdr(), envelope.to_xdr())
    expect("inner hash", inner.hash_hex(), envelope.hash_hex())
    check_signatures(outer, [bump["source"]])


def check(payout):
    """Raises with the first difference; returns a summary."""
    wallet = account(payout["wallet"])
    envelope = TransactionEnvelope.from_xdr(payout["envelope_xdr"], payout["network_passphrase"])
    transaction = envelope.transaction
    expect("re-encoded envelope", envelope.to_xdr(), payout["envelope_xdr"])
    expect("source", transaction.source.universal_account_id, wallet)
    expect("hash", envelope.hash_hex(), payout["tx_hash"])
    check_signatures(envelope, payout.get("signers", [wallet]))
    if "memo" in payout:
        check_memo(transaction.memo, payout["memo"])
    if "fee_per_op_stroops" in payout:
        expect("fee", transaction.fee, payout["fee_per_op_stroops"] * len(payout["lines"]))
    if "sequence" in payout:
        expect("sequence", transaction.sequence, int(payout["sequence"]))
    if "time_bounds" in payout:
        bounds = transaction.preconditions.time_bounds
        expect("time bounds", [bounds.min_time, bounds.max_time], [int(bound) for bound in payout["time_bounds"]])
    expect("number of operations", len(transaction.operations), len(payout["lines"]))
    for position, (operation, line) in enumerate(zip(transaction.operations, payout["lines"])):
        check_operation(position, operation, line, transaction)
    if "fee_bump" in payout:
        check_fee_bump(payout["fee_bump"], envelope, payout["network_passphrase"])
    bumped = ", fee bump" if "fee_bump" in payout else ""
    count = len(transaction.operations)
    return f"{count} operations, {len(envelope.signatures)} signatures, sequence {transaction.sequence}{bumped}"


def main():
    checked = failed = 0
    kinds = set()
    for text in sys.stdin:
        if not text.strip():
            continue
        checked += 1
        name = f"payout {checked}"
        try:
            payout = json.loads(text)
            name = payout.get("tx_hash") or name
            print(f"ok {name}: {check(payout)}")
            kinds.update(line.get("kind", "payment") for line in payout["lines"])
        except Exception as error:  # every kind of refusal by the SDK is a mismatch
            failed += 1
            print(f"MISMATCH {name}: {type(error).__name__}: {error}")
    if checked == 0:
        print("MISMATCH: nothing to check on standard input")
    print(f"{checked - failed} of {checked} agree; kinds of operations: {', '.join(sorted(kinds))}")
    return 1 if failed or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
