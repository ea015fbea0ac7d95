"""A venue's authenticated packets over real sockets: only he who has the key trades, as himself,
whatever his records say; nobody gets his replies; a packet taken once is never taken again, also
after the venue was killed."""

import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim.authentication import is_sealed, seal
from openoutcry.dpdk_shim.packets import build_packets
from openoutcry.pipeline.sealed_line import SealedLine
from openoutcry.pipeline.send import send_by_line
from openoutcry.wire.enums import CommandKind, TimeInForce
from tests.support.venue.served_venue import KEY, SEALED, ServedVenue, orders
from tests.support.waiting import BOUND_S

SECRET = bytes.fromhex(KEY)


class Recorded(SealedLine):
    """Keeps what it sent, as somebody on the way could."""

    def connect(self) -> None:
        super().connect()
        self.sent: list[bytes] = []

    def send(self, header: bytes, records: memoryview) -> None:
        self.sent.append(seal(self.key, header + bytes(records), self.epoch))
        self.udp.send(self.sent[-1])


def trade(venue: ServedVenue, first_id: int, epoch: int, count: int = 20) -> list[bytes]:
    """Send orders that name another participant; every one is answered."""
    batch = orders(first_id, count, TimeInForce.GTC, 100 * first_id)
    batch["participant"] = 99
    with Recorded(("127.0.0.1", venue.port), SECRET, epoch) as line:
        done = send_by_line([batch], line, rate=2_000, sender_id=1, timeout_s=BOUND_S)
        assert (done["acknowledged"], done["bad_replies"]) == (count, 0)
        return line.sent


@pytest.mark.promise(
    "Authenticated packets of a venue: no bit can be changed, and only a holder of the key trades"
    " and reads replies. None is accepted twice or from an earlier epoch, also after a crash",
    group="network",
)
def test_only_the_session_trades_and_nothing_is_taken_twice(tmp_path: Path) -> None:
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", SEALED)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    sent = trade(venue, 1, epoch=5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(("127.0.0.1", venue.port))
        forged = build_packets(orders(500, 1, TimeInForce.GTC), 1, 1_000, 0)
        for packet in [*sent, *forged, seal(bytes(32), forged[0], 6), b"", bytes(2_000)]:
            stranger.send(packet)
        # Behind them in the socket's queue: when these are answered, those have been looked at.
        more = trade(venue, 101, epoch=6)
        stranger.setblocking(False)
        try:
            heard = stranger.recv(2_000)
        except BlockingIOError:
            heard = b""
        assert heard == b""
    venue.kill()
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as replayed:
        replayed.connect(("127.0.0.1", venue.port))
        for packet in [*sent, *more]:
            replayed.send(packet)
        trade(venue, 201, epoch=7)
    last = venue.stop()["last_run"]
    commands = venue.commands()
    commands = commands[commands["kind"] == CommandKind.NEW]
    ids = [order_id for first in (1, 101, 201) for order_id in range(first, first + 20)]
    assert sorted(commands["order_id"].tolist()) == ids
    assert set(commands["participant"].tolist()) == {1}
    assert last["lost"] == last["duplicated"] == 0


def test_a_client_believes_only_the_venue() -> None:
    """Datagrams of somebody who has no key are no replies, whatever they say."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as impostor:
        impostor.bind(("127.0.0.1", 0))
        with SealedLine(impostor.getsockname(), SECRET, 5) as line:
            line.connect()

            def answer() -> None:
                data, peer = impostor.recvfrom(2_000)
                assert is_sealed(SECRET, data)
                for reply in (data, data[:-1] + b"\0", seal(bytes(32), data[:-24], 5), b"x"):
                    impostor.sendto(reply, peer)

            thread = threading.Thread(target=answer)
            thread.start()
            batch = orders(1, 1, TimeInForce.GTC)
            done = send_by_line([batch], line, rate=1_000, sender_id=1, timeout_s=8.0)
            thread.join()
            assert (done["acknowledged"], done["bad_replies"]) == (0, 4)
            assert isinstance(line.epoch, int)
            assert np.all(batch["participant"] == 1)
