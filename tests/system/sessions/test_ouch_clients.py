"""A client that others wrote (nasdaq-protocols) trades with a live venue and recovers.  What does
not need processes is in tests/unit/order_entry."""

import asyncio
import importlib.util
from xml.etree import ElementTree

import pytest

from openoutcry.order_entry.spec import CancelOnDisconnect, Takeover
from openoutcry.wire.messages import OUCH42
from tests.support.order_entry.sessions_venue import PASSWORD, Venue, kill_stage
from tests.support.waiting import BOUND_S

KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
SESSIONS = [
    {"name": "ALICE", "participant": 101, "takeover": int(Takeover.TAKE_OVER), **KEEP},
    {"name": "BOB", "participant": 102, **KEEP},
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
                messages,
                "message",
                {
                    "id": message.name.title().replace(" ", "").replace("_", ""),
                    "message-id": str(ord(message.kind)),
                    "direction": direction,
                },
            )
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
        str(folder / "ouch42.xml"),
        "outcry",
        str(folder),
        "",
        override_messages=True,
        init_file=False,
    )
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
        ("127.0.0.1", venue.port),
        name,
        PASSWORD,
        "",
        sequence=sequence,
        client_heartbeat_interval=1,
        server_heartbeat_interval=600,
        connect_timeout=BOUND_S,
    )


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
        "symbol": "ACME",
        "price": 1_000_000,
        "time_in_force": 99_999,
        "firm": "FIRM",
        "display": "Y",
        "capacity": "P",
        "iso": "N",
        "min_qty": 0,
        "cross": "N",
        "customer": "N",
    }

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

    messages, sold, later, every = asyncio.run(asyncio.wait_for(trade(), BOUND_S))
    assert [chr(message.MsgId.indicator) for message in messages] == ["A", "E", "C"]
    assert messages[0].token.strip() == "n1"
    assert (messages[1].shares, messages[1].price, messages[1].liquidity) == (30, 1_000_000, "A")
    assert (messages[2].shares, messages[2].reason) == (70, "U")
    assert [chr(message.MsgId.indicator) for message in sold] == ["A", "E"]
    assert [one.to_bytes() for one in later] == [one.to_bytes() for one in messages[1:]]
    assert [one.to_bytes() for one in every] == [one.to_bytes() for one in messages]
