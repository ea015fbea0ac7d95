// Checks a proof of liabilities as docs/proof.md describes it, in this browser alone.
import { derived } from "./blake3.js";

const FORMAT = "openoutcry-proof-1", CONTEXT = "Open Outcry 2026 proof of liabilities 1 ";
const DIGITS = /^(0|[1-9][0-9]{0,38})$/, SUM_END = 1n << 127n, BALANCE_END = 1n << 63n, MOST_MEMBERS = 1n << 40n;

// What does not hold; the page has a text for its code.
export class Unproved extends Error {}

function need(holds, code) {
  if (!holds) throw new Unproved(code);
}

function number(text, end, code) {
  need(typeof text === "string" && DIGITS.test(text) && BigInt(text) < end, code);
  return BigInt(text);
}

function little(value, size) {
  return Uint8Array.from({ length: size }, (_, k) => Number(value >> BigInt(8 * k) & 255n));
}

function hex(text, size, code) {
  need(typeof text === "string" && text.length === 2 * size && /^[0-9a-f]*$/.test(text), code);
  return Uint8Array.from({ length: size }, (_, k) => parseInt(text.slice(2 * k, 2 * k + 2), 16));
}

const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
const packed = (sums) => joined(...sums.map((sum) => little(sum, 16)));
const digest = (kind, ...parts) => derived(CONTEXT + kind, joined(...parts));

function named(text) {
  const bytes = new TextEncoder().encode(text);
  need(typeof text === "string" && bytes.length > 0 && bytes.length <= 64, "damaged");
  return joined(little(BigInt(bytes.length), 2), bytes);
}

function parent(left, right) {
  const sums = left.sums.map((sum, k) => sum + right.sums[k]);
  need(sums.every((sum) => sum < SUM_END), "sums");
  return { hash: digest("node", left.hash, packed(left.sums), right.hash, packed(right.sums)), sums };
}

// The root to which a leaf leads; a leaf's number says on which side it is at each level.
function rootOf(leaf, members, count) {
  let node = { hash: digest("leaf", hex(leaf.salt, 32, "damaged"), named(leaf.member), packed(leaf.balances)), sums: leaf.balances };
  const index = number(leaf.leaf_index, members, "path"), depth = members === 1n ? 0 : (members - 1n).toString(2).length;
  need(Array.isArray(leaf.siblings) && leaf.siblings.length === depth, "path");
  leaf.siblings.forEach((one, level) => {
    need(Array.isArray(one.sums) && one.sums.length === count, "sums");
    const sibling = { hash: hex(one.hash, 32, "damaged"), sums: one.sums.map((sum) => number(sum, SUM_END, "sums")) };
    node = index >> BigInt(level) & 1n ? parent(sibling, node) : parent(node, sibling);
  });
  return node;
}

function contentOf(statement, assets, sums, members) {
  const decimals = Object.values(statement.decimals).map((one) => Number(number(one, 31n, "damaged")));
  return digest("statement with decimals and time", little(number(statement.as_of_seq, 1n << 64n, "damaged"), 8), little(members, 8),
    little(BigInt(assets.length), 2), ...assets.map(named), decimals, little(number(statement.as_of_ns, BALANCE_END, "damaged"), 8),
    hex(statement.root, 32, "damaged"), packed(sums), statement.challenge ? hex(statement.challenge, 32, "damaged") : []);
}

// Give what is proven to a member: units by asset, and whether the browser could check the signature.
export async function verified(statement, leaf, member) {
  need([statement, leaf].every((one) => one && one.format === FORMAT) && statement.sums && statement.decimals, "damaged");
  need(typeof statement.root === "string" && typeof statement.challenge === "string", "damaged");
  need(leaf.member === member, "member");
  const assets = Object.keys(statement.sums), members = number(statement.members, MOST_MEMBERS + 1n, "damaged");
  need(assets.length > 0 && assets.join("\n") === Object.keys(statement.decimals).join("\n"), "damaged");
  need(Array.isArray(leaf.balances) && leaf.balances.length === assets.length, "sums");
  const balances = leaf.balances.map((one) => number(one, BALANCE_END, "sums")), sums = Object.values(statement.sums).map((one) => number(one, SUM_END, "sums"));
  const root = rootOf({ ...leaf, balances }, members, assets.length);
  need(root.sums.every((sum, k) => sum === sums[k]), "sums");
  need(root.hash.every((byte, k) => byte === parseInt(statement.root.slice(2 * k, 2 * k + 2), 16)), "root");
  const content = contentOf(statement, assets, sums, members);
  const units = Object.fromEntries(assets.map((asset, k) => [asset, balances[k].toString()]));
  let key;
  try { key = await crypto.subtle.importKey("raw", hex(statement.public_key, 32, "damaged"), "Ed25519", false, ["verify"]); } catch (problem) {
    if (problem instanceof Unproved) throw problem;
    return { units, isSigned: null }; // a browser without Ed25519, or a page without TLS
  }
  need(await crypto.subtle.verify("Ed25519", key, hex(statement.signature, 64, "damaged"), content), "signature");
  return { units, isSigned: true };
}
