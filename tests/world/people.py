"""People of the world: each has a FIX session, and keeps what it was told of its orders."""

from contextlib import suppress
from typing import Any

from openoutcry.client import SessionEnded
from openoutcry.client.fix import FixMessage
from openoutcry.wire.enums import Side
from openoutcry.wire.words import SIDES
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence
from tests.support.venue.party import FixParty

STATES = {
    "0": "NEW",
    "1": "PARTIALLY_FILLED",
    "2": "FILLED",
    "4": "CANCELED",
    "8": "REJECTED",
    "C": "EXPIRED",
}
"""By OrdStatus (39), with the words of the API."""
MANNERS = {
    "": {},
    "now": {"t59": "3"},
    "or nothing": {"t59": "4"},
    "until cancelled": {"t59": "1"},
    "passively": {"t18": "6"},
    "at the close": {"t59": "7"},
}
"""How an order is meant: fields of FIX."""


class Person(FixParty):
    """A participant with a session; its orders are named by a letter and a number."""

    def __init__(self, venue: InlineVenue, name: str, number: int) -> None:
        self.person, self.number, self.count = name, number, 0
        self.symbol_of: dict[str, tuple[str, str]] = {}
        """Symbol and side of each order, by its first name."""
        self.newest: dict[str, str] = {}
        """The last name of each order, by its first."""
        self.first: dict[str, str] = {}
        self.heard: dict[str, dict[str, Any]] = {}
        """The last report of each order, by its first name."""
        super().__init__(venue, name.upper(), target="TEST")

    def come_again(self, is_new_day: bool = False) -> None:
        """Log on again; on a new day the numbers begin at 1."""
        if is_new_day:
            self.numbers = None
        self.log_in(target="TEST")

    def new_name(self) -> str:
        self.count += 1
        return f"{self.person[0]}{self.count}"

    def enter_order(self, side: Side, lots: int, symbol: str, price: str, **fields: str) -> str:
        """Return its name."""
        name, word = self.new_name(), SIDES.say("FIX", side)
        self.symbol_of[name], self.newest[name], self.first[name] = (symbol, word), name, name
        self.client.enter(word, symbol, lots, price, name=name, **fields)
        return name

    def change(self, first: str, lots: int, price: str) -> None:
        name, (symbol, side) = self.new_name(), self.symbol_of[first]
        self.first[name] = first
        self.client.replace(self.newest[first], symbol, side, lots, price, name=name)

    def withdraw(self, first: str) -> None:
        name, (symbol, side) = self.new_name(), self.symbol_of[first]
        self.first[name] = first
        self.client.cancel(self.newest[first], symbol, side, name=name)

    def listen(self) -> None:
        """Take all that has come."""
        with suppress(SessionEnded, Silence):
            while (message := self.client.next(0)) is not None:
                if message.kind == "8":
                    self.hear(message)

    def hear(self, message: FixMessage) -> None:
        """Keep an ExecutionReport."""
        name = message.get(11)
        first = self.first.get(name)
        if first is None:
            return
        if message[150] == "5":
            self.newest[first] = name
        self.heard[first] = {
            "core_id": int(message[37]) if message[37].isdigit() else 0,
            "state": STATES[message[39]],
            "leaves_lots": int(message[151]),
            "executed_lots": int(message[14]),
            "price": message.get(44),
        }
