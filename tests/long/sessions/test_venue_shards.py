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

from openoutcry.client import FixClient
from openoutcry.journal.replay import replay
from openoutcry.pipeline.send import send
from openoutcry.wire.enums import EventKind, Side
from tests.support.order_entry.sessions_venue import HASH, PASSWORD, Client
from tests.support.processes import free_port
from tests.support.venue.venue_floor import Floor, kinds, order
from tests.support.venue.venue_shards import (
    SYMBOLS,
    VENUE,
    desk,
    flow,
    is_right,
    pipeline_of,
)
from tests.support.waiting import BOUND_S

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
    firm = FixClient(
        "127.0.0.1",
        int(ports["FIX"]),
        "FIRM",
        PASSWORD,
        target="TEST",
        heartbeat_s=600,
        timeout_s=BOUND_S,
    )
    for number, symbol in enumerate(SYMBOLS):
        client.enter(f"A{number}", symbol=symbol, price=900)
        assert client.message()[0] == "A"
        firm.buy(symbol, 5, 899)
        answer = firm.next(BOUND_S)
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
        sent = pool.submit(
            send,
            traffic(),
            ("127.0.0.1", floor.venue.port),
            rate=200,
            sender_id=floor.venue.senders,
            timeout_s=BOUND_S,
        )
        try:
            floor.venue.wait_for(lambda s: s["commands"] > 200)
            for stage in ("matcher-1", "matcher"):
                kill_stage(floor, stage)
                before = floor.venue.status()["commands"]
                floor.venue.wait_for(lambda s, before=before: s["commands"] > before + 100)
                floor.ask("deposit", "1", "500", "--why", "beside a restart")
        finally:
            enough.set()
        done = sent.result(BOUND_S)
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
