"""What a participant may do in each of its states, and in each state of its instrument and market,
over every protocol: the table of states and actions.

The participant owns 40 lots of TIN, and has an order to buy and one to sell there when the state
begins.  The judge is the journal: what the core did about its orders, whatever its session was
told."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod

import numpy as np
import pytest

from openoutcry.client import ClientError
from openoutcry.client.shm import ShmOrder, ShmQuote
from openoutcry.wire.enums import CommandKind, Contingency, EventKind, OrderType, Side, TimeInForce
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.spot_floor import session_tables
from tests.support.venue.venue_floor import MORE, order

WHO, OTHER, LOW, HIGH, FAR, MARK = 1, 2, 400, 600, 700, 1 << 20
"""The participant and another one, prices at which nobody else is, and the first id of an order
that says in the journal where an action begins."""
DONE = {EventKind.ACCEPTED, EventKind.REPLACED, EventKind.REDUCED, EventKind.FILLED}
DONE |= {EventKind.CANCELLED}


class Door(ABC):
    """The participant at one protocol; an order has a number."""

    protocol, secret, may = "", "password", frozenset[str]()

    def __init__(self, floor: InlineFloor) -> None:
        self.floor = floor
        self.log_in()

    @abstractmethod
    def log_in(self) -> None: ...

    @abstractmethod
    def enter(self, number: int, side: Side, qty: int, price: int, ioc: bool = False) -> None: ...

    @abstractmethod
    def replace(self, number: int, to: int, side: Side, qty: int, price: int) -> None: ...

    @abstractmethod
    def cancel(self, number: int, side: Side) -> None: ...

    def mass(self) -> None:
        """Cancel all orders in TIN."""
        raise NotImplementedError

    def listed(self) -> None:
        raise NotImplementedError

    def terms(self) -> None:
        raise NotImplementedError

    def quoted(self) -> None:
        """Replace both sides of a quote."""
        raise NotImplementedError

    def pulled(self) -> None:
        """Cancel all quotes."""
        raise NotImplementedError

    def disable(self) -> None:
        """Switch order entry off for oneself."""
        raise NotImplementedError


class Ouch4(Door):
    protocol = "ouch-4.2"

    def log_in(self) -> None:
        self.client = self.floor.client("OUCH4")

    def enter(self, number: int, side: Side, qty: int, price: int, ioc: bool = False) -> None:
        more = {"time_in_force": 0} if ioc else {}
        self.client.enter(f"t{number}", "BS"[side - 1], qty, "TIN", 100 * price, **more)

    def replace(self, number: int, to: int, side: Side, qty: int, price: int) -> None:
        self.client.replace(f"t{number}", f"t{to}", qty, 100 * price)

    def cancel(self, number: int, side: Side) -> None:
        self.client.cancel(f"t{number}")


class Ouch5(Door):
    protocol, may = "ouch-5.0", frozenset({"mass", "disable"})

    def log_in(self) -> None:
        self.client = self.floor.five("OUCH5")

    def enter(self, number: int, side: Side, qty: int, price: int, ioc: bool = False) -> None:
        more = {"time_in_force": "3"} if ioc else {}
        self.client.enter(number, "BS"[side - 1], qty, 100 * price, symbol="TIN", **more)

    def replace(self, number: int, to: int, side: Side, qty: int, price: int) -> None:
        self.client.say("U", orig_user_ref=number, user_ref=to, quantity=qty, price=100 * price)

    def cancel(self, number: int, side: Side) -> None:
        self.client.say("X", user_ref=number, quantity=0)

    def mass(self) -> None:
        self.client.say("C", user_ref=90, firm="", symbol="TIN")

    def disable(self) -> None:
        self.client.say("D", user_ref=10, firm="")


class Fix(Door):
    protocol, may = "fix-4.4", frozenset({"mass"})

    def log_in(self) -> None:
        self.client = self.floor.fix("FIX", target="TEST")

    def enter(self, number: int, side: Side, qty: int, price: int, ioc: bool = False) -> None:
        enter = self.client.buy if side == Side.BUY else self.client.sell
        enter("TIN", qty, f"{price / 100:.2f}", name=f"t{number}", ioc=ioc)

    def replace(self, number: int, to: int, side: Side, qty: int, price: int) -> None:
        terms = qty, f"{price / 100:.2f}"
        self.client.replace(f"t{number}", "TIN", str(int(side)), *terms, name=f"t{to}")

    def cancel(self, number: int, side: Side) -> None:
        self.client.cancel(f"t{number}", "TIN", str(int(side)))

    def mass(self) -> None:
        self.client.mass_cancel("TIN")


class Shm(Door):
    protocol, secret, may = "shm", "key", frozenset({"mass", "listed", "terms", "quoted", "pulled"})

    def log_in(self) -> None:
        self.client = self.floor.shm("SHM")

    def enter(self, number: int, side: Side, qty: int, price: int, ioc: bool = False) -> None:
        tif = TimeInForce.IOC if ioc else TimeInForce.DAY
        self.client.enter(number, side, "TIN", qty, price, time_in_force=tif)

    def replace(self, number: int, to: int, side: Side, qty: int, price: int) -> None:
        self.client.replace(number, to, qty, price)

    def cancel(self, number: int, side: Side) -> None:
        self.client.cancel(number)

    def mass(self) -> None:
        self.client.mass_cancel("TIN")

    def listed(self) -> None:
        stop = ShmOrder(72, Side.BUY, "TIN", 1, FAR, OrderType.STOP_LIMIT, aux=FAR)
        self.client.enter_list(Contingency.OCO, [ShmOrder(71, Side.BUY, "TIN", 1, LOW), stop])

    def quoted(self) -> None:
        self.client.quote(ShmQuote(1, "TIN", 2, LOW - 1, 2, HIGH + 1))

    def pulled(self) -> None:
        self.client.cancel_quotes()

    def terms(self) -> None:
        day = ShmOrder(81, Side.BUY, "TIN", 1, LOW, time_in_force=TimeInForce.GTC)
        self.client.enter_with(day, until_ns=1 << 62)


DOORS = {"OUCH4": Ouch4, "OUCH5": Ouch5, "FIX": Fix, "SHM": Shm}
ACTIONS = {
    "grow": lambda door: door.enter(11, Side.BUY, 5, LOW),
    "reduce": lambda door: door.enter(12, Side.SELL, 5, HIGH),
    "ioc": lambda door: door.enter(13, Side.BUY, 2, HIGH + 50, ioc=True),
    "listed": lambda door: door.listed(),
    "terms": lambda door: door.terms(),
    "more": lambda door: door.replace(1, 21, Side.BUY, 6, LOW),
    "less": lambda door: door.replace(2, 22, Side.SELL, 3, HIGH),
    "cancel": lambda door: door.cancel(3, Side.BUY),
    "quoted": lambda door: door.quoted(),
    "pulled": lambda door: door.pulled(),
    "mass": lambda door: door.mass(),
}
"""What is tried in this order.  Orders 1 (buy), 2 (sell), 3 (buy) and a quote rest before."""
NOTHING, LEAVES = frozenset[str](), frozenset({"cancel", "pulled", "mass"})
ALL, BY_SOME = frozenset(ACTIONS), {"mass", "listed", "terms", "quoted", "pulled"}
"""BY_SOME: those that not every protocol has."""


def asks(*words: str):
    return lambda floor, door: floor.ask(*words)


def owner_kills(floor: InlineFloor, door: Door) -> None:
    terms = {"participant": WHO, "limit": "killed", "instrument": "", "value": True}
    floor.request(do="own-limit", **terms)


STATES = {
    "active": (lambda floor, door: None, ALL),
    "suspended": (asks("participant", "suspend", "1"), NOTHING),
    "killed": (asks("kill", "participant", "1"), NOTHING),
    "killed by its owner": (owner_kills, NOTHING),
    "group killed": (asks("kill", "group", "beta"), NOTHING),
    "session killed": (lambda floor, door: floor.ask("kill", "session", name_of(door)), NOTHING),
    "market killed": (asks("kill", "market"), NOTHING),
    "instrument killed": (asks("kill", "instrument", "TIN"), NOTHING),
    "halted": (asks("halt", "TIN"), LEAVES),
    "instrument suspended": (asks("instrument", "suspend", "TIN"), LEAVES),
    "close-only": (asks("instrument", "close-only", "TIN"), frozenset({"reduce", "mass"})),
    "closed": (lambda floor, door: floor.at("2026-11-23T17:06"), NOTHING),
    "disabled": (lambda floor, door: door.disable(), LEAVES),
}
"""How each state begins, and what is left of ACTIONS: those that change an order."""

CASES = [
    (name, state)
    for name, door in DOORS.items()
    for state in STATES
    if state != "disabled" or "disable" in door.may
]
"""OUCH 5.0 alone has a message that disables."""


def name_of(door: Door) -> str:
    return next(name for name, made in DOORS.items() if isinstance(door, made))


def text_of(name: str) -> str:
    """The file of a venue with a session of the participant at one door."""
    door = DOORS[name]
    text = VENUE.replace("[calendar]", "participant_capacity = 10\n[calendar]")
    row = door.protocol, "participant = 1\ntimeout_ms = 600_000", door.secret
    return text + 'group = "beta"\n' + MORE + session_tables({name: row})


def changed(floor: InlineFloor) -> dict[int, set[EventKind]]:
    """What became of the participant's orders after each mark, by its number."""
    commands, events = floor.journal()
    marks = commands[(commands["kind"] == CommandKind.NEW) & (commands["order_id"] >= MARK)]
    marks = marks[marks["order_id"] < MARK << 1]
    ends = [*marks["seq"][1:].tolist(), 1 << 62]
    kinds = {}
    for mark, end in zip(marks, ends, strict=True):
        rows = events[(events["cause_seq"] > mark["seq"]) & (events["cause_seq"] < end)]
        rows = rows[rows["participant"] == WHO]
        kinds[int(mark["order_id"]) - MARK] = {EventKind(int(kind)) for kind in rows["kind"]}
    return kinds


