"""The live feed of a venue with market protection, over a kill of the venue.  What does not need
processes is in tests/unit/venue."""

import threading
from pathlib import Path

from openoutcry.journal.replay import replay
from openoutcry.market_data.files import write_feed
from openoutcry.market_data.receiver import Receiver
from openoutcry.wire.enums import Side
from tests.support.processes import free_port
from tests.support.venue.protected import TEXT, protections
from tests.support.venue.venue_floor import Floor, gateway_refusal, order
from tests.support.waiting import wait_until

FEED = """
[market_data]
a = "239.193.9.7:{a}"
retransmission = "127.0.0.1:{requests}"
interface = "127.0.0.1"
heartbeat_ms = 50
"""


class Subscriber(threading.Thread):
    """A subscriber of the venue's public line, over all kills of the venue."""

    def __init__(self, ports: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.stream, self.enough = bytearray(), threading.Event()
        self.receiver = Receiver(
            [("239.193.9.7", ports["a"])],
            ("127.0.0.1", ports["requests"]),
            "127.0.0.1",
            lambda data, first: self.stream.extend(data),
        )

    def run(self) -> None:
        while not self.enough.is_set():
            self.receiver.poll(0.05)


def test_the_feed_says_each_decision_live_over_a_kill(tmp_path: Path) -> None:
    """A limit state, a pause and its auction; made again from the journal, the feed is the same to
    the bit."""
    ports = {"a": free_port(), "requests": free_port()}
    floor = Floor(tmp_path, TEXT + FEED.format(**ports))
    public = Subscriber(ports)
    public.start()
    floor.send(order(1, Side.BUY, 1, 1_050), order(2, Side.BUY, 1, 900))
    floor.venue.wait_for(lambda s: s["risk"]["protection"] == {"GOLD": "limit state"})
    floor.again()
    floor.venue.set_time("2026-11-23T10:01:00")
    floor.venue.wait_for(lambda s: s["phases"]["GOLD"] == "HALT" and s["phases_sequenced"])
    (refused,) = floor.send(order(3, Side.BUY, 1, 1_000))
    assert gateway_refusal(refused) == {"HALTED"}
    floor.venue.set_time("2026-11-23T10:06:00")
    floor.venue.wait_for(
        lambda s: s["phases"]["GOLD"] == "VOLATILITY_AUCTION" and s["phases_sequenced"]
    )
    write_feed(floor.journal_path, tmp_path / "day.itch", "itch", {"GOLD": 2, "TIN": 2}, session=1)
    made_again = (tmp_path / "day.itch").read_bytes()
    wait_until(lambda: len(public.stream) >= len(made_again), "the subscriber has all of the feed")
    public.enough.set()
    public.join()
    assert bytes(public.stream) == made_again
    said = [one.replace(" GOLD", "") for one in protections(made_again) if "GOLD" in one]
    assert said == [
        "H H CLSD",
        "H Q PREO",
        "H T CONT",
        "H P LUDP",
        "H Q T7",
        "J 1000 1200 800 0",
    ]
    last = floor.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    assert replay(floor.journal_path)["state_hash"] == last["state_hash"]
