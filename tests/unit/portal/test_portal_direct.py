"""Texts of WebSockets through the portal's server, and what wakes the portal."""

import asyncio
import time
from types import SimpleNamespace

import numpy as np
import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from openoutcry.operations.connection_limits import ConnectionLimits
from openoutcry.operations.http_protocol import in_one_write
from openoutcry.order_entry.command_metadata import (
    BLOCK_KEY,
    FLAG_INTERNAL,
    METADATA_DTYPE,
    MetadataPacker,
)
from openoutcry.portal.server import Portal, frame_of, text_pings, with_sockets
from openoutcry.portal.spot import sockets
from openoutcry.portal.spot.feeds import Queue, Subscriber
from openoutcry.portal.spot.sockets import Connections, sockets_of
from openoutcry.portal.trading import follower, peer_broker
from openoutcry.portal.trading.broker import NewOrder, Refusal
from openoutcry.portal.trading.follower import NO_NAMES, days_of, name_at, names_of
from openoutcry.portal.trading.peer_broker import PeerBroker
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import OrderType, Side, TimeInForce


async def until(condition):
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError


def test_sockets_are_found_by_their_path():
    found = sockets_of(None, None, None, Connections())
    assert found("/ws") is found("/ws/btcusd@trade") is not None
    assert found("/stream") is found("/stream/x") is not None
    assert found("/ws-api/v3") is not None
    for path in ("/", "", "/v1/stream", "/wsx", "/ws-api", "/x/ws"):
        assert found(path or "/") is None


