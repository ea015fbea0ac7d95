"""What each door can say of an order: the tables of docs/order-entry.md, from ``wire/words.py``.

``python -m tests.support.documents.order_forms`` writes them; a test compares.  That each door does
what the table says is tested where its forms are sent: ``tests/unit/cli/test_prompt.py`` types each
at the prompts of OUCH, FIX and shared memory.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from openoutcry.report.documents import fill, table
from openoutcry.wire.enums import OrderType, Term, TimeInForce
from openoutcry.wire.order_types import ORDER_TYPES as ROWS
from openoutcry.wire.words import ORDER_TYPES, TERMS, TIMES, Table
from tests import ROOT

PAGE = ROOT / "docs" / "order-entry.md"
BINANCE = {OrderType[name] for name in (
    "LIMIT", "MARKET", "POST_ONLY", "STOP", "STOP_LIMIT", "TRAILING_STOP_BPS", "ICEBERG",
    "TRAILING_STOP_LIMIT_BPS", "MARKET_BUDGET", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
)}  # fmt: skip
"""Types that a request of the Binance-shaped API makes; the table has the words of answers."""
DOORS = {
    "FIX": "FIX D",
    "OUCH 4.2": "OUCH 4.2",
    "OUCH 5.0": "OUCH 5.0",
    "shared memory": "",
    "/v1": "/v1",
    "Binance-shaped": "Binance",
}


def cell(words: Table[Any], door: str, member: IntEnum) -> str:
    """A member at a door: its word; – if the door cannot say it."""
    if not door:
        return str(int(member))
    if door == "FIX D" and door not in words.doors:
        word = words.offered("FIX").get(member)
        return "–" if word is None else f"`59={word}`"
    word = words.offered(door).get(member)
    if word is None or (
        door == "Binance" and isinstance(member, OrderType) and member not in BINANCE
    ):
        return "–"
    return f"`{word}`"


def rows_of(words: Table[Any], members: type[IntEnum]) -> list[list[str]]:
    """A row for each member: its name and its cells."""
    return [
        [f"`{member.name}`", *(cell(words, door, member) for door in DOORS.values())]
        for member in members
    ]


def types() -> list[list[str]]:
    """The table of order types, with their times in force."""
    return [
        [*row, " ".join(time.name for time in ROWS[order_type].times_in_force)]
        for row, order_type in zip(rows_of(ORDER_TYPES, OrderType), OrderType, strict=True)
    ]


def terms() -> list[list[str]]:
    """The table of the terms of an order to come."""
    return [
        [f"`{term.name}`", *(TERMS.offered(door).get(term, "–") for door in DOORS)] for term in Term
    ]


def filled(text: str) -> str:
    """The page with its tables."""
    doors = " | ".join(DOORS)
    contents: dict[str, Callable[[], str]] = {
        "types": lambda: table(f"| order type | {doors} | times in force |", types()),
        "times": lambda: table(f"| time in force | {doors} |", rows_of(TIMES, TimeInForce)),
        "terms": lambda: table(f"| term | {doors} |", terms()),
    }
    return fill(text, "forms", lambda name: contents[name]())


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
