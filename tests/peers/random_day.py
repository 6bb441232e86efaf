"""A random day of usage, rolled up by a real circle and checked from outside.

Makes a usage file, lets the `circle` binary turn it into IOUs and pay them on a ledger, then recomputes every amount from the usage file with
exact fractions (the prices and formulas of TFChain, written down here a second time on purpose), decides by itself which IOUs the
escrows cover, compares every payout line, and has the official Stellar SDK check the hash, the signature and the
operations of every envelope. Then it reads back from the circle's own Stellar ledger, by the same SDK, that every payout is there, and
that every farmer holds what its usage earned.
"""

import argparse
import csv
import json
import math
import random
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from fractions import Fraction as F
from pathlib import Path

from stellar_sdk import Asset, Server
from stellar_verify import check as check_envelope

PRICE_CU, PRICE_SU, PRICE_NU, PRICE_IP = 100_000, 50_000, 15_000, 40_000
HOUR = 3600


def half_up(value):
    return math.floor(value + F(1, 2))


def amount_units(row, price_musd):
    cru, mru, sru, hru = (F(row[name]) for name in ("cru", "mru_gib", "sru_gib", "hru_gib"))
    cu = min(max(mru / 4, cru / 2), max(mru / 8, cru), max(mru / 2, cru / 4))
    su = hru / 1200 + sru / 200
    start, end = (datetime.fromisoformat(row[name].replace("Z", "+00:00")) for name in ("from", "to"))
    seconds = int((end - start).total_seconds())
    contract = half_up((su * PRICE_SU + cu * PRICE_CU + int(row["ipv4"]) * PRICE_IP) / HOUR * seconds)
    network = half_up(F(int(row["nru_bytes"]), 10**9) * PRICE_NU / HOUR * seconds)
    return half_up(F(contract + network, price_musd * 10_000) * 10**7)


