"""tshark dissects every byte of SoupBinTCP and OUCH 4.2 that goes out or may come in: no unknown
value, no malformed packet, no byte left over."""

import contextlib
import re
import select
import shutil
import socket
import struct
import subprocess
import threading

import pytest

from openoutcry.order_entry import ouch42, soupbin
from openoutcry.order_entry.soupbin import LoginRequest
from openoutcry.wire.enums import EventFlag, EventKind, Reason, SelfTrade
from openoutcry.wire.messages import OUCH42
from tests.support.order_entry.ouch42_messages import (
    cancel,
    enter,
    finish,
    modify,
    open_order,
    replace,
)
from tests.support.order_entry.ouch_support import (
    Session,
    make_event,
    make_row,
    sequenced,
    unsequenced,
)
from tests.support.order_entry.sessions_venue import Client, Venue
from tests.support.waiting import BOUND_S

PORT = 9000

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def frame(data, from_client, seq):
    """An Ethernet frame with a TCP segment; nobody checks its checksums."""
    ports = (40_000, PORT) if from_client else (PORT, 40_000)
    tcp = struct.pack(">HHIIBBHHH", *ports, seq, 1, 5 << 4, 0x18, 65_535, 0, 0)
    ip = struct.pack(
        ">BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(tcp) + len(data),
        1,
        0,
        64,
        6,
        0,
        *([bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])][:: 1 if from_client else -1]),
    )
    return bytes(12) + b"\x08\x00" + ip + tcp + data


def write_capture(path, packets):
    """``packets``: (bytes, from the client?); each a segment of its own."""
    seqs = {True: 1, False: 1}
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
        for number, (data, from_client) in enumerate(packets):
            whole = frame(data, from_client, seqs[from_client])
            seqs[from_client] += len(data)
            file.write(struct.pack("<IIII", number, 0, len(whole), len(whole)) + whole)


