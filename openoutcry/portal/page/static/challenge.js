// A proof of work (ALTCHA, PBKDF2): the first counter whose key begins as the challenge says.
const hex = (bytes) => [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
const bytes = (text) => Uint8Array.from(text.match(/../g) || [], (one) => parseInt(one, 16));

export async function solve(challenge) {
  const { nonce, salt, cost, keyLength, keyPrefix, algorithm } = challenge.parameters;
  const hash = algorithm.split("/")[1], head = bytes(nonce), saltBytes = bytes(salt);
  for (let counter = 0; counter < 2 ** 32; counter += 1) {
    const word = new Uint8Array(head.length + 4);
    word.set(head);
    new DataView(word.buffer).setUint32(head.length, counter);
    const key = await crypto.subtle.importKey("raw", word, "PBKDF2", false, ["deriveBits"]);
    const bits = await crypto.subtle.deriveBits({ name: "PBKDF2", hash, salt: saltBytes, iterations: cost }, key, keyLength * 8);
    const derivedKey = hex(new Uint8Array(bits));
    if (derivedKey.startsWith(keyPrefix)) return btoa(JSON.stringify({ challenge, solution: { counter, derivedKey } }));
  }
  throw new Error("no solution");
}
