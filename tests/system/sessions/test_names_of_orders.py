"""A client of ours that reconnects as the documents show uses no order name twice, wherever in its
work the connection ended: no order of it is ignored."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from openoutcry.client import ClientError, FixClient, OuchClient
from openoutcry.order_entry.spec import Protocol
from openoutcry.pipeline.top import running
from tests.support.order_entry.sessions_venue import PASSWORD, Venue, stage_row
from tests.support.waiting import BOUND_S, wait_until

CLIENTS = {"ouch-4.2": Protocol.OUCH42, "ouch-5.0": Protocol.OUCH50, "fix-4.4": Protocol.FIX44}
POINTS = {"before any message": (0, 2), "in the middle": (2, 2), "after the last": (2, 0)}
"""Orders that are answered before the connection ends, and orders that are not."""
CASES = [
    (protocol, point)
    for protocol in CLIENTS
    for point in POINTS
    # Over 5.0 no order leaves before the venue has said which numbers are free.
    if (protocol, point) != ("ouch-5.0", "before any message")
]


class Trader:
    """Sends orders that rest, by the client of a protocol."""

    def __init__(self, venue: Venue, protocol: str) -> None:
        self.port, self.protocol = venue.ports[CLIENTS[protocol].name], protocol
        self.client: Any
        self.names: list[str] = []
        self.accepted: list[str] = []
        self.again: dict[str, Any] = {}
        self.connect()

    def connect(self) -> None:
        """As the pages of the protocols show it, once the venue knows of the connection's end."""

        def tried() -> list[Any]:
            where = ("127.0.0.1", self.port, "S1", PASSWORD)
            try:
                if self.protocol == "fix-4.4":
                    return [FixClient(*where, **self.again)]
                version = self.protocol.removeprefix("ouch-")
                return [OuchClient(*where, version=version, **self.again)]
            except ClientError:
                return []

        (self.client,) = wait_until(tried, "the session is let in")

    def disconnect(self) -> None:
        """Without a logout."""
        if self.protocol == "fix-4.4":
            self.again = {"numbers": self.client.numbers}
            self.client.close()
        else:
            self.again = {"sequence": self.client.sequence}
            self.client.connection.close()

    def hear_the_end(self) -> None:
        """Wait until the connection is lost."""
        with suppress(ClientError):
            while self.client.next(BOUND_S) is not None:
                pass

    def send(self, count: int) -> None:
        self.names += [str(self.client.buy("ACME", 1, "1.00")) for _ in range(count)]

    def hear(self, count: int) -> None:
        """Wait until so many of the orders have been accepted."""
        while len(self.accepted) < count:
            message = self.client.next(BOUND_S)
            assert message is not None, (self.names, self.accepted)
            if self.protocol == "fix-4.4":
                name = message[11] if message.get(150) == "0" else ""
            else:
                field = "user_ref" if self.client.is_50 else "token"
                name = str(message[field]) if message.kind == "A" else ""
            if name and name not in self.accepted:
                self.accepted.append(name)


def flow(venue: Venue) -> dict[str, Any]:
    (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)
    return pipeline.view(pipeline.positions(), 1)


@pytest.mark.parametrize("dies", [False, True], ids=["the client goes", "the stage is killed"])
@pytest.mark.parametrize(("protocol", "point"), CASES)
def test_no_name_is_used_twice(protocol: str, point: str, dies: bool, tmp_path: Path) -> None:
    """Nothing is sequenced while the journal's process is held: a client that comes back then finds
    an empty stream although its orders are under way."""
    row = {"name": "S1", "participant": 1, "cancel_on_disconnect": 0}
    rows = [row | {"protocol": int(CLIENTS[protocol])}]
    answered, under_way = POINTS[point]
    with Venue(rows, tmp_path / "journal", durability="durable") as venue:
        trader = Trader(venue, protocol)
        trader.send(answered)
        trader.hear(answered)
        journal = next(row["pid"] for row in flow(venue)["stages"] if row["name"] == "journal")
        os.kill(journal, signal.SIGSTOP)
        try:
            taken = flow(venue)["commands"] + under_way
            trader.send(under_way)
            wait_until(lambda: flow(venue)["commands"] >= taken, "the orders are taken")
            if dies:
                os.kill(stage_row(venue)["pid"], signal.SIGKILL)
                trader.hear_the_end()
                os.kill(journal, signal.SIGCONT)
            trader.disconnect()
            trader.connect()
            if protocol == "ouch-5.0":  # the venue says which numbers are free once it is durable
                os.kill(journal, signal.SIGCONT)
            trader.send(2)
        finally:
            os.kill(journal, signal.SIGCONT)
        trader.hear(answered + under_way + 2)
        assert len(set(trader.names)) == len(trader.names)
        assert sorted(trader.accepted) == sorted(trader.names)
        trader.disconnect()