class Connection:
    """Gives back what it is asked."""

    def __init__(self):
        self.subscriber, self.is_closed = Subscriber(False), False

    async def asked(self, text):
        self.subscriber.put_text(text)

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_is_what_the_library_writes(size):
    text = "ü" * (size // 2) + "x" * (size % 2)
    assert frame_of(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


async def test_texts_that_wait_are_sent_in_one_write_and_in_order(monkeypatch):
    """A client whose buffer is full gets them later, by the way that waits."""
    monkeypatch.setattr(sockets, "SEND_S", 5.0)
    connection, connections, writes = Connection(), Connections(), []
    subscriber = connection.subscriber
    client = ClientProtocol(parse_uri("ws://portal/ws"))
    request = client.connect()
    client.send_request(request)

    async def serve(socket):
        await socket.accept()
        await sockets._serve(socket, connection, connections)

    transport = SimpleNamespace(
        get_extra_info=lambda name: None,
        write=writes.append,
        close=lambda: None,
        is_closing=lambda: False,
        pause_reading=lambda: None,
        resume_reading=lambda: None,
    )
    app = with_sockets(None, lambda path: serve)
    state = ServerState()
    config = Config(app, log_config=None, ws_per_message_deflate=False, proxy_headers=False)
    protocol = text_pings(ConnectionLimits())(config, state, {})
    protocol.connection_made(transport)
    protocol.data_received(b"".join(client.data_to_send()))
    await until(lambda: writes and connections.open == {connection})
    writes.clear()
    for text in ("one", "two"):
        subscriber.put_text(text)
    await until(lambda: writes)
    assert writes == [frame_of("one") + frame_of("two")]
    writes.clear()
    protocol.pause_writing()
    subscriber.put_text("three")
    for _ in range(5):
        await asyncio.sleep(0)
    assert writes == []
    subscriber.put_text("four")
    protocol.resume_writing()
    await until(lambda: len(writes) == 2)
    assert b"".join(writes) == frame_of("three") + frame_of("four")
    writes.clear()
    subscriber.cut()
    await until(lambda: writes)
    assert writes[0][:1] == b"\x88", "the connection is closed"
    await until(lambda: connection.is_closed)
    assert not connections.open
    protocol.stop_keepalive()
    protocol.close_timer.cancel()
    for task in state.tasks:
        task.cancel()


async def test_a_text_is_handed_over_as_it_comes_and_in_order():
    """One that is not taken waits in the queue, and so do all after it."""
    client, room, taken, ways = ClientProtocol(parse_uri("ws://portal/ws")), [], [], []
    client.send_request(client.connect())
    transport = SimpleNamespace(
        get_extra_info=lambda name: None,
        write=client.receive_data,
        close=lambda: None,
        is_closing=lambda: False,
        pause_reading=lambda: ways.append("paused"),
        resume_reading=lambda: ways.append("resumed"),
    )

    def take(text):
        taken.extend([text] if room else [])
        return bool(room)

    async def serve(socket):
        await socket.accept()
        socket.scope["extensions"][sockets.TAKE_NOW](take)
        while True:
            taken.append((await socket.receive_text(), "read"))

    app = with_sockets(None, lambda path: serve)
    state = ServerState()
    config = Config(app, log_config=None, ws_per_message_deflate=False, proxy_headers=False)
    protocol = text_pings(ConnectionLimits())(config, state, {})

    def send(*texts):
        for text in texts:
            client.send_text(text.encode())
        protocol.data_received(b"".join(client.data_to_send()))

    protocol.connection_made(transport)
    protocol.data_received(b"".join(client.data_to_send()))
    await until(lambda: protocol.take is not None and protocol.queue.is_idle())
    room.append(1)
    send("one", "zwölf")
    assert (taken, ways) == (["one", "zwölf"], [])
    room.clear()
    send("two")
    room.append(1)
    send("three")
    await until(lambda: len(taken) == 4 and protocol.queue.is_idle())
    assert taken[2:] == [("two", "read"), ("three", "read")]
    assert ways == ["paused", "resumed"]
    client.send_text(b"\xff")
    protocol.data_received(b"".join(client.data_to_send()))
    assert protocol.close_sent, "what is no text ends the connection"
    assert len(taken) == 4
    protocol.stop_keepalive()
    protocol.connection_lost(OSError())
    assert protocol.take is None
    for task in state.tasks:
        task.cancel()


async def test_a_queue_gives_what_came_in_order_also_to_a_reader_that_waits():
    queue = Queue()
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert await reader == 1
    queue.put_nowait(3)
    assert (queue.qsize(), await queue.all(), queue.empty()) == (2, [2, 3], True)
    gone = asyncio.create_task(queue.all())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    queue.put_nowait(4)
    assert queue.get_nowait() == 4


async def test_what_a_session_says_wakes_the_process_that_asked_its_owner(tmp_path):
    """For this participant, twice: of the order, and of its end.  No other process is woken."""

    class Own:
        refused, heard, entered = None, None, []

        def serves(self, participant):
            return True

        def session_of(self, participant):
            return participant

        async def enter(self, participant, order):
            self.entered.append(order)

        async def close(self):
            pass

    owns = [Own(), Own(), Own()]
    peers = [PeerBroker(own, index, 3, tmp_path) for index, own in enumerate(owns)]
    heard = [[] for _ in peers]
    for peer, rows in zip(peers, heard, strict=True):
        peer.heard = rows.append
        await peer.listen()
    market = NewOrder("a", "BTC-USD", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 1)
    await peers[1].enter(1002, market)
    await peers[2]._link_for(1002)
    assert owns[0].entered == [market]
    for participant in (999, 1002, 1002, 1002):
        owns[0].heard(participant)
    async with asyncio.timeout(5):
        await peers[1].enter(1005, market)  # its answer comes after all that was written
    assert heard == [[999, 1002, 1002, 1002], [1002, 1002], []]
    for peer in peers:
        await peer.close()


@pytest.mark.promise(
    "A portal's broker reads no further request of a connection while 256 of it are under way, "
    "cuts one that leaves a megabyte unread, and answers the other processes meanwhile",
    group="doors",
)
async def test_a_connection_to_a_broker_has_a_bound_of_requests_and_of_unread_answers(tmp_path):
    class Own:
        refused, heard, entered, under_way, most = None, None, 0, 0, 0

        def __init__(self):
            self.go_on = asyncio.Event()

        def serves(self, participant):
            return True

        def session_of(self, participant):
            return participant

        async def enter(self, participant, order):
            self.entered += 1

        async def cancel(self, *terms):
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await self.go_on.wait()
            self.under_way -= 1

        async def close(self):
            pass

    owns = [Own(), Own()]
    peers = [PeerBroker(own, index, 2, tmp_path) for index, own in enumerate(owns)]
    for peer in peers:
        await peer.listen()
    reader, writer = await asyncio.open_unix_connection(peers[0]._path(0))
    many = 3 * peer_broker.MAX_UNDER_WAY
    request = b'{"do":"cancel","participant":1000,"terms":["A",1,"a","b"],"n":1}\n'
    writer.write(request * many)
    await until(lambda: owns[0].under_way == peer_broker.MAX_UNDER_WAY)
    order = NewOrder("a", "BTC-USD", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 1)
    await peers[1].enter(1002, order)
    assert owns[0].entered == 1
    assert len(peers[0]._tasks) == owns[0].most == peer_broker.MAX_UNDER_WAY
    owns[0].go_on.set()
    answers = [await reader.readline() for _ in range(many)]
    assert set(answers) == {b'{"n":1,"problem":""}\n'}
    assert owns[0].most == peer_broker.MAX_UNDER_WAY
    # It reads nothing more, and leaves no more than the bound.
    refusal = Refusal("x" * 60_000)
    writer.transport.pause_reading()
    for _ in range(2 * peer_broker.MAX_UNREAD_BYTES // 60_000 + 20):
        peers[0]._refused(1000, "a", refusal)
        if len(peers[0]._askers) == 1:
            break
        await asyncio.sleep(0)
    await until(lambda: len(peers[0]._askers) == 1)
    await peers[1].enter(1002, order)
    assert owns[0].entered == 2
    # What is no request ends its connection.
    for line in (b"[]\n", b"{}\n", b'{"do":"enter","participant":"x"}\n', b"nonsense\n"):
        reader, writer = await asyncio.open_unix_connection(peers[0]._path(0))
        writer.write(line)
        assert await reader.read() == b""
        writer.close()
    writer.close()
    for peer in peers:
        await peer.close()


class Cycle:
    """uvicorn's side of a request, as far as it writes."""

    def __init__(self):
        self.transport, self.writes, self.is_closed = self, [], False

    def write(self, data):
        self.writes.append(data)

    def close(self):
        self.is_closed = True

    def is_closing(self):
        return self.is_closed

    async def send(self, message):
        self.transport.write(message.get("body", b"head "))


async def test_an_answer_is_one_write_and_what_comes_later_waits_for_nothing():
    """Head and first part go together, also if the application waits between them: then the head
    goes with the next turn of the event loop.  Nothing is left at the end."""
    cycle, go_on = Cycle(), asyncio.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        assert cycle.writes == [b"head one "]
        await send({"type": "http.response.body", "body": b"two"})
        assert cycle.writes == [b"head one ", b"two"]
        await send({"type": "http.response.start", "status": 200})
        await go_on.wait()
        assert not cycle.transport.is_closing()
        cycle.transport.write(b"end")
        cycle.transport.close()

    task = asyncio.create_task(in_one_write(app)({"type": "http"}, None, cycle.send))
    await until(lambda: len(cycle.writes) == 3)
    go_on.set()
    await task
    assert (cycle.writes[2:], cycle.is_closed) == ([b"head ", b"end"], True)


async def test_a_queue_sends_what_a_turn_of_the_loop_brings_in_one_go_without_its_reader():
    """The reader has what was not sent, and the end."""
    queue, sent = Queue(), []
    reader = asyncio.create_task(queue.all())
    await asyncio.sleep(0)
    queue.send = lambda rows: not sent.append(list(rows))
    queue.put_nowait(1)
    queue.put_nowait(2)
    await asyncio.sleep(0)
    assert (sent, reader.done(), queue.empty()) == ([[1, 2]], False, True)
    queue.put_nowait(3)
    queue.put_all([4], now=True)
    assert sent.pop() == [3, 4], "at once, with what was there before"
    await asyncio.sleep(0)
    assert (sent, reader.done(), queue.is_idle()) == ([[1, 2]], False, True)
    queue.send = lambda rows: False
    queue.put_all([5], now=True)
    queue.put_nowait(None)
    assert not queue.is_idle()
    assert await reader == [5, None]


async def test_many_queues_are_sent_by_one_call_of_the_loop_and_a_fault_holds_up_none():
    loop, calls, sent, faults = asyncio.get_running_loop(), [], [], []
    queues = [Queue() for _ in range(3)]
    readers = [asyncio.create_task(queue.all()) for queue in queues]
    await asyncio.sleep(0)
    loop.set_exception_handler(lambda loop, context: faults.append(context["exception"]))
    call_soon = loop.call_soon
    loop.call_soon = lambda *call, **more: calls.append(call) or call_soon(*call, **more)
    for queue in queues:
        queue.send = lambda rows: not sent.append(rows)
    queues[0].send = lambda rows: [][1]
    for queue in queues:
        queue.put_nowait("event")
    del loop.call_soon
    await asyncio.sleep(0)
    assert (len(calls), sent, len(faults)) == (1, [["event"]] * 2, 1)
    queues[1].put_nowait("next")
    await asyncio.sleep(0)
    assert sent[2:] == [["next"]]
    for reader in readers:
        reader.cancel()


async def test_the_portal_looks_at_intervals_only_if_no_session_has_made_it_look():
    portal = Portal.__new__(Portal)
    portal._wake = asyncio.Event()
    now_s = time.monotonic()
    portal._looked_s, portal._look_s = now_s, now_s + 100
    portal._wake_if_due()
    assert not portal._wake.is_set(), "it has just looked"
    portal._timer.cancel()
    portal._look_s = now_s
    portal._wake_if_due()
    assert portal._wake.is_set(), "the venue's process is looked for even so"
    portal._wake.clear()
    portal._looked_s, portal._look_s = now_s - 1, now_s + 100
    portal._wake_if_due()
    assert portal._wake.is_set()


@pytest.mark.parametrize(
    ("hours", "skip", "days", "cuts"),
    [
        ([5], 0, [0], [0, 1]),
        ([30], 0, [1], [0, 1]),
        ([1, 2, 3], 1, [0, 0, 0], [1, 3]),
        ([1, 25, 2, 49], 0, [0, 1, 1, 2], [0, 1, 3, 4]),
    ],
)
def test_a_step_ends_where_a_day_does(hours, skip, days, cuts):
    commands = np.zeros(len(hours), ORDER_DTYPE)
    commands["rx_ts_ns"] = np.array(hours) * 3_600 * 10**9
    found, places = days_of(commands, skip)
    assert (list(found), places) == (days, cuts)


def test_the_names_of_a_few_commands_are_found_as_those_of_many(monkeypatch):
    """Commands without a name, and what the session layer made itself, have none."""
    metadata = np.zeros(8, METADATA_DTYPE)
    tokens = [b"a-1", b"", b"a-2", b"", b"x"]
    for place, token in enumerate(tokens, 1):
        metadata[place]["session"], metadata[place]["token_bytes"] = place % 2, len(token)
        metadata["token"][place] = np.frombuffer(token.ljust(40, b"\0"), metadata["token"].dtype)
    metadata[5]["flags"] = FLAG_INTERNAL
    packer = MetadataPacker(metadata.ctypes.data, 7, 1, 8)
    block = SimpleNamespace(note={BLOCK_KEY: packer.pack(np.array([1, 0, 2, 3, 4, 5]))})
    few = names_of(block, 6, 1).tobytes()
    monkeypatch.setattr(follower, "FEW", 0)
    assert names_of(block, 6, 1).tobytes() == few
    assert [name_at(few, place) for place in range(6)] == ["a-1", "", "", "a-2", "", ""]
    assert names_of(SimpleNamespace(note={}), 1, 1) is NO_NAMES
    assert name_at(NO_NAMES.tobytes(), 0) == ""
