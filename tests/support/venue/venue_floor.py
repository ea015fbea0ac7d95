"""A served venue, its operator's commands, and what its journal says."""

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import argon2
import numpy as np
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, starting_point
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.venue.requests import FRAMING
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import (
    CommandKind,
    ErrorBit,
    EventKind,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
)
from tests.support.venue.served_venue import PORT, VENUE, ServedVenue
from tests.support.venue.units import in_units

WORD = "secret"
MORE = """
[[participant]]
number = 2
name = "two"
group = "alpha"
[[participant]]
number = 3
name = "three"
group = "alpha"
[[limits]]
max_qty_lots = 100
[[limits]]
group = "alpha"
group_gross_position = 1_000
[[limits]]
participant = 1
opening_balance = 1_000_000
credit = 0
[[limits]]
participant = 1
instrument = "TIN"
opening_position = 40
opening_price = 500
"""
OPERATOR = """
[[operator]]
name = "{name}"
password = "{password}"
"""


def order(order_id: int, side: Side, qty: int, price: int, who: int = 1, **more: Any) -> np.ndarray:
    rows = np.zeros(1, ORDER_DTYPE)
    rows["kind"], rows["order_id"], rows["side"], rows["symbol"] = 1, order_id, side, b"GOLD"
    rows["qty_lots"], rows["price_ticks"], rows["participant"] = qty, price, who
    rows["order_type"], rows["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    for name, value in more.items():
        rows[name] = value
    return rows


def without_references(commands: np.ndarray) -> np.ndarray:
    """The commands but those that only carry the references of operators' requests."""
    framing = (commands["kind"] == CommandKind.RISK) & np.isin(commands["order_type"], FRAMING)
    return np.asarray(commands[~framing])


def with_operators(text: str) -> str:
    """A venue file with two operators, anna and bert."""
    hashed = argon2.PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1).hash(WORD)
    return text + "".join(OPERATOR.format(name=n, password=hashed) for n in ("anna", "bert"))


class Records(ABC):
    """What a venue's journal says, and what became of orders that it was sent."""

    journal_path: Path | None

    @abstractmethod
    def publish(self, orders: np.ndarray) -> None:
        """Send orders, and wait until the venue has answered them."""

    def send(self, *orders: np.ndarray) -> list[np.ndarray]:
        """Their own events, each."""
        self.publish(np.concatenate(orders))
        commands, events = self.journal()
        # Parts of liquidations come by themselves.
        ours = np.isin(commands["kind"], (1, 2)) & (commands["order_id"] < lay.PART_IDS)
        ours = commands[ours][-len(orders) :]
        return [events[events["cause_seq"] == one["seq"]] for one in ours]

    def send_all(self, *orders: np.ndarray) -> list[np.ndarray]:
        """As :meth:`send`, of commands of any kind, on a lane that nothing else uses meanwhile."""
        self.publish(np.concatenate(orders))
        commands, events = self.journal()

        def events_of_last(kind: int, order_id: int) -> np.ndarray:
            same = (commands["kind"] == kind) & (commands["order_id"] == order_id)
            return np.asarray(events[events["cause_seq"] == commands[same]["seq"][-1]])

        return [events_of_last(int(one["kind"][0]), int(one["order_id"][0])) for one in orders]

    def journal(self) -> tuple[np.ndarray, np.ndarray]:
        """Every command and every event."""
        assert self.journal_path is not None
        reader = JournalReader(self.journal_path)
        batches = [
            (np.array(batch.commands), np.array(batch.events))
            for batch in events_of(reader, starting_point(reader))
        ]
        commands, events = zip(*batches, strict=True)
        return np.concatenate(commands), np.concatenate(events)

    def settings(self) -> list[Setting]:
        commands = without_references(self.journal()[0])
        risk = commands[commands["kind"] == CommandKind.RISK]
        assert not risk["participant"].any()
        return [Setting(int(what)) for what in risk["order_type"]]

    def phases_of(self, symbol: str) -> list[str]:
        """Every PHASE of an instrument."""
        commands, _ = self.journal()
        rows = commands[commands["kind"] == CommandKind.PHASE]
        return [Phase(int(row["aux"])).name for row in rows if row["symbol"].decode() == symbol]


class Floor(Records):
    """A served venue, its operator, and what its journal says."""

    def __init__(self, folder: Path, text: str = VENUE + MORE) -> None:
        self.venue = ServedVenue(folder, "2026-11-23T10:00", PORT, with_operators(text))
        self.journal_path = self.venue.journal
        self.file = folder / "venue.toml"
        self.open()

    def open(self) -> None:
        self.venue.start()
        self.venue.wait_for(
            lambda s: (
                s["state"] == "open"
                and s["phases_sequenced"]
                and s["risk"] != {}
                and self.has_the_file()
            )
        )

    def has_the_file(self) -> bool:
        """Whether the journal on disk has all that the venue file says; the status tells of what is
        sequenced, which may be a moment before it is written."""
        reader = JournalReader(self.venue.journal)
        risk = (batch.commands for batch in events_of(reader, starting_point(reader)))
        return any(
            ((rows["kind"] == CommandKind.RISK) & (rows["order_type"] == Setting.FILE)).any()
            for rows in risk
        )

    def again(self) -> None:
        self.venue.kill()
        self.open()

    def ask(self, *words: str, password: str = "", status: int = 0) -> dict[str, Any]:
        """An `outcry` command about this venue, amounts in units, as JSON."""
        done = CliRunner().invoke(
            main,
            ["venue", *in_units(*words), "--venue", str(self.file), "--json"],
            input=password + "\n",
        )
        assert done.exit_code == status, done.output
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def publish(self, orders: np.ndarray) -> None:
        assert self.venue.send(orders)["acknowledged"] == len(orders)


def kinds(events: np.ndarray) -> list[EventKind]:
    return [EventKind(int(kind)) for kind in events["kind"]]


def gateway_refusal(events: np.ndarray) -> set[str]:
    """The gateway's checks that failed."""
    (event,) = events
    assert (event["kind"], event["reason"]) == (EventKind.REJECTED, Reason.GATEWAY)
    return {bit.name for bit in ErrorBit if int(event["contra_id"]) >> bit & 1}


def risk_refusal(events: np.ndarray) -> tuple[set[str], int, int, int]:
    """Checks that failed; of the first the limit, what stands, what was asked."""
    (event,) = events
    assert (event["kind"], event["reason"]) == (EventKind.REJECTED, Reason.RISK)
    failed = {bit.name for bit in RiskBit if int(event["contra_id"]) >> bit & 1}
    return failed, int(event["price_ticks"]), int(event["leaves_lots"]), int(event["qty_lots"])
