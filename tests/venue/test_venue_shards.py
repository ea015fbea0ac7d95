"""A venue with several matchers: what one with the same partitions says, over kills of them and of
the venue; its desk shows of every partition what the matcher has that owns it."""

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import served_venue
from click.testing import CliRunner
from feed_days import Days
from processes import free_port
from served_venue import WAIT_S
from sessions_venue import HASH, PASSWORD, Client
from venue_floor import Floor, kinds, order, risk_refusal

from openoutcry.cli.main import main
from openoutcry.client import FixClient
from openoutcry.console.participants import row_of
from openoutcry.market_data.book import Book
from openoutcry.operations.limits_used import LimitsUsed
from openoutcry.pipeline.risk_state import risk_state
from openoutcry.pipeline.send import send
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.pipeline.venue.file import VenueFileError, read_venue
from openoutcry.pipeline.venue.limits import LimitsError, check_structure
from openoutcry.replay.checkpoint import recover
from openoutcry.replay.replay import replay
from openoutcry.risk.joined import JoinedView, view_of
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Reason, Side, TimeInForce

SYMBOLS = ("GOLD", "ZINC", "LEAD", "NICKEL")
"""In partitions 1, 0, 3 and 2: of two matchers the second has GOLD and LEAD."""
VENUE = """
[venue]
name = "TEST"
journal = "journal"
volatile_journal = true
housekeeping_cores = 0
order_capacity = 4096
checkpoint_every = 1_000
shards = SHARDS
partitions = 4
[calendar]
time_zone = "Etc/UTC"
time_every_s = 600
[[schedule]]
name = "main"
day = ["08:00 PRE_OPEN", "09:00 CONTINUOUS", "17:00 CLOSING_AUCTION", "17:05 CLOSED"]
[[limits]]
open_orders = 400
gross_position = 4_000
[[limits]]
group = "alpha"
group_gross_position = 6_000
[[limits]]
participant = 1
opening_balance = 50_000_000
credit = 0
[[limits]]
participant = 2
instrument = "LEAD"
opening_position = 40
opening_price = 500
"""
VENUE += "".join(f'[[instrument]]\nsymbol = "{symbol}"\n' for symbol in SYMBOLS)
VENUE += "".join(
    f'[[participant]]\nnumber = {n}\nname = "p{n}"\n' + ('group = "alpha"\n' if n > 2 else "")
    for n in range(1, 5)
)
SESSIONS = """
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
name = "FIRM"
protocol = "fix-4.4"
participant = 2
password = "HASH"
cancel_on_disconnect = "none"
timeout_ms = 600_000
"""


