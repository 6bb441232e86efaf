"""Drives the Stellar sandbox with the official Python SDK, unchanged: stellar_sandbox.py URL.

Accounts, trustlines, payments in batches, muxed accounts and memos, sequence numbers, time bounds, thresholds and weights, fee bumps,
claimable balances, error codes, pages and streams.
"""
import base64
import sys
import threading
import time
import urllib.request

from stellar_sdk import (
    Asset, Claimant, ClaimPredicate, Keypair, MuxedAccount, Network, Server, Signer, TransactionBuilder, TransactionEnvelope,
)
from stellar_sdk.exceptions import BadRequestError, NotFoundError
from stellar_sdk.xdr import TransactionResult

url = sys.argv[1]
server = Server(url)
passphrase = server.root().call()["network_passphrase"]


def builder(source, fee=100, timeout=30):
    account = server.load_account(source)
    made = TransactionBuilder(account, passphrase, base_fee=fee)
    return made.set_timeout(timeout) if timeout else made


def send(made, *signers):
    envelope = made.build()
    for signer in signers:
        envelope.sign(signer)
    return server.submit_transaction(envelope)


def refused(made, *signers):
    try:
        send(made, *signers)
    except BadRequestError as error:
        assert error.title == "Transaction Failed", error
        result = TransactionResult.from_xdr(error.extras["result_xdr"])
        assert result is not None
        return error.extras["result_codes"]
    raise AssertionError("it was not refused")


def balance(key, asset="native"):
    for entry in server.accounts().account_id(key.public_key).call()["balances"]:
        if entry.get("asset_code", "native") == asset:
            return entry["balance"]
    return None


def friend():
    key = Keypair.random()
    urllib.request.urlopen(f"{url}/friendbot?addr={key.public_key}").read()
    return key


# Accounts
issuer, alice, bob = friend(), friend(), friend()
assert balance(alice) == "10000.0000000"
try:
    server.load_account(Keypair.random().public_key)
    raise AssertionError("an account that is not there")
except NotFoundError:
    pass

# Streams: what comes later is seen by who listens already
seen = []


def listen():
    for payment in server.payments().for_account(bob.public_key).cursor("now").stream():
        seen.append(payment)
        if len(seen) == 3:
            return


listener = threading.Thread(target=listen, daemon=True)
listener.start()
time.sleep(1)

# Trustlines
tft = Asset("TFT", issuer.public_key)
assert refused(builder(issuer).append_payment_op(bob.public_key, tft, "5"), issuer) == {
    "transaction": "tx_failed", "operations": ["op_no_trust"]}
for key in (alice, bob):
    send(builder(key).append_change_trust_op(tft, limit="1000"), key)
answer = send(builder(issuer).append_payment_op(alice.public_key, tft, "900.0000001"), issuer)
assert answer["successful"] and answer["fee_charged"] == "100", answer
assert TransactionResult.from_xdr(answer["result_xdr"])
assert balance(alice, "TFT") == "900.0000001"
assert refused(builder(issuer).append_payment_op(alice.public_key, tft, "100"), issuer)["operations"] == ["op_line_full"]
assert refused(builder(alice).append_payment_op(bob.public_key, tft, "901"), alice)["operations"] == ["op_underfunded"]

# A batch of 100 payments is atomic
before = balance(alice, "TFT")
made = builder(alice)
for _ in range(99):
    made.append_payment_op(bob.public_key, tft, "0.0000001")
made.append_payment_op(Keypair.random().public_key, tft, "1")
codes = refused(made, alice)
assert codes["operations"][98:] == ["op_success", "op_no_destination"], codes
assert balance(alice, "TFT") == before
made = builder(alice)
for _ in range(100):
    made.append_payment_op(bob.public_key, tft, "0.01")
assert send(made, alice)["operation_count"] == 100
assert balance(bob, "TFT") == "1.0000000"

