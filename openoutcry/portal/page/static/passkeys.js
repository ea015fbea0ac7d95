// Passkeys: what the browser makes of the portal's options, and what it answers.
import { open, post } from "./api.js";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function creation(options) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: (options.excludeCredentials || []).map((one) => ({ ...one, id: bytes(one.id) })) };
}

function asking(options) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return { ...options, challenge: bytes(options.challenge), allowCredentials: (options.allowCredentials || []).map((one) => ({ ...one, id: bytes(one.id) })) };
}

function shown(credential) {
  if (credential.toJSON) return credential.toJSON();
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
}

// ``begun``: the portal's ticket and options.
export async function createPasskey(begun, label) {
  const credential = await navigator.credentials.create({ publicKey: creation(begun.options) });
  await post("/v1/passkeys", { ticket: begun.ticket, label, credential: shown(credential) });
}

// A pair of tokens.
export async function usePasskey() {
  const begun = await open("POST", "/v1/login/passkey/begin", {});
  const credential = await navigator.credentials.get({ publicKey: asking(begun.options) });
  return open("POST", "/v1/login/passkey", { ticket: begun.ticket, credential: shown(credential) });
}