def dissect(path):
    """tshark's words on every packet."""
    run = subprocess.run(
        [
            "tshark",
            "-r",
            str(path),
            "-d",
            f"tcp.port=={PORT},soupbintcp",
            "-V",
            "--enable-heuristic",
            "ouch_soupbintcp",
        ],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def every_message():
    """Every message that an event or a refusal can be, with every letter that it can have."""
    session = Session(ouch42, self_trade=SelfTrade.DECREMENT)
    flags = (0, EventFlag.MAKER, EventFlag.AUCTION | EventFlag.MAKER)
    kinds = [kind for kind in EventKind if kind not in (EventKind.CANCELLED, EventKind.REJECTED)]
    cases = [(kind, Reason.NONE, flag) for kind in kinds for flag in flags]
    cases += [(k, r, 0) for k in (EventKind.CANCELLED, EventKind.REJECTED) for r in Reason]
    fields = {"qty_lots": 10, "leaves_lots": 20, "price_ticks": 1_000_000}
    for display in ({}, {"display": "N", "side": "T"}, {"cross": "O"}, {"display": "M"}):
        row = open_order(session, **display)
        _, _, metadata = session.decode(unsequenced(enter()))
        for kind, reason, flag in cases:
            yield session.encode(
                make_event(kind, reason=reason, flags=flag, **fields), row, metadata
            )
        order, metadata = finish(session, replace(), row)[1:]
        if metadata["refused"] == 0:
            replaced = make_event(EventKind.REPLACED, **fields)
            yield session.encode(replaced, make_row(order, metadata), metadata)
    for refused in range(40):
        metadata["refused"] = refused
        yield session.refuse(metadata, order)
    row = open_order(session, side="S")
    order, metadata = finish(session, modify("T", 50), row)[1:]
    yield session.encode(make_event(EventKind.REDUCED, leaves_lots=50), row, metadata)
    order, metadata = finish(session, modify("B", 40), row)[1:]
    yield session.refuse(metadata, order)


class Tap(threading.Thread):
    """Passes one connection on to the venue, and keeps each piece: (bytes, from the client?)."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.pieces = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))

    def run(self):
        ours, _ = self.listener.accept()
        with (
            ours,
            self.listener,
            socket.create_connection(("127.0.0.1", self.port)) as theirs,
            contextlib.suppress(ConnectionError),
        ):
            while True:
                for one in select.select([ours, theirs], [], [])[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    self.pieces.append((data, one is ours))
                    (theirs if one is ours else ours).sendall(data)


def tapped(venue, name, **login):
    """A client, and what goes between it and the venue."""
    tap = Tap(venue.port)
    tap.start()
    return Client(tap.listener.getsockname()[1], name, **login), tap


def clean(text):
    assert "Malformed" not in text
    assert "Unknown" not in text, re.findall(r".*Unknown.*", text)[:5]
    assert "undecoded" not in text.lower()


def test_every_byte_of_live_traffic_is_dissected(tmp_path):
    """Logins, trades, a replace, a cancel, a modify, rejects, heartbeats, a logout; then everything
    is killed and the stream is recovered."""
    rows = [
        {"name": name, "participant": n, "cancel_on_disconnect": 0, "heartbeat_ms": 50}
        for n, name in enumerate(("ONE", "TWO"), 1)
    ]
    taps = []
    with Venue(rows, tmp_path / "journal", durability="durable") as venue:
        (one, tap), (two, other) = tapped(venue, "ONE"), tapped(venue, "TWO")
        taps += [tap, other]
        one.enter("a1", "B", 100)
        assert one.message()[0] == "A"  # it rests before TWO's order, which comes another way
        one.socket.sendall(soupbin.CLIENT_HEARTBEAT)
        two.enter("b1", "S", 40, time_in_force=0)
        two.enter("b2", "S", 5, symbol="NOBODY")
        assert [two.message()[0] for _ in range(3)] == ["A", "E", "J"]
        one.replace("a1", "a2", 90, 1_010_000)
        one.cancel("a2", 60)
        two.enter("b3", "T", 50, price=2_000_000)
        two.send(OUCH42.from_client("M").pack(token="b3", side="S", shares=20))
        assert [two.message()[0] for _ in range(2)] == ["A", "M"]
        assert [one.message()[0] for _ in range(3)] == ["E", "U", "C"]
        while sum(data.count(soupbin.SERVER_HEARTBEAT) for data, _ in tap.pieces) < 2:
            two.enter(f"c{two.number}", "B", 1, price=10_000, time_in_force=0)
            assert [two.message()[0] for _ in range(2)] == ["A", "C"]
        two.socket.sendall(soupbin.LOGOUT_REQUEST)
        assert two.packet() == ("", b"")
        venue.kill()
        venue.start()
        again, tap = tapped(venue, "ONE")
        taps.append(tap)
        assert [again.packet()[1] for _ in range(4)] == one.messages
        wrong, tap = tapped(venue, "ONE", password="wrong")
        taps.append(tap)
        assert wrong.answer == ("J", b"A")
        for client in (one, two, again, wrong):
            client.close()
    names = set()
    for number, tap in enumerate(taps):
        tap.join(BOUND_S)
        assert not tap.is_alive()
        path = tmp_path / f"{number}.pcap"
        write_capture(path, tap.pieces)
        text = dissect(path)
        clean(text)
        assert text.count("SoupBinTCP,") == sum(map(packets_of, both_ways(tap.pieces)))
        names |= set(re.findall(r"OUCH, (.*)\n", text))
    assert {
        "Accepted",
        "Executed",
        "Rejected",
        "Replaced",
        "Canceled",
        "Order Modified",
        "Enter Order",
        "Replace Order",
        "Cancel Order",
        "Modify Order",
    } <= names


def both_ways(pieces):
    return [b"".join(data for data, sender in pieces if sender is way) for way in (True, False)]


def packets_of(data):
    """How many packets these bytes are."""
    count = at = 0
    while at < len(data):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
        count += 1
    assert at == len(data)
    return count


def test_every_byte_is_dissected(tmp_path):
    """Each different message once; by its own name, to its last byte."""
    messages = sorted({message for message in every_message() if message})
    assert {chr(message[0]) for message in messages} == set("ABUCDEJITM")
    day = [OUCH42.from_server("S").pack(timestamp=1, event=letter) for letter in "SE"]
    ours = [soupbin.login_accepted("20261121", 1), soupbin.SERVER_HEARTBEAT]
    ours += [sequenced(message) for message in (*day, *messages)]
    ours += [soupbin.END_OF_SESSION, soupbin.login_rejected("A"), soupbin.login_rejected("S")]
    theirs = [
        soupbin.login_packet(LoginRequest("alice", "secret", "", 1)),
        soupbin.CLIENT_HEARTBEAT,
        *map(unsequenced, (enter(), replace(), cancel(), modify("S", 5))),
        soupbin.LOGOUT_REQUEST,
    ]
    path = tmp_path / "session.pcap"
    write_capture(path, [(p, True) for p in theirs] + [(p, False) for p in ours])
    text = dissect(path)
    clean(text)
    assert text.count("OUCH, ") == len(day) + len(messages) + 4
    for name in ("Accepted", "Replaced", "Canceled", "AIQ Canceled", "Executed", "Rejected",
                 "Cancel Reject", "Order Priority Update", "Order Modified", "System Event",
                 "Enter Order", "Replace Order", "Cancel Order", "Modify Order"):  # fmt: skip
        assert f"OUCH, {name}\n" in text, name