def random_rows(count, rng):
    farmers = [f"farmer{i}" for i in range(1, max(2, count // 7) + 1)]
    consumers = [f"consumer{i}" for i in range(1, max(2, count // 5) + 1)]
    day = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def size(limit):
        return rng.choice([str(rng.randrange(limit)), f"{rng.uniform(0, limit):.{rng.randrange(1, 6)}f}"])

    for number in range(count):
        start = day + timedelta(seconds=rng.randrange(12 * HOUR))
        end = start + timedelta(seconds=rng.randrange(1, 12 * HOUR))
        yield {
            "farmer": rng.choice(farmers), "consumer": rng.choice(consumers), "contract": str(1000 + number),
            "from": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "to": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "cru": size(64), "mru_gib": size(512), "sru_gib": size(4000), "hru_gib": size(20000),
            "ipv4": str(rng.randrange(3)), "nru_bytes": str(rng.randrange(10**11)),
        }


def units(text):
    whole, _, fraction = text.partition(".")
    assert len(fraction) == 7, f"{text} does not have 7 decimals"
    return int(whole) * 10**7 + int(fraction)


def settle(ious, escrow):
    """Whole IOUs by the end of their window, then id; the first that is not covered ends it for the consumer."""
    paid, owed, stopped = defaultdict(int), defaultdict(int), set()
    for iou in sorted(ious, key=lambda iou: (iou["consumer"], iou["to"], iou["id"])):
        consumer = iou["consumer"]
        if consumer in stopped or escrow[consumer] < iou["units"]:
            stopped.add(consumer)
            owed[consumer, iou["farmer"]] += iou["units"]
        else:
            escrow[consumer] -= iou["units"]
            paid[iou["farmer"]] += iou["units"]
    return paid, owed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circle", required=True, help="the circle binary")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--guardians", default="9")
    parser.add_argument("--signers", default="group", help="who signs for the wallet: group or multisig")
    parser.add_argument("--short-escrow", action="store_true", help="give some consumers less than they owe")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    price = rng.randrange(10, 200)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rows = list(random_rows(arguments.rows, rng))
        with open(folder / "usage.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        run = lambda *words: subprocess.run([arguments.circle, *map(str, words)], cwd=folder, check=True, stdout=subprocess.PIPE).stdout
        run("iou", "make", "--usage", "usage.csv", "--price-musd", price, "--keys", "keys/", "--out", "batch.iou")
        made = json.loads((folder / "batch.iou").read_text())["ious"]
        ious = []
        for row, iou in zip(rows, made, strict=True):
            expected = amount_units(row, price)
            assert units(iou["amount"]) == expected, f"{row}: {iou['amount']} made, {expected} units expected"
            ious.append({"id": iou["id"], "farmer": row["farmer"], "consumer": row["consumer"], "to": row["to"], "units": expected})
        needed = defaultdict(int)
        for iou in ious:
            needed[iou["consumer"]] += iou["units"]
        escrow = dict(needed)
        options = []
        if arguments.short_escrow:
            for consumer in sorted(needed)[::2]:
                escrow[consumer] = rng.randrange(needed[consumer] + 1)
            text = lambda value: f"{value // 10**7}.{value % 10**7:07d}"
            options = ["--escrow", ",".join(f"{name}={text(value)}" for name, value in sorted(escrow.items()))]
        options += ["--signers", arguments.signers]
        day = ["--guardians", arguments.guardians, "--ious", "batch.iou", "--keys", "keys/", *options, "--json"]
        # Without --until it stays up, and its ledger with it.
        with subprocess.Popen([arguments.circle, "devnet", *day], cwd=folder, stdout=subprocess.PIPE) as devnet:
            try:
                document = json.loads(devnet.stdout.readline())
                check(document, ious, escrow, int(arguments.guardians))
                if arguments.signers == "multisig":
                    check_owners(document)
            finally:
                devnet.send_signal(signal.SIGINT)
        assert devnet.returncode == 0, f"the circle ended with {devnet.returncode}"


def check(document, ious, escrow, guardians):
    deposits = dict(escrow)
    paid, owed = settle(ious, escrow)
    assert document["ious"] == {"submitted": len(ious), "accepted": len(ious), "rejected": []}, document["ious"]
    assert document["guardians"] == guardians and len(document["attested_by"]) == guardians, document["attested_by"]
    reported = {(entry["consumer"], entry["farmer"]): units(entry["amount"]) for entry in document["owed"]}
    assert reported == {pair: value for pair, value in owed.items() if value}, "what stays owed differs"
    lines, addresses, paying = defaultdict(int), {}, 0
    server = Server(document["chain"]["horizon"])
    for payout in document["payouts"]:
        assert payout["state"] == "settled", payout
        taken = server.transactions().transaction(payout["tx_hash"]).call()
        assert taken["successful"] and taken["ledger"] == payout["ledger"], taken
        assert taken["source_account"] == payout["wallet"] and int(taken["source_account_sequence"]) == payout["sequence"], taken
        if payout["purpose"] != "pay":
            continue
        paying += 1
        check_envelope({**payout, "signers": signers(document, payout)})
        assert taken["envelope_xdr"] == payout["envelope_xdr"], "the ledger took other bytes than the circle signed"
        for line in payout["lines"]:
            lines[line["account"]] += units(line["amount"])
            addresses[line["account"]] = line["to"]
    expected = {farmer: value for farmer, value in paid.items() if value}
    assert lines == expected, "the payout lines differ"
    tft = Asset("TFT", document["chain"]["issuer"])
    for farmer, value in expected.items():
        assert held(server, addresses[farmer], tft) == value, f"{farmer} does not hold what was paid"
    # What consumers paid in and the circle did not pay out is still in its wallet.
    [wallet] = document["wallets"]
    rest = held(server, wallet["account"], tft)
    assert rest == sum(units(holding["amount"]) for holding in wallet["holdings"]), "books and ledger differ"
    assert rest == sum(deposits.values()) - sum(expected.values()), "money is missing"
    print(
        f"    {len(ious)} IOUs, {len(lines)} farmers paid in {paying} payouts, verified and read back, {len(reported)} pairs still owe"
    )


def signers(document, payout):
    """Whose signatures the envelope of a payout carries, by address."""
    [wallet] = document["wallets"]
    keys = {owner["guardian"]: owner["address"] for owner in wallet.get("owners", [])}
    return [keys[guardian] for guardian in payout["signed_by"]] if keys else [payout["wallet"]]


def check_owners(document):
    """The guardians own the wallet's account, enough of them are asked for, and nobody else has a say."""
    [wallet] = document["wallets"]
    account = Server(document["chain"]["horizon"]).accounts().account_id(wallet["account"]).call()
    weights = {signer["key"]: signer["weight"] for signer in account["signers"]}
    assert weights.pop(wallet["account"]) == 0, "the account's own key has a say"
    owners = [owner["address"] for owner in wallet["owners"]]
    assert len(owners) == document["guardians"] and weights == dict.fromkeys(owners, 1), weights
    needed = document["guardians"] * 2 // 3 + 1
    assert wallet["owners_needed"] == needed and set(account["thresholds"].values()) == {needed}, account["thresholds"]


def held(server, address, asset):
    """What an account holds of an asset, in units of 10^-7."""
    for balance in server.accounts().account_id(address).call()["balances"]:
        if balance.get("asset_code") == asset.code and balance.get("asset_issuer") == asset.issuer:
            return units(balance["balance"])
    raise AssertionError(f"{address} does not trust {asset}")


if __name__ == "__main__":
    sys.exit(main())
