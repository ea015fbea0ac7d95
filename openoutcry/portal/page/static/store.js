// What several views share: choices that the browser keeps, the portal's offers, the account.
let kept = {};
try { kept = JSON.parse(localStorage.getItem("outcry") || "{}"); } catch { /* the defaults */ }

export const chosen = {
  get: (name, otherwise) => kept[name] ?? otherwise,
  set(name, value) {
    kept[name] = value;
    try { localStorage.setItem("outcry", JSON.stringify(kept)); } catch { /* private windows keep nothing */ }
  },
};

export const portal = JSON.parse(document.querySelector('meta[name="portal"]').content);
export const shared = { me: null, instruments: [], unread: 0, told: new Set(), placed: new Set() };
// told: orders whose end the ticket has said already; placed: orders that this page has entered.

const listeners = new Map();
export function on(event, go) {
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event).add(go);
  return () => listeners.get(event).delete(go);
}

export const emit = (event, given) => listeners.get(event)?.forEach((go) => go(given));
// Whoever has a row keeps it: the new steps and bounds are in the same object.
export function renewInstruments(rows) {
  for (const row of rows) {
    const known = instrument(row.symbol);
    if (known) Object.assign(known, row); else shared.instruments.push(row);
  }
}
export const instrument = (symbol) => shared.instruments.find((one) => one.symbol === symbol);
