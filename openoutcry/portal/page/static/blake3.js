// BLAKE3 of short texts, in its mode that derives keys; docs/proof.md names its specification.
const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const BLOCK = 64, CHUNK = 1024;
const CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8, CONTEXT = 32, MATERIAL = 64;

function mix(v, a, b, c, d, x, y) {
  const turn = (value, bits) => value >>> bits | value << 32 - bits;
  for (const [word, first, second] of [[x, 16, 12], [y, 8, 7]]) {
    v[a] = v[a] + v[b] + word;
    v[d] = turn(v[d] ^ v[a], first);
    v[c] += v[d];
    v[b] = turn(v[b] ^ v[c], second);
  }
}

// The chaining value after a block of 16 words; counter: of the chunk.
function compress(chaining, words, counter, length, flags) {
  const v = new Uint32Array(16);
  v.set(chaining);
  v.set(IV.slice(0, 4), 8);
  v.set([counter, 0, length, flags], 12);
  for (let round = 0, m = words; round < 7; round += 1, m = ORDER.map((from) => m[from])) {
    for (let k = 0; k < 4; k += 1) mix(v, k, 4 + k, 8 + k, 12 + k, m[2 * k], m[2 * k + 1]);
    for (let k = 0; k < 4; k += 1) mix(v, k, 4 + (k + 1) % 4, 8 + (k + 2) % 4, 12 + (k + 3) % 4, m[8 + 2 * k], m[9 + 2 * k]);
  }
  return v.slice(0, 8).map((word, k) => word ^ v[k + 8]);
}

// The last block of a part is returned open, since only it knows whether it is the root.
function chunkOf(bytes, counter, key, flags) {
  let chaining = key;
  for (let at = 0; ; at += BLOCK) {
    const part = new Uint8Array(BLOCK), here = bytes.subarray(at, at + BLOCK), isLast = at + BLOCK >= bytes.length;
    part.set(here);
    const view = new DataView(part.buffer), words = Array.from({ length: 16 }, (_, k) => view.getUint32(4 * k, true));
    const marks = flags | (at ? 0 : CHUNK_START) | (isLast ? CHUNK_END : 0), before = chaining;
    if (isLast) return (root) => compress(before, words, counter, here.length, marks | root);
    chaining = compress(before, words, counter, BLOCK, marks);
  }
}

function treeOf(bytes, counter, key, flags) {
  if (bytes.length <= CHUNK) return chunkOf(bytes, counter, key, flags);
  let left = CHUNK;
  while (left * 2 < bytes.length) left *= 2;
  const parts = [treeOf(bytes.subarray(0, left), counter, key, flags), treeOf(bytes.subarray(left), counter + left / CHUNK, key, flags)];
  const words = parts.flatMap((part) => [...part(0)]);
  return (root) => compress(key, words, 0, BLOCK, flags | PARENT | root);
}

const bytesOf = (words) => {
  const view = new DataView(new ArrayBuffer(32));
  words.forEach((word, k) => view.setUint32(4 * k, word, true));
  return new Uint8Array(view.buffer);
};

// 32 bytes; context: a text that no other kind of content has.
export function derived(context, content) {
  const key = treeOf(new TextEncoder().encode(context), 0, Uint32Array.from(IV), CONTEXT)(ROOT);
  return bytesOf(treeOf(content, 0, key, MATERIAL)(ROOT));
}
