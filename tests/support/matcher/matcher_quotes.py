"""Random commands among which are quotes: a mixed run, parts of which become quotes."""

from dataclasses import replace

import numpy as np

from openoutcry.wire import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.enums import Term
from tests.support.matcher.matcher_mixed import Mixed, mixed

FIRST_ID = 1 << 41
OTHER = OrderType.HIDDEN
"""A type that no quote has."""
AIMED = (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE, CommandKind.SET_EXPIRY)


def mixed_quotes(seed: int, count: int = 1200, **switches: object) -> Mixed:
    """A mixed run in which participants quote, and commands about one order often mean a side."""
    run = mixed(seed, count, **switches)
    return replace(run, orders=with_quotes(run.orders, seed))


def with_quotes(
    flow: np.ndarray, seed: int, often: float = 0.0, wrong: float = 0.0, first_id: int = FIRST_ID
) -> np.ndarray:
    """Commands of which pairs have become a TERMS and the NEW of a quote.  Each participant has a
    pair of ids in an instrument, so most quotes replace what is open of the one before.  ``often``:
    that share of the orders is, and ``wrong`` that share of the quotes.  ``first_id``: where the
    ids of quotes begin."""
    rng = np.random.default_rng([seed, 0x71756F])
    orders = flow.copy()
    share, broken = rng.choice([0.05, 0.2, 0.5]), rng.choice([0.0, 0.1])
    width, drift = int(rng.integers(1, 6)), int(rng.integers(0, 6))
    aimed = AIMED
    if often:
        share, broken, aimed = often, wrong, AIMED if wrong else AIMED[:3]
    last: dict[tuple[int, bytes], tuple[int, int]] = {}
    kind = int(rng.choice([OrderType.LIMIT, OrderType.LIMIT, OrderType.POST_ONLY]))
    quoted: list[tuple[int, bytes, int]] = []
    at = 0
    while at + 1 < len(orders):
        order = orders[at]
        if order["kind"] in aimed and quoted and rng.random() < 0.5:
            order_id, symbol, participant = quoted[-1 - int(rng.integers(0, min(len(quoted), 8)))]
            order["order_id"], order["symbol"] = order_id, symbol
            order["participant"] = participant
        if order["kind"] != CommandKind.NEW or rng.random() > share:
            at += 1
            continue
        term, new = orders[at : at + 1], orders[at + 1 : at + 2]
        pair = [first_id + 2 * int(order["participant"]) + side for side in (0, 1)]
        template, seqs = order.copy(), [int(term["seq"][0]), int(new["seq"][0])]
        edge = 2**62
        middle = int(np.clip(int(template["price_ticks"]), -edge, edge))
        middle += int(rng.integers(-drift, drift + 1))
        bid, offer = middle - int(rng.integers(0, width + 1)), middle + int(rng.integers(1, 4))
        where = int(order["participant"]), bytes(order["symbol"])
        if where in last and rng.random() < 0.3:
            bid, offer = last[where]
        last[where] = bid, offer
        if rng.random() < broken:
            bid, offer = offer, bid - int(rng.integers(0, 2)) * (bid - offer)
        sells = int(rng.integers(0, 2))
        lots = [int(rng.integers(1, 12)), int(rng.integers(0, 8))]
        prices = [offer, bid] if sells else [bid, offer]
        new[0] = template
        new["side"] = Side.SELL if sells else Side.BUY
        new["order_id"], new["aux"], new["error_code"] = pair[sells], 0, 0
        new["price_ticks"], new["qty_lots"], new["seq"] = prices[0], lots[0], seqs[1]
        new["order_type"] = kind
        tif = int(rng.choice([TimeInForce.DAY, TimeInForce.GTC]))
        new["time_in_force"] = int(template["time_in_force"]) & 0x70 | tif
        term[0] = new[0]
        term["kind"], term["order_type"], term["seq"] = CommandKind.TERMS, Term.QUOTE, seqs[0]
        term["price_ticks"], term["qty_lots"] = prices[1] if lots[1] else 0, lots[1]
        term["aux"] = pair[1 - sells]
        if rng.random() < broken:
            new["order_type"] = int(rng.choice([OrderType.LIMIT, OrderType.POST_ONLY, OTHER]))
        if rng.random() < broken:
            new["time_in_force"] = int(template["time_in_force"])
        if rng.random() < broken:
            term["aux"] = int(orders[int(rng.integers(0, len(orders)))]["order_id"])
        quoted += [
            (order_id, bytes(template["symbol"]), int(template["participant"])) for order_id in pair
        ]
        at += 2
    return orders
