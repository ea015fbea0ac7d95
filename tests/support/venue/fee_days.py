"""Days of a venue that collects its fees by schedule, and a model of what they come to."""

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.ledger.accounts import Account
from openoutcry.ledger.ledger_state import at
from openoutcry.venue import days
from openoutcry.venue.fee_collection import collect
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import EventFlag, EventKind, Side
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import MORE, order

MAKER, TAKER = 700, 2_500
"""Millionths of the value of a fill."""
MONEY = """
[[asset]]
name = "EUR"
decimals = 2
[[asset]]
name = "USD"
decimals = 2
[[fee_schedule]]
name = "standard"
maker_bps = 7
taker_bps = 25
[[fees]]
schedule = "standard"
"""


def collecting(text: str = VENUE + MORE) -> str:
    """A venue's file with fees in the second of its monies, which are collected."""
    text = (text + MONEY).replace("[venue]", "[venue]\ncollect_fees = true")
    for symbol in ("GOLD", "TIN"):
        text = text.replace(f'symbol = "{symbol}"\n', f'symbol = "{symbol}"\nasset = "USD"\n', 1)
    return text


def costs(events: np.ndarray) -> dict[int, int]:
    """The fees of all fills by participant, as the events have them and the file prices them."""
    total: dict[int, int] = {}
    for fill in events[events["kind"] == EventKind.FILLED]:
        rate = MAKER if fill["flags"] & EventFlag.MAKER else TAKER
        value = int(fill["qty_lots"]) * int(fill["price_ticks"])
        who = int(fill["participant"])
        total[who] = total.get(who, 0) + round(Fraction(value * rate, 1_000_000))
    return total


def end_day(floor: InlineFloor, day: str) -> None:
    """Note that a day ends with what the journal has."""
    days.note_day(floor.journal_path, {"day": day, "last_seq": len(floor.journal()[0])})


def collected(
    floor: InlineFloor, asked: Callable[[dict[str, Any]], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Collect once, in this process."""
    money = read_venue(floor.file).risk.money
    return collect(floor.journal_path, money, asked or (lambda one: floor.request(**one)))


def due(journal: Path, who: int) -> int:
    """What a participant owes in fees."""
    return -at(journal).books.balance(who + 1, 1, Account.FEES_DUE)


def has(journal: Path, who: int) -> int:
    """Of all monies together: a margin account has one balance."""
    return int(at(journal).books.money(Account.AVAILABLE)[who])


def trade(floor: InlineFloor, draw: random.Random, first: int) -> None:
    """Some trades between three participants."""
    for number in range(first, first + 2 * draw.randrange(3, 8), 2):
        seller, buyer = draw.sample((1, 2, 3), 2)
        lots, price = draw.randrange(1, 9), draw.randrange(900, 1_100)
        floor.send(
            order(number, Side.SELL, lots, price, who=seller),
            order(number + 1, Side.BUY, lots, price, who=buyer),
        )