# Sequence numbers: a failed transaction uses its own up; the same bytes again answer as before
account = server.load_account(alice.public_key)
sequence = account.sequence
refused(builder(alice).append_payment_op(Keypair.random().public_key, Asset.native(), "1"), alice)
assert server.load_account(alice.public_key).sequence == sequence + 1
stale = TransactionBuilder(account, passphrase, base_fee=100).append_payment_op(bob.public_key, Asset.native(), "1").set_timeout(30)
assert refused(stale, alice) == {"transaction": "tx_bad_seq"}
envelope = builder(alice).append_payment_op(bob.public_key, Asset.native(), "1").build()
envelope.sign(alice)
first, again = server.submit_transaction(envelope), server.submit_transaction(envelope)
assert first["hash"] == again["hash"] == envelope.hash_hex() and first["ledger"] == again["ledger"]
assert server.transactions().transaction(envelope.hash_hex()).call()["envelope_xdr"] == envelope.to_xdr()

# Time bounds, fees, signatures
late = builder(alice, timeout=None).add_time_bounds(0, int(time.time()) - 10).append_payment_op(bob.public_key, Asset.native(), "1")
assert refused(late, alice) == {"transaction": "tx_too_late"}
early = builder(alice, timeout=None).add_time_bounds(int(time.time()) + 1000, 0).append_payment_op(bob.public_key, Asset.native(), "1")
assert refused(early, alice) == {"transaction": "tx_too_early"}
assert refused(builder(alice, fee=99).append_payment_op(bob.public_key, Asset.native(), "1"), alice) == {
    "transaction": "tx_insufficient_fee"}
assert refused(builder(alice).append_payment_op(bob.public_key, Asset.native(), "1"), bob) == {"transaction": "tx_bad_auth"}
assert refused(builder(alice).append_payment_op(bob.public_key, Asset.native(), "1"), alice, bob) == {
    "transaction": "tx_bad_auth_extra"}

# Muxed accounts and memos
muxed = MuxedAccount(bob.public_key, 77)
answer = send(builder(alice).append_payment_op(muxed, tft, "2").add_text_memo("for you"), alice)
assert (answer["memo_type"], answer["memo"]) == ("text", "for you")
payment = server.payments().for_transaction(answer["hash"]).call()["_embedded"]["records"][0]
assert (payment["to"], payment["to_muxed"], payment["to_muxed_id"]) == (bob.public_key, muxed.account_muxed, "77"), payment
listener.join(10)
assert [one["type"] for one in seen] == ["payment"] * 3 and seen[0]["amount"] == "0.0100000", seen

# Thresholds and weights: two of three
carol, dave = Keypair.random(), Keypair.random()
made = builder(bob).append_set_options_op(low_threshold=1, med_threshold=2, high_threshold=3, master_weight=1,
                                          signer=Signer.ed25519_public_key(carol.public_key, 1))
made.append_set_options_op(signer=Signer.ed25519_public_key(dave.public_key, 1))
send(made, bob)
assert refused(builder(bob).append_payment_op(alice.public_key, tft, "1"), bob) == {
    "transaction": "tx_failed", "operations": ["op_bad_auth"]}
send(builder(bob).append_payment_op(alice.public_key, tft, "1"), carol, dave)
assert refused(builder(bob).append_set_options_op(med_threshold=1), carol, dave)["operations"] == ["op_bad_auth"]
send(builder(bob).append_set_options_op(med_threshold=1), bob, carol, dave)
holders = server.accounts().for_signer(dave.public_key).call()["_embedded"]["records"]
assert [one["account_id"] for one in holders] == [bob.public_key]

# Fee bumps: the inner hash stays
inner = builder(alice).append_payment_op(bob.public_key, tft, "1").build()
inner.sign(alice)
bump = TransactionBuilder.build_fee_bump_transaction(issuer, 200, inner, passphrase)
bump.sign(issuer)
before = balance(alice)
answer = server.submit_transaction(bump)
assert answer["inner_transaction"]["hash"] == inner.hash_hex() and answer["fee_charged"] == "200", answer
# Either hash finds it, and it is called by the one that was asked for.
for hash_, signer in ((inner.hash_hex(), inner), (bump.hash_hex(), bump)):
    shown = server.transactions().transaction(hash_).call()
    assert shown["hash"] == hash_ and shown["fee_bump_transaction"]["hash"] == bump.hash_hex(), shown
    assert [base64.b64decode(one) for one in shown["signatures"]] == [signer.signatures[0].signature], shown
again = server.submit_transaction(inner)
assert again["hash"] == inner.hash_hex() and again["fee_account"] == issuer.public_key, again
assert balance(alice) == before

