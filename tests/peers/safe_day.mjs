// A day of a development circle that pays from a Safe, read back from the chain with ethers (npm: ethers).
//
//   node safe_day.mjs PATH-OF-CIRCLE
//
// Starts the circle with an Ethereum chain of its own, and looks on that chain for everything that the circle says of itself: the Safe, its
// owners and threshold, every settled payout in the Safe's log, and what every payee holds. Ends with status 1 if anything differs.

import { spawn } from "node:child_process";
import { ethers } from "ethers";

const SAFE = [
  "function getOwners() view returns (address[])",
  "function getThreshold() view returns (uint256)",
  "function nonce() view returns (uint256)",
  "event ExecutionSuccess(bytes32 indexed txHash, uint256 payment)",
];
const TOKEN = ["function balanceOf(address) view returns (uint256)"];
// TFT has 7 decimals in the circle, 9 on this chain.
const SCALE = 100n;

function expect(what, found, expected) {
  if (String(found) !== String(expected)) throw new Error(`${what} is ${found}, expected ${expected}`);
}

/** The document that the circle prints once its day is over; it goes on running. */
function documentOf(circle) {
  return new Promise((resolve, reject) => {
    let text = "";
    circle.stdout.on("data", (chunk) => {
      text += chunk;
      try {
        resolve(JSON.parse(text));
      } catch {
        // More is coming.
      }
    });
    circle.on("exit", (code) => reject(new Error(`the circle ended with ${code}`)));
  });
}

async function check(told) {
  const { rpc, chain_id, token } = told.chain.ethereum;
  const provider = new ethers.JsonRpcProvider(rpc);
  expect("the chain", (await provider.getNetwork()).chainId, chain_id);
  const wallet = told.wallets.find((wallet) => wallet.chain === "ethereum");
  const safe = new ethers.Contract(wallet.account, SAFE, provider);
  expect("the number of owners", (await safe.getOwners()).length, told.guardians);
  expect("the threshold", await safe.getThreshold(), Math.floor((2 * told.guardians) / 3) + 1);
  const payouts = told.payouts.filter((payout) => payout.chain === "ethereum");
  if (payouts.length === 0) throw new Error("nothing was paid from the Safe");
  expect("the Safe nonce", await safe.nonce(), payouts.length);
  const due = new Map();
  for (const payout of payouts) {
    expect(`payout ${payout.id}`, payout.state, "settled");
    const hash = "0x" + payout.tx_hash;
    const logs = await safe.queryFilter(safe.filters.ExecutionSuccess(hash));
    expect(`payout ${payout.id} in the log of the Safe`, logs.length, 1);
    expect(`the block of payout ${payout.id}`, logs[0].blockNumber, payout.ledger);
    for (const line of payout.lines) {
      const units = ethers.parseUnits(line.amount, 7) * SCALE;
      due.set(line.to, (due.get(line.to) ?? 0n) + units);
    }
  }
  const coins = new ethers.Contract(token, TOKEN, provider);
  for (const [payee, units] of due) {
    expect(`what ${payee} holds`, await coins.balanceOf(payee), units);
  }
  console.log(`${payouts.length} payouts to ${due.size} payees are on the chain as the circle says`);
}

const circle = spawn(process.argv[2], ["devnet", "--ethereum", "anvil", "--json"], {
  stdio: ["ignore", "pipe", "inherit"],
});
let failed = false;
try {
  await check(await documentOf(circle));
} catch (error) {
  console.error(error.message);
  failed = true;
}
circle.removeAllListeners("exit");
circle.kill("SIGINT");
await new Promise((resolve) => (circle.exitCode === null ? circle.on("exit", resolve) : resolve()));
process.exit(failed ? 1 : 0);
