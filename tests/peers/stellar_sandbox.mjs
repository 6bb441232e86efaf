// Drives the Stellar sandbox with the official JavaScript SDK, unchanged: stellar_sandbox.mjs URL.
import assert from "node:assert/strict";
import {
  Asset, BASE_FEE, Claimant, Horizon, Keypair, Memo, Operation, TransactionBuilder,
} from "@stellar/stellar-sdk";

const url = process.argv[2];
const server = new Horizon.Server(url, { allowHttp: true });
const networkPassphrase = (await server.root()).network_passphrase;

async function friend() {
  const key = Keypair.random();
  await (await fetch(`${url}/friendbot?addr=${key.publicKey()}`)).json();
  return key;
}

async function send(source, signers, ...operations) {
  const account = await server.loadAccount(source.publicKey());
  const builder = new TransactionBuilder(account, { fee: BASE_FEE, networkPassphrase }).setTimeout(30);
  operations.forEach((operation) => builder.addOperation(operation));
  const transaction = builder.addMemo(Memo.id("42")).build();
  signers.forEach((signer) => transaction.sign(signer));
  return [await server.submitTransaction(transaction), transaction];
}

async function codes(promise) {
  try {
    await promise;
  } catch (error) {
    return error.response.data.extras.result_codes;
  }
  assert.fail("it was not refused");
}

const balance = async (key, code) =>
  (await server.loadAccount(key.publicKey())).balances.find((one) => (one.asset_code ?? "XLM") === code)?.balance;

const [issuer, alice, bob] = [await friend(), await friend(), await friend()];
const tft = new Asset("TFT", issuer.publicKey());
const pay = (to, amount, asset = tft) => Operation.payment({ destination: to.publicKey(), asset, amount });

const seen = [];
const close = server.payments().forAccount(bob.publicKey()).cursor("now").stream({ onmessage: (one) => seen.push(one) });
await new Promise((resolve) => setTimeout(resolve, 500));

await send(alice, [alice], Operation.changeTrust({ asset: tft }));
await send(bob, [bob], Operation.changeTrust({ asset: tft }));
await send(issuer, [issuer], pay(alice, "1000"));
const [answer, transaction] = await send(alice, [alice], ...Array.from({ length: 100 }, () => pay(bob, "0.5")));
assert.equal(answer.successful, true);
assert.equal(answer.hash, transaction.hash().toString("hex"));
assert.equal(await balance(bob, "TFT"), "50.0000000");
assert.deepEqual(await codes(send(bob, [bob], pay(alice, "51"))), { transaction: "tx_failed", operations: ["op_underfunded"] });
assert.deepEqual(await codes(send(bob, [alice], pay(alice, "1"))), { transaction: "tx_bad_auth" });

// A fee bump by somebody else leaves the inner hash as it is.
const account = await server.loadAccount(alice.publicKey());
const inner = new TransactionBuilder(account, { fee: BASE_FEE, networkPassphrase }).addOperation(pay(bob, "1")).setTimeout(30).build();
inner.sign(alice);
const bump = TransactionBuilder.buildFeeBumpTransaction(issuer, "300", inner, networkPassphrase);
bump.sign(issuer);
await server.submitTransaction(bump);
const shown = await server.transactions().transaction(inner.hash().toString("hex")).call();
assert.equal(shown.inner_transaction.hash, inner.hash().toString("hex"));

// Claimable balances
const claimants = [new Claimant(bob.publicKey()), new Claimant(alice.publicKey(), Claimant.predicateNot(Claimant.predicateBeforeRelativeTime("60")))];
await send(alice, [alice], Operation.createClaimableBalance({ asset: tft, amount: "2", claimants }));
const waiting = (await server.claimableBalances().claimant(bob.publicKey()).call()).records;
assert.equal(waiting.length, 1);
await send(bob, [bob], Operation.claimClaimableBalance({ balanceId: waiting[0].id }));
assert.equal(await balance(bob, "TFT"), "53.0000000");

// Weights
await send(bob, [bob], Operation.setOptions({ medThreshold: 2, highThreshold: 2, signer: { ed25519PublicKey: alice.publicKey(), weight: 1 } }));
assert.deepEqual(await codes(send(bob, [bob], pay(alice, "1"))), { transaction: "tx_failed", operations: ["op_bad_auth"] });
await send(bob, [bob, alice], pay(alice, "1"));

// Pages follow their own links, and the stream has seen everything.
let page = await server.payments().forAccount(bob.publicKey()).limit(40).call();
let count = 0;
while (page.records.length > 0) {
  count += page.records.length;
  page = await page.next();
}
assert.ok(count >= 102, `${count} payments`);
await new Promise((resolve) => setTimeout(resolve, 500));
close();
assert.ok(seen.length >= 100, `${seen.length} payments were streamed`);
console.log("the JavaScript SDK drives the sandbox");
process.exit(0);
