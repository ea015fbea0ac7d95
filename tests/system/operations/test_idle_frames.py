"""Frames of a WebSocket that make no message, at every listener: they have a price."""

import asyncio
import os

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from openoutcry.operations import connection_limits as budgets
from openoutcry.operations import websocket_protocol
from openoutcry.wire.load_limits import Rate
from tests.system.operations import test_one_request_at_a_time as listeners

TEXT_BYTES = 125


def frame(opcode, data=b"", fin=True):
    return Frame(opcode, data, fin).serialize(mask=True)


ATTACKS = {
    "empty continuation": (frame(Opcode.TEXT, b"a", False), frame(Opcode.CONT, b"", False)),
    "continuation of a byte": (frame(Opcode.TEXT, b"", False), frame(Opcode.CONT, b"", False)),
    "empty message": (b"", frame(Opcode.TEXT)),
    "pong": (b"", frame(Opcode.PONG)),
    "ping": (b"", frame(Opcode.PING, b"x" * TEXT_BYTES)),
}


class Echo(listeners.Work):
    """Answers each text, and counts the frames that the protocol was given."""

    def application(self):
        async def application(scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})

        return application


async def opened(port, host):
    loop, one = asyncio.get_running_loop(), listeners.connected(port, host)
    client = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}/ws"))
    client.send_request(client.connect())
    await loop.sock_sendall(one, b"".join(client.data_to_send()))
    read = b""
    while b"\r\n\r\n" not in read:
        read += await loop.sock_recv(one, 4_096)
    assert b" 101 " in read
    return one


async def echoed(one):
    """A text comes back: the server works for others."""
    loop, text = asyncio.get_running_loop(), os.urandom(8).hex().encode()
    await loop.sock_sendall(one, frame(Opcode.TEXT, text))
    read = b""
    while text not in read:
        more = await loop.sock_recv(one, 4_096)
        assert more, "an honest client was cut"
        read += more


@pytest.mark.promise(
    "Each frame of a WebSocket that makes no message counts: empty and unfinished ones, pings and "
    "pongs. Over the budget of a connection or address reading pauses, then the connection is cut",
    group="doors",
)
@pytest.mark.parametrize("listener", [listeners.console, listeners.portal])
@pytest.mark.parametrize("attack", ATTACKS)
def test_frames_without_a_message_are_paused_and_cut(listener, attack, monkeypatch):
    monkeypatch.setattr(listeners, "Work", Echo)
    monkeypatch.setattr(websocket_protocol, "MAX_PAUSES", 3)
    rate = Rate(per_s=2_000, at_once=budgets.FRAMES.at_once)  # the test need not wait for seconds
    monkeypatch.setattr(budgets, "FRAMES", rate)
    most = rate.at_once + 5 * (websocket_protocol.PIECE_BYTES // 6 + 1)
    counted = []

    async def run():
        async with listeners.served(listener) as (_, port, server):
            spend = budgets.ConnectionLimits.idle_frames_wait_s

            def seen(self, peer, count, now_s):
                counted.append((peer[0], count))
                return spend(self, peer, count, now_s)

            monkeypatch.setattr(budgets.ConnectionLimits, "idle_frames_wait_s", seen)
            honest, attacker = await opened(port, "127.0.0.2"), await opened(port, "127.0.0.1")
            begun_s = asyncio.get_running_loop().time()
            with honest, attacker:
                first, again = ATTACKS[attack]
                sent, data = 0, first + again * 2_000
                is_open = True
                while is_open:
                    try:
                        sent += attacker.send(data[sent:] or data[len(first) :])
                        data = data if sent < len(data) else first + again * 2_000
                        sent = sent if sent < len(data) else len(first)
                    except BlockingIOError:
                        await asyncio.sleep(0.001)
                    except ConnectionError:
                        is_open = False
                    await echoed(honest)
                buffered = [
                    one.transport.get_write_buffer_size()
                    for one in server.server_state.connections
                    if not one.transport.is_closing()
                ]
                assert all(size <= 1 << 17 for size in buffered)
            taken = sum(count for host, count in counted if host == "127.0.0.1")
            waited_s = asyncio.get_running_loop().time() - begun_s
            assert 0 < taken <= most + rate.per_s * waited_s

    asyncio.run(asyncio.wait_for(run(), listeners.PATIENCE_S))


def test_connections_of_an_address_share_a_budget():
    page, now_s = budgets.ConnectionLimits(), 0.0
    each, many = budgets.FRAMES.at_once, budgets.FRAMES_OF_ALL.at_once // budgets.FRAMES.at_once
    waits = [page.idle_frames_wait_s(("192.0.2.1", n), each, now_s) for n in range(20)]
    assert waits[:many] == [0.0] * many
    assert all(wait > 0.0 for wait in waits[many:])
    assert page.idle_frames_wait_s(("192.0.2.2", 1), each, now_s) == 0.0
    assert page.idle_frames_wait_s(("192.0.2.2", 1), 20, now_s) == 1.0
