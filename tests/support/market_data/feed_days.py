"""A served venue with a feed of every kind, and a subscriber of each through its days."""

import json
import time
from pathlib import Path

from openoutcry.market_data.depth import DepthReceiver
from openoutcry.market_data.receiver import Receiver
from openoutcry.market_data.spec import FeedSpec
from openoutcry.market_data.stream import StreamReceiver
from tests.support.console.websockets_patient import connect
from tests.support.processes import free_port
from tests.support.venue.served_venue import PORT, VENUE, ServedVenue
from tests.support.waiting import BOUND_S

LIMITS = "\nmin_price_ticks = 1\nmax_price_ticks = 1_000_000\nmax_qty_lots = 1_000_000\n"


class Days:
    """A served venue with a feed, and one subscriber of each kind through all of its days."""

    def __init__(self, folder: Path, text: str = VENUE) -> None:
        self.spec = FeedSpec(
            ("239.193.9.1", free_port()),
            ("239.193.9.2", free_port()),
            "127.0.0.1",
            ("127.0.0.1", free_port()),
            snapshots=("127.0.0.1", free_port()),
            stream=("127.0.0.1", free_port()),
            depth=("239.193.9.3", free_port()),
            pages=("127.0.0.1", free_port()),
            interval_ms=20,
        )
        table = '\n[market_data]\ninterface = "127.0.0.1"\nheartbeat_ms = 50\ninterval_ms = 20\n'
        for name in ("a", "b", "retransmission", "snapshots", "stream", "depth", "pages"):
            table += '{} = "{}:{}"\n'.format(name, *getattr(self.spec, name))
        for symbol in ("GOLD", "TIN"):
            text = text.replace(f'symbol = "{symbol}"', f'symbol = "{symbol}"{LIMITS}')
        self.venue = ServedVenue(folder, "2026-11-23T10:00", PORT + table, text)
        self.venue.start()
        self.venue.wait_for_phase("CONTINUOUS")

    def subscribe(self) -> None:
        """From the first message on, and from here on without a pause: who is silent is left."""
        self.multicast, self.streamed = bytearray(), bytearray()
        assert self.spec.b
        self.receiver = Receiver(
            [self.spec.a, self.spec.b],
            self.spec.retransmission,
            "127.0.0.1",
            lambda data, first: self.multicast.extend(data),
        )
        assert self.spec.stream
        assert self.spec.depth
        self.stream = StreamReceiver(
            self.spec.stream, deliver=lambda data, first: self.streamed.extend(data), follow=True
        )
        self.depth = DepthReceiver(self.spec.depth, "127.0.0.1")

    def wait_for(self, *done) -> None:
        until = time.monotonic() + BOUND_S
        while not all(one() for one in done):
            state = [
                (one.session, one.next_sequence, one.ended, one.sessions, one.unfinished)
                for one in (self.receiver.lines, self.stream.lines)
            ]
            state.append(
                [b.levels(1, "B") for b in (self.receiver.book, self.stream.book, self.depth.book)]
            )
            state.append((len(self.multicast), len(self.streamed), self.depth.book.ended))
            assert time.monotonic() < until, state
            self.receiver.poll(0.005)
            self.stream.poll(0.005)
            self.depth.poll()

    def page(self):
        host, port = self.spec.pages or ("", 0)
        page, row = connect(f"ws://{host}:{port}", legacy=True), {"type": ""}
        while row["type"] != "snapshot":  # before the first view there is no instrument to ask for
            if row["type"] != "heartbeat":
                page.send(json.dumps({"subscribe": ["GOLD"]}))
            row = json.loads(page.recv(timeout=BOUND_S))
        assert row["symbol"] == "GOLD"
        return page

    def close(self) -> None:
        for name in ("receiver", "stream", "depth"):
            if name in vars(self):
                vars(self)[name].close()
        if self.venue.process is not None and self.venue.process.poll() is None:
            self.venue.stop()
