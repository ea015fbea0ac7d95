"""No session is told of another member: every byte of every protocol, for every pair of members."""

import itertools
from collections import defaultdict
from contextlib import suppress

import pytest

from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Line, Silence

OUCH, FIVE, FIX = int(Protocol.OUCH42), int(Protocol.OUCH50), int(Protocol.FIX44)
KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
MEMBERS = {
    "ANNA": (1, OUCH),
    "BERT": (2, OUCH),
    "CARL": (3, FIVE),
    "DORA": (4, FIX),
    "EMIL": (5, FIX),
}
COPIES = {
    f"{name}C": (number, protocol)
    for name, (number, _), protocol in zip(
        MEMBERS,
        MEMBERS.values(),
        itertools.cycle([int(Protocol.DROP_COPY), int(Protocol.FIX_DROP_COPY)]),
        strict=False,
    )
}


@pytest.fixture
def received(monkeypatch):
    """All bytes that came over each line."""
    got = defaultdict(bytes)
    plain = Line.recv

    def recv(line, size):
        data = plain(line, size)
        got[id(line)] += data
        return data

    monkeypatch.setattr(Line, "recv", recv)
    return got


def marks(name):
    """What gives a member away: its session, its names of orders and account, its firm."""
    return [text.encode() for text in (name, name.lower(), f"F{name[:3]}")]


def entered(clients, name, side, number):
    client, protocol = clients[name], MEMBERS[name][1]
    token = f"{name.lower()}{number}"
    if protocol == OUCH:
        client.enter(token, side, 10, firm=f"F{name[:3]}")
    elif protocol == FIVE:
        client.enter(number, side, 10, clordid=token)
    else:
        (client.buy if side == "B" else client.sell)("ACME", 10, "100", t1=f"{name.lower()}-acc")


def all_read(line):
    with suppress(Silence):
        while line.recv(1 << 16):
            pass


@pytest.mark.promise(
    "A session receives reports about its own orders only, over any protocol; a drop copy's "
    "session cannot enter orders",
    group="venue",
)
def test_no_byte_of_any_session_names_another_member(received):
    rows = [
        {"name": name, "participant": number, "protocol": protocol, **KEEP}
        for name, (number, protocol) in (MEMBERS | COPIES).items()
    ]
    with InlineVenue(rows) as venue:
        clients, lines = {}, {}
        for name, (_, protocol) in (MEMBERS | COPIES).items():
            if protocol in (FIX, int(Protocol.FIX_DROP_COPY)):
                clients[name] = venue.fix(
                    name, protocol=Protocol(protocol), prefix=f"{name.lower()}-"
                )
            else:
                kind = {OUCH: venue.client, FIVE: venue.five}.get(protocol, venue.copy)
                clients[name] = kind(name)
            lines[name] = clients[name].socket
        number = defaultdict(int)
        for seller, buyer in itertools.permutations(MEMBERS, 2):
            for name, side in ((seller, "S"), (buyer, "B")):
                number[name] += 1
                entered(clients, name, side, number[name])
                venue.step()
        for line in lines.values():
            all_read(line)
        for name in clients:
            mine = name.removesuffix("C")
            data = received[id(lines[name])]
            assert mine.encode() in data.upper() or MEMBERS[mine][1] == FIVE, name
            assert len(data) > 500, name
            for other in MEMBERS:
                if other != mine:
                    for mark in marks(other):
                        assert mark not in data, (name, mark)
