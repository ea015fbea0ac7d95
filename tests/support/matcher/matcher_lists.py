"""Random commands among which are lists of orders: a mixed run, parts of which become lists."""

from dataclasses import replace

import numpy as np

from openoutcry.wire import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.enums import LEGS_SHIFT, Contingency, InstrumentOption, Term
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.order_types import LEGS, RESTING_LEGS, STOPS
from tests.support.matcher.matcher_mixed import Mixed, mixed

SIZES = {
    Contingency.OCO: (2, 2, 3),
    Contingency.OUO: (2,),
    Contingency.OTO: (2, 2, 3, 4),
    Contingency.OTOCO: (3, 3, 4),
    Contingency.OTOUO: (3,),
}
FIRST_ID = 1 << 40
SWEEPS = int(CommandKind.MASS_CANCEL), int(CommandKind.DISCONNECT)
AIMED = (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE, CommandKind.SET_EXPIRY)


def mixed_lists(seed: int, count: int = 1200, **switches: object) -> Mixed:
    """A mixed run in which lists come, and commands about one order often mean a leg."""
    run = mixed(seed, count, **switches)
    return replace(run, orders=with_lists(run.orders, seed))


def lists_that_wait(seed: int, count: int = 700) -> Mixed:
    """A mixed run with many lists, mostly of one participant, in which market orders may wait, and
    participants often cancel all that they have."""
    run, rng = mixed(seed, count), np.random.default_rng([seed, 0x77])
    instruments, orders = run.instruments.copy(), run.orders.copy()
    instruments["options"] &= ~np.uint32(InstrumentOption.MARKET_REST_STAYS)
    instruments["options"] |= np.uint32(InstrumentOption.MARKET_WAITS)
    orders["participant"][rng.random(len(orders)) < 0.6] = 1
    sweeps = rng.random(len(orders)) < 0.02
    orders["kind"][sweeps] = rng.choice(list(SWEEPS), int(sweeps.sum()))
    orders["aux"][sweeps] = orders["error_code"][sweeps] = 0
    return replace(run, instruments=instruments, orders=with_lists(orders, seed, 0.3))


def with_lists(flow: np.ndarray, seed: int, often: float = 0.0) -> np.ndarray:
    """Commands of which parts have become lists; ``often``: that share of the orders, without a
    leg that is missing."""
    rng = np.random.default_rng([seed, 0x6C6973])
    orders = flow.copy()
    first_id = int(rng.choice([FIRST_ID, LEG_ORDER_IDS]))
    at, next_id = 0, first_id + int(rng.integers(0, 1 << 20))
    share, broken = rng.choice([0.02, 0.06, 0.15]), rng.choice([0.0, 0.1])
    if often:
        share, broken = often, 0.0
    legs_open: list[tuple[int, int]] = []
    while at < len(orders):
        kind = orders[at]["kind"]
        if kind in AIMED and legs_open and rng.random() < 0.7:
            order_id, by = legs_open[-1 - int(rng.integers(0, min(len(legs_open), 12)))]
            orders[at]["order_id"], orders[at]["symbol"] = order_id, orders[by]["symbol"]
            orders[at]["participant"] = orders[by]["participant"]
        if kind != CommandKind.NEW or rng.random() > share:
            at += 1
            continue
        contingency = Contingency(int(rng.integers(1, 6)))
        legs = int(rng.choice(SIZES[contingency]))
        if at + 2 * legs > len(orders):
            break
        ids = [next_id + leg for leg in range(legs)]
        next_id += legs
        template = orders[at].copy()
        spot = at
        for leg, order_id in enumerate(ids, 1):
            if rng.random() < broken:
                spot += 2
                continue
            term, new = orders[spot : spot + 1], orders[spot + 1 : spot + 2]
            seqs = int(term["seq"][0]), int(new["seq"][0])
            term[0] = template
            term["kind"], term["order_type"], term["order_id"] = (
                CommandKind.TERMS,
                Term.LIST,
                order_id,
            )
            term["price_ticks"], term["qty_lots"] = np.int64(ids[0]), leg
            term["aux"], term["seq"] = contingency | legs << LEGS_SHIFT, seqs[0]
            if rng.random() < broken:
                term["error_code"] = 1  # the gateway refuses what is said of the leg
            new[0] = _leg(rng, template, contingency, leg)
            new["order_id"], new["seq"] = order_id, seqs[1]
            legs_open.append((order_id, spot + 1))
            spot += 2
            if rng.random() < 0.15:
                spot += int(rng.integers(0, 3))
                if spot + 2 * (legs - leg) > len(orders):
                    return orders
        at = spot
    return orders


def _leg(rng, template, contingency, leg):  # type: ignore[no-untyped-def]
    """A NEW that is likely a good leg; its price is near the template's."""
    order = template.copy()
    order["error_code"] = 0
    works = contingency >= Contingency.OTO and leg == 1
    other = int(rng.choice([0, 0, 1])) if contingency >= Contingency.OTO and leg > 1 else 0
    if other:
        order["side"] = Side.SELL if order["side"] == Side.BUY else Side.BUY
    free = works or contingency == Contingency.OTO
    last = leg == (3 if contingency >= Contingency.OTOCO else 2)
    kinds = LEGS if free else STOPS if last or rng.random() < 0.3 else RESTING_LEGS
    order["order_type"] = kind = OrderType(int(rng.choice([int(k) for k in kinds])))
    if rng.random() < 0.05:
        order["order_type"] = kind = OrderType(int(rng.integers(1, 22)))
    mode = int(order["time_in_force"]) & 0x70
    times = [TimeInForce.DAY, TimeInForce.GTC]
    if free and kind in (OrderType.LIMIT, OrderType.MARKET):
        times += [TimeInForce.IOC, TimeInForce.FOK]
    order["time_in_force"] = mode | int(rng.choice([int(t) for t in times]))
    edge = 2**62
    price = int(np.clip(int(order["price_ticks"]), -edge, edge)) + int(rng.integers(-4, 5))
    order["price_ticks"], order["aux"] = price, price + int(rng.integers(-3, 4))
    name = kind.name
    if name.startswith("TRAILING"):
        order["aux"] = int(rng.integers(1, 8)) if "BPS" not in name else int(rng.choice([10, 500]))
    if kind == OrderType.ICEBERG:
        order["aux"] = max(1, int(order["qty_lots"]) // 3)
    return order
