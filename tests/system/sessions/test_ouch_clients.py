"""A live venue among clients: one that others wrote (nasdaq-protocols), sixty-four at once, and
some that send anything but what the protocol says, which nobody else notices."""

import asyncio
import importlib.util
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import CancelOnDisconnect, Takeover
from openoutcry.wire.messages import OUCH42
from tests.support.order_entry.sessions_venue import PASSWORD, Venue, enter, kill_stage

KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
MANY = 64
FUZZED = ["FUZZ1", "FUZZ2", "FUZZ3"]
SESSIONS = [
    {"name": "ALICE", "participant": 101, "takeover": int(Takeover.TAKE_OVER), **KEEP},
    {"name": "BOB", "participant": 102, **KEEP},
    {"name": "CALM", "participant": 103, **KEEP},
    *(
        {"name": name, "participant": 110 + index, "takeover": int(Takeover.TAKE_OVER)}
        for index, name in enumerate(FUZZED)
    ),
    *({"name": f"S{n}", "participant": n, **KEEP} for n in range(1, MANY + 1)),
]


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with Venue(SESSIONS, tmp_path_factory.mktemp("clients") / "journal") as venue:
        yield venue


# nasdaq-protocols


def specification():
    """OUCH 4.2 in the XML of nasdaq-protocols."""
    root = ElementTree.Element("root")
    for name in ("enums-root", "records-root"):
        ElementTree.SubElement(root, name)
    messages = ElementTree.SubElement(root, "messages-root")
    sides = (("incoming", OUCH42.client), ("outgoing", OUCH42.server))
    for direction, table in sides:
        for message in table:
            element = ElementTree.SubElement(
                messages, "message", {"id": message.name.title().replace(" ", "").replace("_", ""),
                "message-id": str(ord(message.kind)), "direction": direction},
            )  # fmt: skip
            fields = ElementTree.SubElement(element, "fields")
            for field in message.fields:
                words = {"name": field.name}
                if field.size == 1:
                    words["type"] = "char_ascii"
                elif field.size:
                    words |= {"type": "str_ascii_n", "length": str(field.size)}
                else:
                    words["type"] = {4: "uint_4_be", 8: "uint_8_be"}[field.size_bytes]
                ElementTree.SubElement(fields, "field", words)
    return ElementTree.tostring(root)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The module that nasdaq-protocols makes of it, and its messages by direction and letter."""
    ouch = pytest.importorskip("nasdaq_protocols.ouch")
    folder = tmp_path_factory.mktemp("nasdaq")
    (folder / "ouch42.xml").write_bytes(specification())
    ouch.generate.callback(
        str(folder / "ouch42.xml"), "outcry", str(folder), "", override_messages=True,
        init_file=False,
    )  # fmt: skip
    path = folder / "ouch_outcry.py"
    spec = importlib.util.spec_from_file_location("ouch_outcry", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(app, message, **values):
    """A message of theirs, every field of it given."""
    instance = getattr(app, message.name.title().replace(" ", "").replace("_", ""))()
    for field in message.fields:
        value = values[field.name]
        padded = value.ljust(field.size) if field.size else value
        setattr(instance, field.name, padded)
    return instance


async def connected(app, venue, name, sequence=1):
    return await app.connect_async(
        ("127.0.0.1", venue.port), name, PASSWORD, "", sequence=sequence,
        client_heartbeat_interval=1, server_heartbeat_interval=600, connect_timeout=300,
    )  # fmt: skip


async def recovered(app, venue, count):
    """ALICE's first messages, as soon as the sessions are back."""
    while True:
        try:
            client = await connected(app, venue, "ALICE", sequence=1)
            messages = [await client.receive_message() for _ in range(count)]
        except Exception:  # whatever this library makes of a connection that is refused or lost
            await asyncio.sleep(0.1)
            continue
        await client.close()
        return messages


