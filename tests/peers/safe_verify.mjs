// Reads Safes and transactions, one JSON object a line, and checks each with ethers and the published contracts of Safe:
// what is at which address, what owners sign, and what is sent. Nothing here knows how the bytes came about.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { ethers } from "ethers";

const contracts = new URL("node_modules/@safe-global/", import.meta.url);
const json = (path) => JSON.parse(readFileSync(new URL(path, contracts)));
const artifact = (path) => json(`safe-smart-account/build/artifacts/contracts/${path}`);
const deployed = (name) => json(`safe-deployments/dist/assets/v1.5.0/${name}.json`).deployments.canonical.address;

const safe = new ethers.Interface(artifact("Safe.sol/Safe.json").abi);
const factory = new ethers.Interface(artifact("proxies/SafeProxyFactory.sol/SafeProxyFactory.json").abi);
const multiSend = new ethers.Interface(artifact("libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json").abi);
const proxy = artifact("proxies/SafeProxy.sol/SafeProxy.json").bytecode;
const token = new ethers.Interface(["function transfer(address to, uint256 units) returns (bool)"]);
const none = ethers.ZeroAddress;

const types = {
  SafeTx: [
    { type: "address", name: "to" },
    { type: "uint256", name: "value" },
    { type: "bytes", name: "data" },
    { type: "uint8", name: "operation" },
    { type: "uint256", name: "safeTxGas" },
    { type: "uint256", name: "baseGas" },
    { type: "uint256", name: "gasPrice" },
    { type: "address", name: "gasToken" },
    { type: "address", name: "refundReceiver" },
    { type: "uint256", name: "nonce" },
  ],
};

function same(what, found, expected) {
  if (found !== expected) throw new Error(`${what}: ${found} is not ${expected}`);
}

function checkSafe(told) {
  const singleton = deployed(told.l2 ? "safe_l2" : "safe");
  const handler = deployed("compatibility_fallback_handler");
  const setup = safe.encodeFunctionData("setup", [told.owners, told.threshold, none, "0x", handler, none, 0, none]);
  const deployment = factory.encodeFunctionData("createProxyWithNonce", [singleton, setup, told.salt]);
  const salt = ethers.keccak256(ethers.concat([ethers.keccak256(setup), told.salt]));
  const code = ethers.keccak256(ethers.concat([proxy, ethers.zeroPadValue(singleton, 32)]));
  same("the factory", told.factory, deployed("safe_proxy_factory"));
  same("the deployment", told.deployment, deployment);
  same("the address", told.address, ethers.getCreate2Address(told.factory, salt, code));
}

// What a call says has to be something that a Safe or a token understands, and nothing besides.
function checkCall(told, call) {
  if (call.data === "0x") return;
  const abi = call.to === told.safe ? safe : token;
  const understood = abi.parseTransaction({ data: call.data });
  if (!understood) throw new Error(`nobody understands ${call.data}`);
  same("the call", call.data, abi.encodeFunctionData(understood.name, understood.args));
}

function checkTransaction(told) {
  told.calls.forEach((call) => checkCall(told, call));
  const pack = ({ to, value, data }) =>
    ethers.solidityPacked(
      ["uint8", "address", "uint256", "uint256", "bytes"],
      [0, to, value, ethers.dataLength(data), data],
    );
  const [first, ...more] = told.calls;
  const what = more.length
    ? {
        to: deployed("multi_send_call_only"),
        value: 0n,
        data: multiSend.encodeFunctionData("multiSend", [ethers.concat(told.calls.map(pack))]),
        operation: 1,
      }
    : { to: first.to, value: BigInt(first.value), data: first.data, operation: 0 };
  const free = { safeTxGas: 0, baseGas: 0, gasPrice: 0, gasToken: none, refundReceiver: none };
  const domain = { chainId: told.chain_id, verifyingContract: told.safe };
  const message = { ...what, ...free, nonce: BigInt(told.safe_nonce) };
  same("the hash", told.hash, ethers.TypedDataEncoder.hash(domain, types, message));

  const sent = safe.decodeFunctionData("execTransaction", told.execution);
  const { to, value, data, operation } = what;
  const again = [to, value, data, operation, 0, 0, 0, none, none, sent.signatures];
  same("what is sent", told.execution, safe.encodeFunctionData("execTransaction", again));
  // As a Safe reads them: as many as are needed, by owners, each above the one before.
  same("the signatures", ethers.dataLength(sent.signatures), 65 * told.threshold);
  let before = 0n;
  for (let at = 0; at < told.threshold; at += 1) {
    const signature = ethers.dataSlice(sent.signatures, 65 * at, 65 * at + 65);
    const owner = ethers.recoverAddress(told.hash, signature);
    if (!told.owners.includes(owner)) throw new Error(`${owner} is not an owner`);
    if (BigInt(owner) <= before) throw new Error(`${owner} is out of order`);
    before = BigInt(owner);
  }
}

const counts = { safe: 0, transaction: 0 };
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  (told.kind === "safe" ? checkSafe : checkTransaction)(told);
  counts[told.kind] += 1;
}
if (!counts.safe || !counts.transaction) throw new Error("there was nothing to check");
console.log(`ethers agrees with ${counts.safe} Safes and ${counts.transaction} transactions`);