def flow(seed: int, count: int, first_id: int) -> np.ndarray:
    """Orders of everybody in all instruments that trade with each other, and cancels of limit
    orders: of others an event that a trade causes could be taken for the cancel's answer."""
    rng = np.random.default_rng(seed)
    types = (OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.ICEBERG, OrderType.STOP)
    commands: list[np.ndarray] = []
    plain: list[np.ndarray] = []
    for number in range(first_id, first_id + count):
        symbol = SYMBOLS[int(rng.integers(4))].encode()
        who, side = int(rng.integers(1, 5)), Side(int(rng.integers(1, 3)))
        draw = rng.random()
        if draw < 0.15 and plain:
            old = plain.pop(int(rng.integers(len(plain))))
            one = order(int(old["order_id"][0]), side, 0, 0, int(old["participant"][0]))
            one["kind"], one["symbol"] = CommandKind.CANCEL, old["symbol"]
        else:
            one = order(number, side, int(rng.integers(1, 40)), 1_000 + int(rng.integers(-5, 6)),
                        who)  # fmt: skip
            kind = types[int(rng.integers(len(types)))]
            one["symbol"], one["order_type"] = symbol, kind
            if kind is OrderType.ICEBERG:
                one["aux"] = max(1, int(one["qty_lots"][0]) // 3)
            if kind is OrderType.STOP:
                one["aux"], one["price_ticks"] = one["price_ticks"], 0
            if rng.random() < 0.2:
                one["time_in_force"] = TimeInForce.IOC
            elif kind is OrderType.LIMIT:
                plain.append(one)
        commands.append(one)
    return np.concatenate(commands)


def opened(folder: Path, shards: int) -> Floor:
    folder.mkdir()
    return Floor(folder, VENUE.replace("SHARDS", str(shards)))


def pipeline_of(floor: Floor) -> RunningPipeline:
    process = floor.venue.process
    assert process is not None
    (pipeline,) = (one for one in running() if one.owner.pid == process.pid)
    return pipeline


def desk(floor: Floor) -> list[dict[str, Any]]:
    """What the console shows of every participant."""
    view = risk_state(pipeline_of(floor).owner)
    assert isinstance(view, JoinedView)
    file = read_venue(floor.file)
    return [row_of(view, one, list(SYMBOLS)) for one in file.participants]


def kept(floor: Floor) -> list[dict[str, Any]]:
    """The same, of the core that the journal makes."""
    view, file = view_of([recover(floor.venue.journal).engine.region]), read_venue(floor.file)
    return [row_of(view, one, list(SYMBOLS)) for one in file.participants]


def traded(floor: Floor) -> dict[tuple[int, str], int]:
    """Everybody's position by the events alone, of what was not there at the opening."""
    positions: dict[tuple[int, str], int] = {(2, "LEAD"): 40}
    for event in floor.journal()[1]:
        if event["kind"] == EventKind.FILLED:
            sign = 1 if event["side"] == Side.BUY else -1
            place = int(event["participant"]), SYMBOLS[int(event["instrument"])]
            positions[place] = positions.get(place, 0) + sign * int(event["qty_lots"])
    return {place: lots for place, lots in positions.items() if lots}


def is_right(floor: Floor) -> None:
    """Desk, journal, events and ledger say the same."""
    shown = desk(floor)
    assert shown == kept(floor)
    held = {(row["number"], symbol): lots for row in shown
            for symbol, lots in row["positions"].items()}  # fmt: skip
    assert held == traded(floor)
    assert {symbol for _, symbol in held} == set(SYMBOLS)
    completed = CliRunner().invoke(main, ["reconcile", str(floor.venue.journal), "--json"])
    assert completed.exit_code == 0, completed.output


def drive(floor: Floor) -> dict[str, Any]:
    """Everything that a desk can ask for, and orders between."""
    floor.send(flow(1, 500, 1))
    floor.ask("limits", "set", "open_orders", "30", "--participant", "3")
    floor.ask("deposit", "1", "500", "--why", "wire")
    floor.send(flow(2, 300, 1_000))
    floor.ask("kill", "participant", "4")
    floor.ask("halt", "NICKEL")
    floor.send(flow(3, 300, 2_000))
    assert floor.venue.status()["risk"]["killed"] == [4]
    floor.ask("resume", "participant", "4")
    floor.send(flow(4, 300, 3_000))
    assert "loss follows prices: it needs one partition, not 4" in floor.ask(
        "limits", "set", "loss", "5", "--participant", "1", status=1)["error"]  # fmt: skip
    rows = desk(floor)
    assert any(row["limits"][0]["used"] for row in rows)
    used = LimitsUsed(pipeline_of(floor).owner).shares([1, 2, 3, 4])
    is_right(floor)
    last = floor.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    assert replay(floor.venue.journal)["equal"] is True
    return {"last": last, "events": floor.journal()[1], "rows": rows, "used": used}


def test_two_matchers_say_what_one_with_the_same_partitions_does(tmp_path: Path) -> None:
    one = drive(opened(tmp_path / "one", 1))
    two = drive(opened(tmp_path / "two", 2))
    assert np.array_equal(one["events"], two["events"])
    for key in ("commands", "events", "trades", "state_hash", "open_orders"):
        assert one["last"][key] == two["last"][key]
    assert (one["rows"], one["used"]) == (two["rows"], two["used"])
    by_risk = np.flatnonzero(
        (one["events"]["kind"] == EventKind.REJECTED) & (one["events"]["reason"] == Reason.RISK)
    )
    refused = {risk_refusal(one["events"][n : n + 1])[0].pop() for n in by_risk}
    assert len(refused) > 1


def kill_stage(floor: Floor, name: str) -> None:
    """SIGKILL, and wait until it is back."""
    pipeline = pipeline_of(floor)

    def row() -> dict[str, Any]:
        rows = pipeline.view(pipeline.positions(), 1)["stages"]
        (stage,) = (one for one in rows if one["name"] == name)
        return dict(stage)

    pid = row()["pid"]
    os.kill(pid, signal.SIGKILL)
    floor.venue.wait_for(lambda s: (now := row())["pid"] != pid and now["alive"])


def accepted_of(client: Client, count: int) -> None:
    """Read its messages until so many orders were accepted; none is refused."""
    while count:
        kind, fields = client.message()
        assert kind != "J", fields
        count -= kind == "A"


@pytest.mark.long
def test_matchers_and_the_venue_are_killed_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    ports = {"OUCH": str(free_port()), "FIX": str(free_port()), "HASH": HASH}
    text = SESSIONS
    for name, value in ports.items():
        text = text.replace(name, value)
    folder = tmp_path / "venue"
    folder.mkdir()
    roomy = VENUE.replace("= 400", "= 4_000").replace("position = 4_", "position = 4_000_")
    roomy = roomy.replace("position = 6_", "position = 6_000_")
    floor = Floor(folder, roomy.replace("SHARDS", "2") + text)
    client = Client(int(ports["OUCH"]), "ONE")
    firm = FixClient("127.0.0.1", int(ports["FIX"]), "FIRM", PASSWORD, target="TEST",
                     heartbeat_s=600, timeout_s=300)  # fmt: skip
    for number, symbol in enumerate(SYMBOLS):
        client.enter(f"A{number}", symbol=symbol, price=900)
        assert client.message()[0] == "A"
        firm.buy(symbol, 5, 899)
        answer = firm.next(300)
        assert answer is not None
        assert answer[150] == "0"
    enough = threading.Event()

    def traffic() -> Iterator[np.ndarray]:
        for number in itertools.count(1):
            if enough.is_set():
                return
            yield flow(number, 50, 10_000 * number)

    floor.venue.senders += 1
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send, traffic(), ("127.0.0.1", floor.venue.port), rate=200,
                           sender_id=floor.venue.senders, timeout_s=WAIT_S)  # fmt: skip
        try:
            floor.venue.wait_for(lambda s: s["commands"] > 200)
            for stage in ("matcher-1", "matcher"):
                kill_stage(floor, stage)
                before = floor.venue.status()["commands"]
                floor.venue.wait_for(lambda s, before=before: s["commands"] > before + 100)
                floor.ask("deposit", "1", "500", "--why", "beside a restart")
        finally:
            enough.set()
        done = sent.result(WAIT_S)
    assert done["acknowledged"] == done["sent_orders"]
    # Where stages share a process, the connections went with the matcher.
    client.close()
    firm.close()
    client = Client(int(ports["OUCH"]), "ONE")
    accepted_of(client, len(SYMBOLS))
    # However long that took: the book has room again.
    for number in "1234":
        floor.ask("kill", "participant", number)
        floor.ask("resume", "participant", number)
    client.enter("B", symbol="ZINC", price=1_000)
    accepted_of(client, 1)
    is_right(floor)
    messages, rows = list(client.messages), desk(floor)
    client.close()
    floor.again()
    assert desk(floor) == rows
    client = Client(int(ports["OUCH"]), "ONE")
    for _ in messages:
        client.message()
    assert client.messages == messages
    client.close()
    (accepted,) = floor.send(order(5, Side.BUY, 5, 10, 4, symbol=b"LEAD"))
    assert kinds(accepted) == [EventKind.ACCEPTED]
    floor.venue.kill()
    written = floor.file.read_text()
    floor.file.write_text(written.replace("shards = 2", "shards = 4"))
    floor.open()
    floor.send(flow(99, 200, 5_000_000))
    is_right(floor)
    last = floor.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    replayed = replay(floor.venue.journal)
    assert (replayed["state_hash"], replayed["equal"]) == (last["state_hash"], True)