def test_nasdaq_protocols_logs_on_trades_and_recovers(venue, app):
    """Its client enters, trades and cancels, and reads its stream again after a logout, and after a
    SIGKILL of the sessions."""
    order = {
        "symbol": "ACME", "price": 1_000_000, "time_in_force": 99_999, "firm": "FIRM",
        "display": "Y", "capacity": "P", "iso": "N", "min_qty": 0, "cross": "N", "customer": "N",
    }  # fmt: skip

    async def trade():
        alice, bob = await connected(app, venue, "ALICE"), await connected(app, venue, "BOB")
        messages = []
        enter_order, cancel = OUCH42.from_client("O"), OUCH42.from_client("X")
        alice.send_message(named(app, enter_order, token="n1", side="B", shares=100, **order))
        messages.append(await alice.receive_message())
        bob.send_message(named(app, enter_order, token="m1", side="S", shares=30, **order))
        messages.append(await alice.receive_message())
        alice.send_message(named(app, cancel, token="n1", shares=0))
        messages.append(await alice.receive_message())
        sold = [await bob.receive_message() for _ in range(2)]
        await alice.close()
        await bob.close()
        again = await connected(app, venue, "ALICE", sequence=2)
        later = [await again.receive_message() for _ in range(2)]
        await again.close()
        await asyncio.to_thread(kill_stage, venue)
        every = await recovered(app, venue, 3)
        return messages, sold, later, every

    messages, sold, later, every = asyncio.run(asyncio.wait_for(trade(), 600))
    assert [chr(message.MsgId.indicator) for message in messages] == ["A", "E", "C"]
    assert messages[0].token.strip() == "n1"
    assert (messages[1].shares, messages[1].price, messages[1].liquidity) == (30, 1_000_000, "A")
    assert (messages[2].shares, messages[2].reason) == (70, "U")
    assert [chr(message.MsgId.indicator) for message in sold] == ["A", "E"]
    assert [one.to_bytes() for one in later] == [one.to_bytes() for one in messages[1:]]
    assert [one.to_bytes() for one in every] == [one.to_bytes() for one in messages]


# Sixty-four at once


def test_sixty_four_sessions_at_once_are_each_told_their_own(venue):
    clients = [venue.client(f"S{n}") for n in range(1, MANY + 1)]
    for turn in range(20):
        for number, client in enumerate(clients):
            client.enter(f"{number}x{turn}", "B" if turn % 2 else "S", 1, "BOLT", 10_000 + turn)
    for number, client in enumerate(clients):
        accepted = []
        while len(accepted) < 20:
            letter, fields = client.message()
            assert letter in "AE"
            assert fields["token"].startswith(f"{number}x")
            accepted += [fields["token"].strip()] if letter == "A" else []
        assert accepted == [f"{number}x{turn}" for turn in range(20)]
    for client in clients:
        client.close()


# Anything


GOOD = enter("fuzz", "B", 1, "ACME", 10_000)
PIECES = st.one_of(
    st.binary(max_size=600),
    st.builds(lambda kind, body: soupbin.packet(kind, body), st.sampled_from("URO+LASZ"),
              st.binary(max_size=80)),
    st.integers(0, len(GOOD)).map(lambda size: soupbin.packet("U", GOOD[:size])),
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6).map(
        lambda changes: soupbin.packet("U", changed(changes))
    ),
    st.just(soupbin.CLIENT_HEARTBEAT),
)  # fmt: skip


def changed(changes):
    message = bytearray(GOOD)
    for place, byte in changes:
        message[place] = byte
    return bytes(message)


def open_files(pid):
    """Descriptors of a process and its children."""
    try:
        count = len(os.listdir(f"/proc/{pid}/fd"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return count + sum(open_files(int(child)) for child in children)


def test_anything_may_come_and_nobody_else_notices(venue):
    """Bytes of every kind before and after a login, in any pieces, and lines that break; after each
    of them another session's order is answered as ever, and in the end no descriptor is left."""
    calm = venue.client("CALM", sequence=0)
    numbers = iter(range(1, 1_000_000))
    before = open_files(venue.process.pid)

    class Anything(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.lines = []

        @rule()
        def knock(self):
            """A connection that has not logged in."""
            line = socket.create_connection(("127.0.0.1", venue.port), 300)
            self.lines.append(SimpleNamespace(socket=line))

        @rule(name=st.sampled_from(FUZZED))
        def log_in(self, name):
            """Takes over from the one before."""
            self.lines.append(venue.client(name, sequence=0))

        @precondition(lambda self: self.lines)
        @rule(data=st.data(), pieces=st.lists(PIECES, min_size=1, max_size=5))
        def say(self, data, pieces):
            line = data.draw(st.sampled_from(self.lines))
            # When a line that is refused is noticed is chance: the rules do not depend on it.
            with suppress(OSError):
                for piece in pieces:
                    line.socket.sendall(piece)

        @precondition(lambda self: self.lines)
        @rule(data=st.data())
        def break_off(self, data):
            line = data.draw(st.sampled_from(self.lines))
            line.socket.close()
            self.lines.remove(line)

        @invariant()
        def calm_trades_on(self):
            token = f"c{next(numbers)}"
            calm.enter(token, "B", 1, price=10_000, time_in_force=0)
            assert calm.message()[1]["token"].strip() == token
            assert calm.message()[0] == "C"

        def teardown(self):
            for line in self.lines:
                line.socket.close()

    Anything.TestCase.settings = settings(
        max_examples=12, stateful_step_count=12, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    Anything.TestCase().runTest()
    until = time.monotonic() + 300
    while open_files(venue.process.pid) > before and time.monotonic() < until:
        calm.socket.sendall(soupbin.CLIENT_HEARTBEAT)
        time.sleep(0.1)
    assert open_files(venue.process.pid) <= before
    calm.close()