@pytest.mark.promise(
    "A participant that is suspended or killed, or whose group, session, instrument or market is, "
    "changes no order over any protocol but by the cancels that its state leaves it",
    group="venue",
)
@pytest.mark.parametrize(("name", "state"), CASES)
def test_each_action_does_in_each_state_what_the_table_says(name, state, tmp_path):
    begin, left = STATES[state]
    floor = InlineFloor(tmp_path, text_of(name))
    floor.wait_for_phase("CONTINUOUS")
    others = [order(8, Side.SELL, 9, HIGH + 50, OTHER), order(9, Side.BUY, 9, LOW - 50, OTHER)]
    for one in others:
        one["symbol"] = b"TIN"
    floor.publish(np.concatenate(others))
    door = DOORS[name](floor)
    for number, side, price in ((1, Side.BUY, LOW), (2, Side.SELL, HIGH), (3, Side.BUY, LOW)):
        door.enter(number, side, 5, price)
    if "quoted" in door.may:
        door.quoted()
    floor.step()
    begin(floor, door)
    floor.step()
    actions = [one for one in ACTIONS if one in door.may or one not in BY_SOME]
    for place, action in enumerate(actions):
        floor.publish(order(MARK + place, Side.BUY, 1, 1, OTHER))
        with contextlib.suppress(ClientError, OSError):
            ACTIONS[action](door)
        floor.step()
    done = {actions[place] for place, kinds in changed(floor).items() if kinds & DONE}
    assert done == left & set(actions)
    floor.stop()
