"""Every number that a detector goes by, in one table: what it is, its unit, and where it is from.

MAR II is Commission Delegated Regulation (EU) 2016/522, Annex II (indicators of manipulation).
CFTC 2013 is Antidisruptive Practices Authority, 78 FR 31890 (2013-12365).  FINRA is Rule 5210.03.
RTS 9 is Delegated Regulation (EU) 2017/566.  F&C is Fabre and Challet, arXiv 2504.15908 (spoofing
needs posting distance).  "Open" is the published open detector of the project's field notes.
"Measured" is chosen on seeded markets of flow/agent_market.py, on other seeds than those of the
figures for precision and recall.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.wire.errors import SurveillanceError

MILLI, SECOND = 1_000_000, 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND


class Parameter(NamedTuple):
    """A threshold with its unit, the source of its value, and its bounds."""

    name: str
    value: int
    unit: str
    source: str
    least: int = 1
    most: int = 2**40


RING = 8
"""How many repetitions of a pattern are kept (``REPEAT_RING`` of the detectors' layout)."""
BUCKETS_NS = 350 * SECOND
"""How far back the sums in buckets of 10 s go (``BUCKETS``)."""

TABLE = (
    # What is large, what is near.
    Parameter("average_orders_min", 20, "orders", "guard against an empty history"),
    Parameter("near_steps", 10, "price steps", "F&C: distance from the best price of its side"),
    Parameter("near_bps", 20, "1/10,000 of the price", "F&C"),
    # Spoofing and layering.
    Parameter("spoof_age_ns", 90 * SECOND, "ns", "open: a candidate is at most 90 s old"),
    Parameter(
        "spoof_withdrawn_ns",
        10 * SECOND,
        "ns",
        "open: withdrawn within 10 s of the fill",
        1,
        BUCKETS_NS,
    ),
    Parameter(
        "spoof_repeats", 3, "cycles", "open: at least 3; MAR II 1(c), CFTC 2013: pattern", 1, RING
    ),
    Parameter("spoof_window_ns", 30 * MINUTE, "ns", "measured", 1, DAY),
    Parameter("spoof_asymmetry", 4, "times", "measured: open lots of the side against the other"),
    Parameter("spoof_size", 5, "times the average order", "measured; the rule as written has 10"),
    Parameter("spoof_depth_percent", 30, "% of the five best levels", "F&C: imbalance", 1, 100),
    Parameter("spoof_cancelled_percent", 80, "%", "measured; the rule as written has 90", 1, 100),
    Parameter("layer_prices", 3, "prices", "FINRA 5210.03: orders at various price levels"),
    # Moving others' pegged orders.
    Parameter("peg_age_ns", 10 * SECOND, "ns", "measured: from the move to the trade"),
    Parameter("peg_withdrawn_ns", 10 * SECOND, "ns", "measured: from the trade to the order's end"),
    Parameter("peg_repeats", 3, "cycles", "measured", 1, RING),
    Parameter("peg_window_ns", 30 * MINUTE, "ns", "measured", 1, DAY),
    Parameter("peg_times", 2, "times the lots of the order that moved", "measured: quotes move"),
    Parameter("peg_cancelled_percent", 80, "% of that order", "measured: reduced", 1, 100),
    # Wash trades.
    Parameter(
        "wash_leg_age_ns", 10 * SECOND, "ns", "MAR II 1(e): matched orders, about the same time"
    ),
    Parameter("wash_matched_percent", 50, "% of both orders", "measured: others step in", 1, 100),
    Parameter(
        "wash_uneven_percent", 65, "% of the larger order", "measured: orders of two sizes", 51, 100
    ),
    Parameter(
        "wash_together_ns", SECOND, "ns", "MAR II 1(e): at substantially the same time; measured"
    ),
    Parameter(
        "wash_together_percent", 10, "% of the larger order", "measured: others step in", 1, 100
    ),
    Parameter("wash_cycle_ns", 60 * SECOND, "ns", "requirement: reciprocal within 60 s"),
    Parameter("wash_price_bps", 60, "1/10,000 of the price", "MAR II 1(e): at similar prices"),
    Parameter("wash_chance_times", 2, "times what chance gives", "measured: two busy ones do meet"),
    Parameter("wash_chance_deviations", 4, "standard deviations beyond it", "Poisson; measured", 0),
    Parameter("wash_alone_percent", 60, "% of the trades of both", "measured", 1, 100),
    Parameter("wash_repeats", 3, "cycles", "measured; the rule as written has 10 trades", 1, RING),
    Parameter("ring_repeats", 2, "cycles", "measured", 1, RING),
    Parameter("wash_window_ns", HOUR, "ns", "requirement: in an hour", 1, DAY),
    # What moves prices.
    Parameter(
        "ignition_ns",
        60 * SECOND,
        "ns",
        "MAR II 1(g): trend, then the reversal; measured",
        SECOND,
        BUCKETS_NS // 2,
    ),
    Parameter("ignition_bps", 20, "1/10,000 of the price", "measured"),
    Parameter("ignition_share_percent", 30, "% of the aggressors' lots", "measured", 1, 100),
    Parameter(
        "ignition_own_percent", 45, "% of its lots of five minutes", "measured: a burst", 0, 100
    ),
    Parameter("ignition_closed_percent", 50, "% of the lots bought", "measured", 1, 1000),
    Parameter(
        "ignition_gain_bps",
        10,
        "1/10,000 of the price a lot",
        "measured: what turning round gained",
    ),
    Parameter(
        "ignition_times", 2, "buckets of 10 s in which it took", "chosen: without a gain", 1, 7
    ),
    Parameter(
        "ignition_large_percent", 60, "% of the aggressors' lots", "chosen: without a gain", 1, 100
    ),
    Parameter(
        "ramp_ns", 300 * SECOND, "ns", "MAR II 1(a), 1(b): price positioning", SECOND, BUCKETS_NS
    ),
    Parameter("ramp_bps", 30, "1/10,000 of the price", "measured"),
    Parameter("ramp_trades", 10, "trades that moved the price", "measured"),
    Parameter("ramp_few_trades", 5, "larger trades that moved the price", "chosen"),
    Parameter(
        "ramp_large_percent",
        60,
        "% of all moves that way",
        "chosen: of a few",
        1,
        100,
    ),
    Parameter("ramp_share_percent", 20, "% of all moves that way", "measured", 1, 100),
    Parameter(
        "marking_ns",
        60 * SECOND,
        "ns",
        "MAR II 1(d): at or near open and close",
        SECOND,
        BUCKETS_NS,
    ),
    Parameter("marking_bps", 15, "1/10,000 of the price", "measured"),
    Parameter("marking_large_bps", 5, "1/10,000 of the price", "measured: by a large taker"),
    Parameter("marking_large_percent", 50, "% of all aggressors' lots, net", "measured", 1, 100),
    Parameter("marking_share_percent", 40, "% of the aggressors' lots", "measured", 1, 100),
    Parameter("marking_own_percent", 60, "% of its lots of five minutes", "measured", 1, 100),
    Parameter(
        "marking_pressure_percent",
        20,
        "% of all aggressors' lots, net",
        "measured: the busiest honest one has 12",
        1,
        100,
    ),
    Parameter("marking_volume_percent", 15, "% of the market's lots", "measured", 1, 100),
    Parameter(
        "marking_times", 3, "buckets of 10 s in which it took", "an agreed trade is one", 1, 7
    ),
    Parameter("cross_bps", 10, "1/10,000 of the price", "MAR II 2(c): across linked instruments"),
    Parameter("cross_lots", 2, "times the lots in the market moved", "measured"),
    Parameter("cross_size", 5, "times the average order there", "measured"),
    Parameter("cross_share_percent", 15, "% of the aggressors' lots there", "measured", 1, 100),
    Parameter(
        "one_sided_percent",
        75,
        "% of its aggressors' lots one way",
        "measured: busy ones go both ways",
        1,
        100,
    ),
    Parameter("move_steps_min", 2, "price steps", "a smaller move never counts"),
    Parameter("cooldown_ns", 300 * SECOND, "ns", "one hit of a kind, owner and symbol in so long"),
    # Front running.
    Parameter("front_ahead_ns", 10 * MINUTE, "ns", "MAR art. 7(1)(d), 14: ahead of the client"),
    Parameter("front_after_ns", 5 * MINUTE, "ns", "measured: reversed after the client"),
    Parameter("front_percent", 5, "% of the client's lots", "FINRA 5270; measured", 1, 100),
    Parameter("front_turned_percent", 50, "% of what it had taken", "measured", 1, 100),
    Parameter("insider_times", 10, "times its lots of 5 min before", "measured"),
    # Halts.
    Parameter("halt_percent", 30, "% of all aggressors' lots of 5 min, net", "chosen", 1, 100),
    Parameter("halt_times", 3, "times its lots of 5 min before", "chosen"),
    Parameter("halt_bps", 20, "1/10,000 of the price", "chosen: the first price after the halt"),
    # Margin calls.
    Parameter("call_away_bps", 200, "1/10,000 of the mark", "chosen: what a trade moves is a gift"),
    Parameter("call_after_ns", 60 * SECOND, "ns", "chosen: since the last part of a liquidation"),
    Parameter("call_before_ns", 10 * MINUTE, "ns", "chosen: before the first part"),
    # Off the book.
    Parameter("off_book_bps", 30, "1/10,000 of the mid", "chosen: beyond the best price, too"),
    Parameter(
        "quote_ahead_ns",
        2 * MINUTE,
        "ns",
        "chosen: before a client's trade off the book",
        1,
        5 * MINUTE,
    ),
    Parameter("quote_ahead_percent", 30, "% of the client's lots", "chosen", 1, 1_000),
    # Messages.
    Parameter("stuffing_orders", 100, "orders a second", "MAR II 2(e): quote stuffing; measured"),
    Parameter("stuffing_gone_percent", 80, "% cancelled within a second", "measured", 1, 100),
    Parameter("stuffing_repeats", 2, "seconds", "measured", 1, RING),
    Parameter("stuffing_window_ns", 60 * SECOND, "ns", "measured"),
    Parameter(
        "stuffing_part_percent", 10, "% of those orders", "chosen: each of several accounts", 1, 100
    ),
    Parameter("stuffing_burst", 5, "times its orders of a second", "chosen: quotes come all along"),
    Parameter("fleeting_ns", 500 * MILLI, "ns", "measured: too short for others to trade with it"),
    Parameter(
        "fleeting_cancels", 200, "cancels in 5 min", "measured; the rule as written has 5 an hour"
    ),
    Parameter(
        "fleeting_percent", 90, "% of the orders entered", "requirement: cancel rate 0.9", 1, 100
    ),
    Parameter("otr_limit", 1_000, "orders a trade", "RTS 9 art. 3: the venue's maximum ratio"),
    Parameter("otr_messages", 5_000, "messages a day", "RTS 9: small numbers say nothing"),
    Parameter("volume_times", 20, "times the mean of its windows", "measured"),
    Parameter("volume_history", 6, "windows of 5 min", "guard against an empty history", 1, 12),
    Parameter("volume_share_percent", 50, "% of the market's lots", "measured", 1, 100),
)
INDEX = {parameter.name: number for number, parameter in enumerate(TABLE)}


def parameters(changed: Mapping[str, int] | None = None) -> npt.NDArray[np.int64]:
    """The values in the table's order, int64; ``changed`` by name.

    Raises :class:`SurveillanceError` naming an unknown parameter or one out of its range.
    """
    values = np.array([parameter.value for parameter in TABLE], np.int64)
    for name, value in (changed or {}).items():
        if name not in INDEX:
            raise SurveillanceError(f"no parameter is named {name!r}")
        parameter = TABLE[INDEX[name]]
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not parameter.least <= value <= parameter.most
        ):
            raise SurveillanceError(
                f"{name} is {value!r}, not {parameter.least} to {parameter.most}"
            )
        values[INDEX[name]] = value
    return values


def offset(name: str) -> int:
    """Byte offset of a parameter in the array, for kernels."""
    return 8 * INDEX[name]