def test_the_feed_tells_what_all_matchers_did(tmp_path: Path) -> None:
    """GOLD is the first matcher's, TIN the second's."""
    divided = served_venue.VENUE.replace("[venue]", "[venue]\nshards = 2\npartitions = 5")
    days = Days(tmp_path, divided)
    try:
        days.subscribe()
        for number, symbol in enumerate((b"GOLD", b"TIN")):
            at = 100 * number
            bids = served_venue.orders(11 + at, 4, TimeInForce.GTC)
            bids["symbol"], bids["price_ticks"], bids["qty_lots"] = symbol, 500, [1, 2, 3, 4]
            sale = order(21 + at, Side.SELL, 3, 500, symbol=symbol)
            days.venue.send(np.concatenate([bids, sale]))
        wanted = [(50_000, 7, 2)]
        days.wait_for(
            *(lambda book=book, n=n: book.levels(n, "B") == wanted
              for book in (days.receiver.book, days.stream.book) for n in (1, 2)),
            lambda: len(days.streamed) == len(days.multicast),
        )  # fmt: skip
        assert days.streamed == days.multicast
        book = Book()
        book.apply(bytes(days.multicast))
        assert book.hash() == days.receiver.book.hash()
    finally:
        days.close()


REFUSED = {
    "shards = 5": "5 matchers need at least as many partitions, not 4",
    "shards = 2\nspeed_bump_us = 5": "a speed bump needs one partition, not 4",
}
MORE_REFUSED = {
    "[[limits]]\nloss = 5\n": "follows prices: needs one partition, not 4",
    "[[limits]]\ndrawdown = 5\n": "follows prices: needs one partition, not 4",
    "[liquidation]\n": "liquidation needs one partition, not 4",
    "[breaker]\n": "the breaker needs one partition, not 4",
    "[[protection]]\n": "market protection needs one partition, not 4",
    '[[instrument]]\nsymbol = "X"\nleveraged = true\n':
        "a leveraged instrument needs one partition, not 4",
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [
    *((("shards = 2", text)) for text in REFUSED), *((("", text)) for text in MORE_REFUSED),
])  # fmt: skip
def test_what_cannot_be_divided_is_a_mistake_of_the_file(
    old: str, new: str, tmp_path: Path
) -> None:
    text = VENUE.replace("SHARDS", "2")
    path = tmp_path / "venue.toml"
    path.write_text(text.replace(old, new) if old else text + new)
    with pytest.raises(VenueFileError) as raised:
        read_venue(path)
    (wanted,) = [words for key, words in (REFUSED | MORE_REFUSED).items() if key == new]
    assert wanted in [mistake.text for mistake in raised.value.mistakes]


def test_a_replicated_journal_needs_one_matcher(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    text = VENUE.replace("SHARDS", "2").replace("shards", 'durability = "replicated"\nshards')
    path.write_text(text + '[durability]\nnats = "nats://127.0.0.1:4222"\n')
    with pytest.raises(VenueFileError, match="a replicated journal needs one matcher, not 2"):
        read_venue(path)


def test_the_partitions_are_the_journals(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(VENUE.replace("SHARDS", "1"))
    risk = read_venue(path).risk
    for hooks, now in (({"partitions": 4}, 2), ({}, 2), ({"partitions": 4}, 1)):
        with pytest.raises(LimitsError, match=f"began with {hooks.get('partitions', 1)} part"):
            check_structure({"participants": 256} | hooks, risk, [1], 0, now)
