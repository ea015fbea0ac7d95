"""Orders that do everything the detectors look at, drawn at random, and thresholds low enough."""

import numpy as np

from openoutcry.surveillance.detect.settings import ClientOrder, Related, Settings
from openoutcry.wire.enums import CommandKind, OrderType, Phase, SelfTrade, Side, TimeInForce
from openoutcry.wire.records import ORDER_DTYPE

SECOND = 10**9
BEGIN_NS = 1_700_000_000 * SECOND
SYMBOLS = ("AA", "BB")
LOW = {
    "cross_size": 1,
    "one_sided_percent": 40,
    "ignition_gain_bps": 1,
    "average_orders_min": 3,
    "spoof_repeats": 1,
    "spoof_asymmetry": 1,
    "spoof_size": 1,
    "spoof_depth_percent": 1,
    "spoof_cancelled_percent": 40,
    "layer_prices": 2,
    "peg_age_ns": 300 * SECOND,
    "peg_withdrawn_ns": 300 * SECOND,
    "peg_times": 1,
    "peg_repeats": 1,
    "peg_cancelled_percent": 10,
    "wash_chance_times": 1,
    "wash_chance_deviations": 0,
    "wash_repeats": 1,
    "ring_repeats": 1,
    "wash_cycle_ns": 600 * SECOND,
    "wash_leg_age_ns": 300 * SECOND,
    "ignition_bps": 1,
    "move_steps_min": 1,
    "ignition_share_percent": 10,
    "ignition_closed_percent": 10,
    "ramp_bps": 1,
    "ramp_trades": 2,
    "ramp_share_percent": 10,
    "ignition_times": 1,
    "ignition_large_percent": 20,
    "ramp_few_trades": 1,
    "ramp_large_percent": 20,
    "stuffing_part_percent": 1,
    "stuffing_burst": 1,
    "marking_bps": 3,
    "marking_large_bps": 1,
    "marking_large_percent": 20,
    "marking_share_percent": 10,
    "marking_own_percent": 10,
    "cross_bps": 1,
    "cross_lots": 1,
    "cross_share_percent": 5,
    "cooldown_ns": 30 * SECOND,
    "stuffing_orders": 2,
    "stuffing_gone_percent": 20,
    "fleeting_cancels": 2,
    "fleeting_percent": 10,
    "otr_limit": 1,
    "otr_messages": 10,
    "volume_times": 1,
    "volume_history": 1,
    "volume_share_percent": 1,
    "insider_times": 1,
    "halt_percent": 5,
    "halt_times": 1,
    "halt_bps": 1,
    "front_percent": 1,
    "front_turned_percent": 1,
}


def settings_of(rng: np.random.Generator) -> Settings:
    """Two related, both instruments linked, two client orders, thresholds low."""
    clients = tuple(
        ClientOrder(
            int(rng.integers(1, 6)),
            int(rng.integers(1, 6)),
            SYMBOLS[k],
            int(rng.integers(1, 3)),
            50,
            BEGIN_NS + int(rng.integers(0, 200)) * SECOND,
        )
        for k in (0, 1, 0)
    )
    return Settings((Related((4, 5)),), (SYMBOLS,), clients, LOW)


def random_orders(rng: np.random.Generator, count: int) -> np.ndarray:
    """Commands of six participants in two instruments, prices close together; most are plain."""
    orders = np.zeros(count, ORDER_DTYPE)
    orders["seq"] = orders["order_id"] = np.arange(1, count + 1)
    gaps = rng.choice(
        [0, 10**7, 2 * 10**8, SECOND, 7 * SECOND], count, p=[0.4, 0.3, 0.15, 0.1, 0.05]
    )
    orders["rx_ts_ns"] = BEGIN_NS + np.cumsum(gaps)
    middle = 1000 + np.cumsum(rng.integers(-1, 2, count)) // 4
    for row, mid in zip(orders, middle, strict=True):
        row["symbol"] = SYMBOLS[int(rng.integers(0, 2))].encode()
        row["participant"] = rng.integers(1, 6)
        row["side"] = side = int(rng.integers(1, 3))
        row["price_ticks"] = mid + int(rng.integers(-3, 4))
        row["qty_lots"] = rng.choice([1, 2, 5, 5, 5, 20])
        draw = rng.random()
        if draw < 0.30:
            earlier = orders[int(rng.integers(0, max(int(row["seq"]) - 1, 1)))]
            for name in ("symbol", "participant", "side", "order_id"):
                row[name] = earlier[name]
            row["kind"] = rng.choice(
                [CommandKind.CANCEL] * 4 + [CommandKind.REPLACE] * 2 + [CommandKind.REDUCE]
            )
            row["order_type"], row["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
            continue
        row["kind"], row["order_type"] = CommandKind.NEW, OrderType.LIMIT
        row["time_in_force"] = rng.choice([TimeInForce.DAY] * 3 + [TimeInForce.IOC])
        if draw > 0.97:
            row["kind"], row["side"] = CommandKind.PHASE, 0
            row["participant"] = 0
            row["aux"] = rng.choice(
                [Phase.CLOSING_AUCTION, Phase.PRE_OPEN, Phase.HALT] + [Phase.CONTINUOUS] * 5
            )
            row["price_ticks"] = row["qty_lots"] = row["order_id"] = 0
            row["time_in_force"] = row["order_type"] = 0
        elif draw > 0.96:
            row["kind"], row["order_id"] = CommandKind.MASS_CANCEL, 0
        elif draw > 0.92:
            _special(rng, row, side)
        elif draw > 0.90:
            row["time_in_force"] |= int(rng.choice(list(SelfTrade))) << 4
    return orders


def _special(rng: np.random.Generator, row: np.void, side: int) -> None:
    """An iceberg, a hidden order, a stop or a peg."""
    row["time_in_force"] = TimeInForce.DAY
    row["order_type"] = kind = int(
        rng.choice(
            [
                OrderType.ICEBERG,
                OrderType.HIDDEN,
                OrderType.STOP,
                OrderType.PEG_PRIMARY,
                OrderType.PEG_MIDPOINT,
            ]
        )
    )
    if kind == OrderType.ICEBERG:
        row["qty_lots"], row["aux"] = 20, 5
    elif kind == OrderType.STOP:
        row["aux"] = row["price_ticks"] + (3 if side == Side.BUY else -3)
    elif kind == OrderType.PEG_PRIMARY:
        row["aux"] = -1
