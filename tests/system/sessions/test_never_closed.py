"""A venue without a closed phase: its trading day changes between two commands while orders come.
No order is refused, no connection ends, DAY orders expire once, and what reads finished days finds
them, also after the venue was killed at the change."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.client.fix import FixClient, FixNumbers
from openoutcry.client.ouch import OuchClient
from openoutcry.client.waiting import ClientError, SessionEnded
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, oldest_point
from openoutcry.journal.replay import replay
from openoutcry.venue import days
from openoutcry.venue.canary import canary
from openoutcry.venue.rolled import by_count
from openoutcry.wire.enums import NEW_DAY, CommandKind, EventKind, Phase, Reason, TimeInForce
from tests.support.order_entry.sessions_venue import HASH, PASSWORD
from tests.support.processes import free_port
from tests.support.venue.served_venue import VENUE, ServedVenue, never_closes, orders
from tests.support.venue.trader import Trader
from tests.support.waiting import BOUND_S, wait_until

NEVER = never_closes(VENUE)
SESSIONS = """
[[participant]]
number = 2
name = "two"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:OUCH"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:FIX"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
cancel_on_disconnect = "none"
timeout_ms = 600_000
[[session]]
name = "TWO"
protocol = "fix-4.4"
participant = 2
password = "HASH"
cancel_on_disconnect = "none"
"""
Client = TypeVar("Client")
STREAM = 1_000
RESTING = 5
"""Orders of each kind that rest when the day changes."""


class OuchTrader(Trader):
    """Enters a DAY order and cancels it."""

    def __init__(self, client: OuchClient, answers: list[str]) -> None:
        self.client = client
        super().__init__(answers)

    def step(self) -> None:
        token, said = self.client.buy("GOLD", 1, "0.10"), ""
        while said != "canceled":
            message = self.client.next(BOUND_S)
            assert message is not None
            said = message.name if message["token"] == token else ""
            self.answers.append(f"{message.name} {message.fields.get('reason', '')}".strip())
            if said == "accepted":
                self.client.cancel(token)


class FixTrader(Trader):
    """Enters orders that trade at once or not at all."""

    def __init__(self, client: FixClient, answers: list[str]) -> None:
        self.client = client
        super().__init__(answers)

    def step(self) -> None:
        name, said = self.client.buy("TIN", 1, "0.10", ioc=True), ""
        while said != "4":
            message = self.client.next(BOUND_S)
            assert message is not None
            said = message.get(150) if message.get(11) == name else ""
            self.answers.append(f"{message.kind} {message.get(150)}")


def let_in(login: Callable[[], Client]) -> Client:
    """Log in, again and again while a run ends and the next one begins."""
    clients: list[Client] = []

    def has_logged_in() -> bool:
        with suppress(ClientError):
            clients.append(login())
        return bool(clients)

    wait_until(has_logged_in, "the venue lets a client in")
    return clients[0]


class Floor:
    """The venue, a client at each door and what they were answered."""

    def __init__(self, folder: Path, now: str) -> None:
        self.ports = free_port(), free_port()
        text = SESSIONS.replace(":OUCH", f":{self.ports[0]}").replace(":FIX", f":{self.ports[1]}")
        self.venue = ServedVenue(folder, now, port=text.replace("HASH", HASH), venue=NEVER)
        self.session, self.sequence = "", 1
        self.numbers: FixNumbers | None = None
        self.answers: dict[str, list[str]] = {"ouch": [], "fix": []}

    def open(self) -> None:
        """Start the venue and log in, where the sessions are."""
        self.venue.start()
        self.venue.wait_for_phase("CONTINUOUS")
        self.log_in()

    def log_in(self) -> None:
        """Continue the sessions at both doors."""
        host, (ouch, fix), now = "127.0.0.1", self.ports, self.numbers
        at, session = self.sequence, self.session
        self.ouch = let_in(
            lambda: OuchClient(host, ouch, "ONE", PASSWORD, session=session, sequence=at)
        )
        self.session = self.ouch.session
        self.fix = let_in(lambda: FixClient(host, fix, "TWO", PASSWORD, target="TEST", numbers=now))
        self.numbers = self.fix.numbers

    def rest(self) -> None:
        """Orders of each time in force, which trade with nobody."""
        for price in range(RESTING):
            self.ouch.buy("GOLD", 1, f"0.0{1 + price}")
            for terms in ({}, {"t59": "1"}, {"t59": "6", "t126": "20261130-12:00:00"}):
                self.fix.sell("TIN", 1, f"9.0{price}", **terms)
        for _ in range(RESTING):
            accepted = self.ouch.next(BOUND_S)
            assert accepted is not None
            assert accepted.name == "accepted"
            for _ in range(3):
                report = self.fix.next(BOUND_S)
                assert report is not None
                assert report.get(150) == "0"

    def trade(self) -> list[Trader]:
        return [
            OuchTrader(self.ouch, self.answers["ouch"]),
            FixTrader(self.fix, self.answers["fix"]),
        ]

    def kill(self) -> None:
        self.venue.kill()
        self.hang_up()

    def hang_up(self) -> None:
        """Close both connections without a logout."""
        self.sequence = self.ouch.sequence
        self.ouch.connection.close()
        self.fix.socket.close()

    def events(self) -> np.ndarray:
        reader = JournalReader(self.venue.journal)
        batches = events_of(reader, oldest_point(reader))
        return np.concatenate([np.array(batch.events) for batch in batches])


def test_days_change_under_orders_and_a_kill(tmp_path: Path) -> None:
    floor = Floor(tmp_path, "2026-11-25T23:59")
    venue = floor.venue
    floor.open()
    floor.rest()
    traders = floor.trade()

    def move(now: str) -> None:
        venue.set_time(now)
        venue.wait_for(lambda s: s["time"].startswith(now) and s["phases_sequenced"])
        for trader in traders:
            trader.pass_more()

    move("2026-11-25T23:59:59")
    move("2026-11-26T00:00:00")
    status = venue.status()
    assert status["day"] == "2026-11-26"
    assert status["next"] == {"at": "2026-11-27T00:00:00Z", "phase": "NEW_DAY"}
    wait_until(lambda: days.finished_days(venue.journal), "the day that ended is noted")
    move("2026-11-26T23:59:59")
    venue.set_time("2026-11-27T00:00:00")
    floor.kill()
    for trader in traders:
        trader.stop()
    floor.open()
    assert floor.ouch.session == floor.session, "the session goes on"
    traders = floor.trade()
    move("2026-11-27T00:00:01")
    wait_until(lambda: len(days.finished_days(venue.journal)) == 2, "both days are noted")
    for trader in traders:
        trader.stop()
    floor.hang_up()
    last = venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)

    # What the doors said: nothing was refused, and DAY orders expired once.
    ouch, fix = Counter(floor.answers["ouch"]), Counter(floor.answers["fix"])
    assert set(ouch) <= {"accepted", "canceled U", "canceled T"}, ouch
    assert set(fix) <= {"8 0", "8 4", "8 C"}, fix
    assert ouch["canceled T"] >= RESTING
    assert fix["8 C"] == RESTING, "of the orders over FIX that rest, those of the day"

    # What the journal says.
    events = floor.events()
    kinds = events["kind"]
    commands = venue.commands()
    entered = commands["seq"][commands["kind"] == CommandKind.NEW]
    refused = (kinds == EventKind.REJECTED) & np.isin(events["cause_seq"], entered)
    assert not refused.any(), events[refused]
    assert {phase for _, phase in venue.phases()} == {Phase.CONTINUOUS}
    expired = events[kinds == EventKind.EXPIRED]
    assert set(expired["reason"].tolist()) == {Reason.DAY_END}
    assert len(set(expired["order_id"].tolist())) == len(expired), "each once"
    assert replay(venue.journal)["state_hash"] == last["state_hash"]
    # GTC and GTD ones stay; the kill may have left the order that a trader was about to cancel.
    assert 2 * RESTING <= last["open_orders"] <= 2 * RESTING + 1

    # What reads finished days.
    first, second = days.finished_days(venue.journal)
    assert (first["day"], second["day"]) == ("2026-11-25", "2026-11-26")
    assert first["open_orders"] >= 2 * RESTING
    assert canary(venue.journal)["differences"] == []
    window = by_count(venue.journal, 1)
    assert (window.after_seq, window.until_seq) == (first["last_seq"], second["last_seq"])
    for day, *before in (
        ("2026-11-25",),
        ("2026-11-26", "--carried", str(tmp_path / "2026-11-25")),
    ):
        words = [str(venue.journal), "--day", day, "--out", str(tmp_path / day), "--format", "csv"]
        closed = CliRunner().invoke(main, ["ledger", "end-of-day", *words, *before])
        assert closed.exit_code == 0, closed.output


def test_sessions_begin_again_on_their_day(tmp_path: Path) -> None:
    """At the begin of Sunday connections end, and the sessions that follow count from 1."""
    floor = Floor(tmp_path, "2026-11-28T23:59")
    venue = floor.venue
    floor.open()
    assert floor.session.strip() == "20261122"
    floor.rest()
    venue.set_time("2026-11-29T00:00:01")
    with pytest.raises(SessionEnded):
        list(floor.ouch.messages(BOUND_S))
    floor.session, floor.sequence, floor.numbers = "", 1, None
    floor.log_in()
    assert floor.session.strip() == "20261129"
    for trader in (traders := floor.trade()):
        trader.pass_more()
    for trader in traders:
        trader.stop()
    assert "accepted" in floor.answers["ouch"][0], "nothing of the sessions before"
    floor.hang_up()
    last = venue.stop()["last_run"]
    assert (last["lost"], last["open_orders"]) == (0, 2 * RESTING)
    (row,) = days.finished_days(venue.journal)
    assert (row["day"], row["open_orders"]) == ("2026-11-28", 2 * RESTING)
    assert {phase for _, phase in venue.phases()} == {Phase.CONTINUOUS}
    assert canary(venue.journal)["differences"] == []


def test_midnight_under_5_000_orders_a_second(tmp_path: Path) -> None:
    """Packets without a pause over the change: each order is accepted."""
    venue = ServedVenue(tmp_path, "2026-11-25T23:59:59", venue=NEVER)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    ends, acknowledged = threading.Event(), list[int]()

    def send_on() -> None:
        while not ends.is_set():
            batch = orders(1 + STREAM * len(acknowledged), STREAM, TimeInForce.IOC)
            acknowledged.append(venue.send(batch, rate=5_000)["acknowledged"])

    def pass_more() -> None:
        wanted = len(acknowledged) + 2
        wait_until(lambda: len(acknowledged) >= wanted, "orders pass")

    sender = threading.Thread(target=send_on)
    sender.start()
    pass_more()
    venue.set_time("2026-11-26T00:00:00")
    venue.wait_for(lambda s: s["day"] == "2026-11-26" and s["phases_sequenced"])
    pass_more()
    ends.set()
    sender.join(BOUND_S)
    assert set(acknowledged) == {STREAM}
    last = venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"], last["open_orders"]) == (0, 0, 0)
    reader = JournalReader(venue.journal)
    batches = list(events_of(reader, oldest_point(reader)))
    events = np.concatenate([np.array(batch.events) for batch in batches])
    assert not (events["kind"] == EventKind.REJECTED).any()
    commands = venue.commands()
    entered = np.flatnonzero(commands["kind"] == CommandKind.NEW)
    (changed,) = np.flatnonzero(
        (commands["aux"] == NEW_DAY)
        & (commands["qty_lots"] == 20261126)
        & (commands["symbol"] == b"GOLD")
    )
    assert entered[0] < changed < entered[-1], "orders came before and after the change"
