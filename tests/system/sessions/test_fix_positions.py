"""QuickFIX's engine asks a served venue, by the venue's own dictionary, for positions and margin
while the process that takes its requests and the one that answers them are killed: each answer is
the margin view's.  What was paid in funding is the same after the whole venue was killed."""

import os
import signal
import time
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.client.fix import FixMessage, read_message, utc_text
from openoutcry.pipeline.risk_state import risk_state
from openoutcry.pipeline.top import running
from openoutcry.venue.file import read_venue
from openoutcry.venue.margin_view import MarginView
from openoutcry.venue.position_messages import PARTS, SCENARIOS, TOTALS
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.enums import Side
from tests.support.documents.fix_dictionary import FILE
from tests.support.order_entry.fix_quickfix import quickfix_client
from tests.support.order_entry.sessions_venue import HASH, PASSWORD, kill_stage
from tests.support.processes import free_port
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import Floor, order
from tests.support.waiting import wait_until

SESSION = """
[[session]]
name = "FIRM"
protocol = "fix-4.4"
participant = 1
password = "{password}"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:{port}"
"""
AGAIN_S = 5.0


def asked(client: Any, name: str) -> list[FixMessage]:
    """What answers a request; one whose answerer died is asked again."""
    sent_s = -AGAIN_S

    def answer() -> list[FixMessage]:
        nonlocal sent_s
        if time.monotonic() - sent_s >= AGAIN_S:
            sent_s = time.monotonic()
            terms = {710: name, 724: "0", 1: "1", 581: "1", 715: "20261123", 60: utc_text()}
            client.send(terms | {5500: "Y"}, "AN")
        came = [read_message(text.encode("latin-1")) for text in client.positions]
        found = [one for one in came if one[710] == name]
        return found[: int(found[0][727]) + 1] if len(found) > 2 else []

    return wait_until(answer, "the request is answered")


def figures(floor: Floor) -> dict[str, Any]:
    assert floor.venue.process is not None
    owner = next(one.owner for one in running() if one.owner.pid == floor.venue.process.pid)
    file, view = read_venue(floor.file), risk_state(owner)
    assert view is not None
    return MarginView(file.risk, list(file.symbols), view).document(1)


def require_same(answer: list[FixMessage], plain: dict[str, Any]) -> None:
    ack, *reports = answer
    assert {name: ack[tag] for name, tag in TOTALS.items()} == {
        name: decimal_text(plain[name], 2) for name in TOTALS
    }
    assert [one[55] for one in reports] == list(plain["positions"])
    for one in reports:
        part = plain["commodities"][one[5510]]
        assert one[730] == decimal_text(plain["positions"][one[55]]["mark"], 2)
        assert {name: one[tag] for name, tag in PARTS.items()} == {
            name: decimal_text(part[name], 2) for name in PARTS
        }
        losses = [one[SCENARIOS + number] for number in range(16)]
        assert losses == [decimal_text(loss, 2) for loss in part["scenarios"]]


def test_positions_over_kills(tmp_path: Path) -> None:
    (tmp_path / "margin.toml").write_text(MARGIN_FILE)
    port = free_port()
    floor = Floor(tmp_path, SCENARIO_VENUE + SESSION.format(password=HASH, port=port))
    trades = [
        order(1, Side.BUY, 4, 5_000, who=1),
        order(2, Side.SELL, 4, 5_000, who=2),
        order(3, Side.SELL, 1, 200_000, who=1, symbol=b"TIN"),
        order(4, Side.BUY, 1, 200_000, who=2, symbol=b"TIN"),
    ]
    floor.publish(np.concatenate(trades))
    floor.ask("contract", "fund", "TIN", "--rate", "1000000")
    terms = {"target": "TEST", "password": PASSWORD, "dictionary": FILE}
    with quickfix_client(tmp_path, port, **terms) as client:
        plain = figures(floor)
        require_same(asked(client, "first"), plain)
        require_funded(client)
        kill_stage(floor.venue)
        require_same(asked(client, "stage"), plain)
        assert floor.venue.process is not None
        (acceptor,) = acceptors(floor)
        os.kill(acceptor, signal.SIGKILL)
        wait_until(lambda: acceptors(floor) not in ([], [acceptor]), "there is another one")
        require_same(asked(client, "desk"), plain)
        assert client.faults == []
    floor.again()
    with quickfix_client(tmp_path, port, **terms) as client:
        require_funded(client)
        assert client.faults == []
    last = floor.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)


def require_funded(client: Any) -> None:
    """The short lot of TIN was paid a thousandth of 2,000 USD, as soon as that is read from the
    journal."""
    names = (f"funded{number}" for number in count())
    ack, _, tin = wait_until(lambda: with_funding(asked(client, next(names))), "it is known")
    amounts = [value for tag, value in tin.fields if tag in (707, 708)]
    assert (tin[55], tin[753], amounts[2:]) == ("TIN", "2", ["FUND", ack[5509]])
    assert ack[5509] == "2.00"


def with_funding(answer: list[FixMessage]) -> list[FixMessage]:
    return answer if 5509 in dict(answer[0].fields) else []


def acceptors(floor: Floor) -> list[int]:
    """The process that lets sessions in, and answers."""
    pids = floor.venue.children()
    return [pid for pid in pids if "acceptor" in Path(f"/proc/{pid}/comm").read_text()]
