"""Checks payouts with the official Stellar SDK for Python (PyPI: stellar-sdk).

Reads one JSON object per line from standard input, each with

    network_passphrase, envelope_xdr (base64), tx_hash (hex), wallet (G... or 64 hex digits),
    lines: [{"to": G... or 64 hex digits, "asset": CODE, CODE:ISSUER or XLM, "amount": decimal with 7 places}]

(other members are ignored) and prints one line for each: whether the SDK reads the envelope as a transaction of
the wallet with that hash, whether the one signature is the wallet's, and whether each operation pays what the line
of the same position says. Ends with status 1 if anything differs, or if there was nothing to check.
"""

import json
import sys
from decimal import Decimal

from stellar_sdk import Keypair, Payment, StrKey, TransactionEnvelope


def account(text):
    """The G... address of an account given by address or by hexadecimal key."""
    if len(text) == 64:
        return StrKey.encode_ed25519_public_key(bytes.fromhex(text))
    return text


def expect(what, found, expected):
    if found != expected:
        raise ValueError(f"{what} is {found}, expected {expected}")


def asset_matches(asset, text):
    if asset.is_native():
        return text in ("XLM", "native")
    return text in (asset.code, f"{asset.code}:{asset.issuer}")


def check_operation(position, operation, line):
    what = f"operation {position}"
    if not isinstance(operation, Payment):
        raise ValueError(f"{what} is a {type(operation).__name__}, expected a Payment")
    expect(f"{what} source", operation.source, None)
    expect(f"{what} destination", operation.destination.universal_account_id, account(line["to"]))
    expect(f"{what} amount", Decimal(operation.amount), Decimal(line["amount"]))
    if len(line["amount"].partition(".")[2]) != 7:
        raise ValueError(f"{what}: amount {line['amount']} is not written with 7 decimals")
    if not asset_matches(operation.asset, line["asset"]):
        raise ValueError(f"{what} asset is {operation.asset}, expected {line['asset']}")


def check(payout):
    """Raises with the first difference; returns a summary."""
    wallet = account(payout["wallet"])
    envelope = TransactionEnvelope.from_xdr(payout["envelope_xdr"], payout["network_passphrase"])
    transaction = envelope.transaction
    expect("re-encoded envelope", envelope.to_xdr(), payout["envelope_xdr"])
    expect("source", transaction.source.universal_account_id, wallet)
    expect("hash", envelope.hash_hex(), payout["tx_hash"])
    expect("number of signatures", len(envelope.signatures), 1)
    signer = Keypair.from_public_key(wallet)
    expect("signature hint", envelope.signatures[0].signature_hint, signer.signature_hint())
    signer.verify(envelope.hash(), envelope.signatures[0].signature)
    expect("number of operations", len(transaction.operations), len(payout["lines"]))
    for position, (operation, line) in enumerate(zip(transaction.operations, payout["lines"])):
        check_operation(position, operation, line)
    return f"{len(transaction.operations)} payments, sequence {transaction.sequence}"


def main():
    checked = failed = 0
    for text in sys.stdin:
        if not text.strip():
            continue
        checked += 1
        name = f"payout {checked}"
        try:
            payout = json.loads(text)
            name = payout.get("tx_hash") or name
            print(f"ok {name}: {check(payout)}")
        except Exception as error:  # every kind of refusal by the SDK is a mismatch
            failed += 1
            print(f"MISMATCH {name}: {type(error).__name__}: {error}")
    if checked == 0:
        print("MISMATCH: nothing to check on standard input")
    return 1 if failed or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
