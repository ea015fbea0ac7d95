// The participant's scenario margin, read while the positions are shown; without [margin] nothing.
import { $, list, make, rows, say, whole } from "./kit.js";
import { amount, api, greek, state } from "./link.js";

const EVERY_MS = 2000;
let found = null, next = 0;


export async function showMargin() {
  if (!state.holdings?.has_scenario_margin || state.state !== "open" || Date.now() < next) return;
  next = Date.now() + EVERY_MS;
  try { found = await api("margin"); } catch { return; }  // the venue has just closed
  if ($("margin-panel").hidden) $("what-if-symbol").replaceChildren(...state.instruments.map((one) => make("option", one.symbol)));
  $("margin-panel").hidden = false;
  const { greeks, liquidation } = found;
  list($("margin"), [["Equity and credit", found.is_limited ? amount(found.equity) : "without a limit"], ["Maintenance", amount(found.maintenance)],
    ["Initial", amount(found.initial)], ["Initial with open orders", amount(found.with_orders)], ["Reserved for fees", amount(found.reserved)]]);
  rows($("margin-parts"), Object.entries(found.commodities), ([name]) => name, ([name, one]) => [name, amount(one.scan), whole(Number(one.active) + 1),
    amount(one.intra), amount(one.credit), amount(one.short_minimum), amount(one.addon), amount(one.maintenance),
    ...["delta", "gamma", "vega", "theta"].map((what) => greek(greeks[name]?.[what])),
    liquidation[name]?.below == null ? "never" : whole(liquidation[name].below), liquidation[name]?.above == null ? "never" : whole(liquidation[name].above)]);
}

export function setUpMargin() {
  $("what-if").addEventListener("submit", async (event) => {
    event.preventDefault();
    const symbol = encodeURIComponent($("what-if-symbol").value), lots = encodeURIComponent($("what-if-lots").value);
    try {
      const { what_if: answer } = await api(`margin?symbol=${symbol}&lots=${lots}`);
      say($("what-if-says"), `${answer.accepted ? "accepted" : "refused"}: ${amount(answer.needed)} would be needed; maintenance if it fills: ${amount(answer.maintenance_if_filled)}`);
    } catch (error) { say($("what-if-says"), error.message); }
  });
}