# A full network: what offers less than it asks waits for somebody who pays more
before = balance(alice)
urllib.request.urlopen(f"{url}/surge?fee=5000", data=b"").read()
assert server.fee_stats().call()["fee_charged"]["min"] == "5000"
low = builder(alice).append_payment_op(bob.public_key, tft, "1")
assert refused(low, alice) == {"transaction": "tx_insufficient_fee"}
inner = builder(alice).append_payment_op(bob.public_key, tft, "1").build()
inner.sign(alice)
bump = TransactionBuilder.build_fee_bump_transaction(issuer, 6000, inner, passphrase)
bump.sign(issuer)
answer = server.submit_transaction(bump)
assert answer["fee_charged"] == "10000" and answer["max_fee"] == "12000", answer
urllib.request.urlopen(f"{url}/surge?fee=100", data=b"").read()
assert balance(alice) == before

# Claimable balances: claimed by who may, reclaimed later
erin = friend()
soon = ClaimPredicate.predicate_before_relative_time(3600)
made = builder(alice).append_create_claimable_balance_op(
    tft, "3", [Claimant(erin.public_key, soon), Claimant(alice.public_key, ClaimPredicate.predicate_not(soon))])
answer = send(made, alice)
balances = server.claimable_balances().for_claimant(erin.public_key).call()["_embedded"]["records"]
assert len(balances) == 1 and balances[0]["amount"] == "3.0000000", balances
operation = server.operations().for_transaction(answer["hash"]).call()["_embedded"]["records"][0]
assert operation["balance_id"] == balances[0]["id"]
assert refused(builder(alice).append_claim_claimable_balance_op(balances[0]["id"]), alice)["operations"] == ["op_cannot_claim"]
assert refused(builder(erin).append_claim_claimable_balance_op(balances[0]["id"]), erin)["operations"] == ["op_no_trust"]
made = builder(erin).append_change_trust_op(tft).append_claim_claimable_balance_op(balances[0]["id"])
send(made, erin)
assert balance(erin, "TFT") == "3.0000000"
try:
    server.claimable_balances().claimable_balance(balances[0]["id"]).call()
    raise AssertionError("it was claimed")
except NotFoundError:
    pass

# Effects, and operations with their transactions
claimed = server.effects().for_account(erin.public_key).order(desc=True).limit(2).call()["_embedded"]["records"]
assert [one["type"] for one in claimed] == ["account_credited", "claimable_balance_claimed"], claimed
assert claimed[0]["amount"] == "3.0000000" and claimed[0]["asset_code"] == "TFT", claimed
gone = friend()
send(builder(gone).append_account_merge_op(erin.public_key), gone)
merge = server.operations().for_account(erin.public_key).join("transactions").order(desc=True).limit(1).call()["_embedded"]["records"][0]
assert merge["type"] == "account_merge" and merge["transaction"]["fee_account"] == gone.public_key, merge
effects = server.effects().for_operation(merge["id"]).call()["_embedded"]["records"]
assert [(one["type"], one["account"], one.get("amount")) for one in effects] == [
    ("account_debited", gone.public_key, "9999.9999900"), ("account_credited", erin.public_key, "9999.9999900"),
    ("account_removed", gone.public_key, None)], effects
made = server.effects().for_transaction(answer["hash"]).call()["_embedded"]["records"]
assert [one["type"] for one in made] == ["claimable_balance_created"] + ["claimable_balance_claimant_created"] * 2 + ["account_debited"], made

# Pages in both directions
found, page = [], server.payments().for_account(bob.public_key).limit(50).order(desc=False)
answer = page.call()
while answer["_embedded"]["records"]:
    found += [int(one["paging_token"]) for one in answer["_embedded"]["records"]]
    answer = page.next()
assert found == sorted(set(found)) and len(found) > 100, len(found)
newest = server.payments().for_account(bob.public_key).limit(1).order(desc=True).call()["_embedded"]["records"]
assert int(newest[0]["paging_token"]) == found[-1]
assert TransactionEnvelope.from_xdr(server.transactions().order(desc=True).limit(1).call()["_embedded"]["records"][0]["envelope_xdr"], passphrase)
assert server.fee_stats().call()["last_ledger_base_fee"] == "100"
assert server.ledgers().order(desc=True).limit(1).call()["_embedded"]["records"][0]["successful_transaction_count"] == 1
print("the Python SDK drives the sandbox")
