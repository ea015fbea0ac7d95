"""The table of parameters in docs/surveillance.md, from surveillance/parameters.py.

``python -m tests.support.surveillance.parameter_tables`` writes it; a test compares.
"""

from openoutcry.report.documents import fill, table
from openoutcry.surveillance.parameters import INDEX, MINUTE, SECOND, TABLE
from tests import ROOT

PAGE = ROOT / "docs" / "surveillance.md"
SHOWN = {
    "spoofing": (
        "spoof_age_ns",
        "spoof_withdrawn_ns",
        "spoof_repeats",
        "spoof_window_ns",
        "spoof_asymmetry",
        "spoof_size",
        "spoof_depth_percent",
        "spoof_cancelled_percent",
        "near_steps",
        "near_bps",
        "average_orders_min",
    ),
    "layering": ("layer_prices",),
    "wash": (
        "wash_leg_age_ns",
        "wash_matched_percent",
        "wash_uneven_percent",
        "wash_together_ns",
        "wash_together_percent",
        "wash_cycle_ns",
        "wash_price_bps",
        "wash_chance_times",
        "wash_chance_deviations",
        "wash_alone_percent",
        "wash_repeats",
        "ring_repeats",
        "wash_window_ns",
    ),
    "ignition": (
        "ignition_ns",
        "ignition_bps",
        "ignition_share_percent",
        "ignition_own_percent",
        "ignition_closed_percent",
        "ignition_gain_bps",
        "ignition_large_percent",
        "ignition_times",
        "move_steps_min",
        "cooldown_ns",
    ),
    "ramping": (
        "ramp_ns",
        "ramp_bps",
        "ramp_trades",
        "ramp_share_percent",
        "ramp_few_trades",
        "ramp_large_percent",
        "one_sided_percent",
    ),
    "marking": (
        "marking_ns",
        "marking_bps",
        "marking_large_bps",
        "marking_large_percent",
        "marking_share_percent",
        "marking_own_percent",
        "marking_pressure_percent",
        "marking_volume_percent",
        "marking_times",
    ),
    "pegs": (
        "peg_age_ns",
        "peg_withdrawn_ns",
        "peg_times",
        "peg_cancelled_percent",
        "peg_repeats",
        "peg_window_ns",
    ),
    "cross": ("cross_bps", "cross_size", "cross_share_percent", "cross_lots"),
    "front": (
        "front_ahead_ns",
        "front_after_ns",
        "front_percent",
        "front_turned_percent",
        "insider_times",
    ),
    "halts": ("halt_percent", "halt_times", "halt_bps"),
    "off book": ("off_book_bps", "quote_ahead_ns", "quote_ahead_percent"),
    "calls": ("call_away_bps", "call_after_ns", "call_before_ns"),
    "stuffing": (
        "stuffing_orders",
        "stuffing_gone_percent",
        "stuffing_repeats",
        "stuffing_window_ns",
        "stuffing_part_percent",
        "stuffing_burst",
    ),
    "fleeting": (
        "fleeting_ns",
        "fleeting_cancels",
        "fleeting_percent",
        "otr_limit",
        "otr_messages",
    ),
    "volume": ("volume_times", "volume_history", "volume_share_percent"),
}
"""By detector: its parameters, in the order of the table."""


def filled(text: str) -> str:
    """The page with the table of parameters as they are."""
    return fill(text, "parameters", _table)


def _table(_all: str) -> str:
    rows = []
    for detector, names in SHOWN.items():
        parameters = [TABLE[INDEX[name]] for name in names]
        values = [f"`{one.name}: {_value(one.value, one.unit)}`" for one in parameters]
        rows.append((detector, "; ".join(values)))
    return table("| detector | parameters |", rows)


def _value(value: int, unit: str) -> str:
    """A number with its unit; times as people say them."""
    if unit != "ns":
        return f"{value:,} {unit}"
    if value % MINUTE == 0:
        return f"{value // MINUTE} min"
    return f"{value / SECOND:g} s"


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    main()
