"""Participants trade over FIX 4.4 on real sockets with a pipeline in processes of its own, by our
own commands and by an engine that others wrote.  What does not need processes is in
tests/unit/order_entry."""

import asyncio
import contextlib
import json
import socket
import ssl
import time

import pytest
from click.testing import CliRunner

from openoutcry.cli.client import client as client_command
from openoutcry.cli.prompt import FixPrompt
from openoutcry.client.fix import utc_text
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol, Takeover
from tests.oracles.order_entry import fix as reference
from tests.support.certificates import self_signed
from tests.support.order_entry.sessions_clients import connect, fields_of
from tests.support.order_entry.sessions_venue import PASSWORD, Venue
from tests.support.waiting import BOUND_S

FIX = int(Protocol.FIX44)
SESSIONS = [
    {"name": "FIRM", "participant": 1, "protocol": FIX},
    {"name": "OTHER", "participant": 2, "protocol": FIX},
    {
        "name": "ASYNC",
        "participant": 16,
        "protocol": FIX,
        "takeover": int(Takeover.TAKE_OVER),
        "cancel_on_disconnect": int(CancelOnDisconnect.NONE),
    },
]


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with Venue(SESSIONS, tmp_path_factory.mktemp("fix") / "journal") as venue:
        yield venue


def order(name, **more):
    fields = {11: name, 55: "ACME", 54: "1", 38: "5", 40: "2", 44: "1.00", 60: utc_text()}
    return list((fields | {int(tag[1:]): value for tag, value in more.items()}).items())


def test_the_prompt_trades_over_fix(venue, capsys):
    def until(condition):
        end = time.monotonic() + BOUND_S
        while not condition():
            assert time.monotonic() < end, capsys.readouterr().out
            prompt.listen(0.1)

    with connect(venue, prefix=f"P{time.monotonic_ns()}-") as client:
        prompt = FixPrompt(client)
        first, second = f"{client.prefix}1", f"{client.prefix}2"
        assert prompt.do(["buy", "ACME", "5", "1.00"])
        until(lambda: first in prompt.open)
        prompt.do(["replace", first, "7", "1.01"])
        until(lambda: second in prompt.open)
        assert prompt.open == {
            second: {"side": "1", "symbol": "ACME", "open": 7, "price": "1.0100"}
        }
        prompt.do(["status", second])
        prompt.do(["status"])
        for command in (["modify", second, "S", "1"], ["query"]):
            prompt.do(command)
            assert f"{' '.join(command)}: " in capsys.readouterr().out
        prompt.do(["mass-cancel"])
        until(lambda: not prompt.open)
        prompt.do(["cancel", second])
        assert f"{second} is not an open order" in capsys.readouterr().out
        assert not prompt.do(["quit"])


def test_the_command_logs_on_and_puts_a_load_on(venue):
    where, runner = f"127.0.0.1:{venue.ports['FIX44']}", CliRunner()
    connect(venue).logout()
    who = ["--user", "FIRM", "--password", PASSWORD]
    completed = runner.invoke(client_command, ["fix", where, *who], input="quit\n")
    assert (completed.exit_code, completed.output.splitlines()[0]) == (0, "logged on to OUTCRY")
    connect(venue).logout()
    load = ["--protocol", "fix", "--orders", "300", "--rate", "0", "--symbol", "BOLT"]
    completed = runner.invoke(client_command, ["load", where, *who, *load, "--json"])
    assert completed.exit_code == 0, completed.output
    report = json.loads(completed.output)
    assert (report["sent"], report["accepted"], report["unanswered"]) == (300, 300, 0)


@pytest.mark.promise("A port with a certificate speaks TLS from end to end", group="venue")
def test_tls_is_spoken_end_to_end(tmp_path):
    certificate, key = self_signed(tmp_path / "c.pem", tmp_path / "k.pem")
    with Venue(SESSIONS[:2], tls=[str(certificate), str(key)], durability="none") as venue:
        context = ssl.create_default_context(cafile=str(certificate))
        for number in range(5):
            # Each is heard, though it may have the descriptor that the one before had.
            with connect(venue, tls=context, prefix=f"A{number}-") as client:
                client.buy("ACME", 1, "1")
                assert fields_of(client, 1, 150) == [("0",)]
        where = ["fix", f"127.0.0.1:{venue.ports['FIX44']}", "--user", "FIRM"]
        secure = ["--password", PASSWORD, "--ca", str(certificate)]
        typed = CliRunner().invoke(client_command, [*where, *secure], input="buy ACME 1 1\n")
        assert typed.exit_code == 0, typed.output
        assert "OrdStatus=0" in typed.output
        wrong = CliRunner().invoke(client_command, [*where, *secure, "--server-name", "other"])
        assert "the certificate is not trusted" in str(wrong.exception)
        with socket.create_connection(("127.0.0.1", venue.ports["FIX44"]), BOUND_S) as plain:
            head = [(35, "A"), (34, "1"), (49, "FIRM"), (52, utc_text()), (56, "OUTCRY")]
            data = reference.message([*head, (98, "0"), (108, "30")])
            reply = b""
            with contextlib.suppress(ConnectionError):
                plain.sendall(data)
                reply = plain.recv(4096)
            assert b"8=FIX" not in reply


async def test_asyncfix_trades_and_is_sent_again_what_it_missed(venue):
    """asyncfix (PyPI), which has engine and journal of its own."""
    asyncfix = pytest.importorskip("asyncfix", reason="pip install asyncfix")
    from asyncfix.connection import ConnectionState
    from asyncfix.connection_client import AsyncFIXClient
    from asyncfix.journaler import Journaler
    from asyncfix.protocol import FIXProtocol44

    journaler = Journaler()

    class Client(AsyncFIXClient):
        def __init__(self):
            super().__init__(
                FIXProtocol44(), "ASYNC", "OUTCRY", journaler, "127.0.0.1", venue.ports["FIX44"], 30
            )
            self.reports, self.logged_on = asyncio.Queue(), asyncio.Event()

        async def on_connect(self):
            logon = {98: "0", 108: "30", 554: PASSWORD}
            await self.send_msg(asyncfix.FIXMessage("A", logon))

        async def on_logon(self, is_healthy):
            self.logged_on.set()

        async def on_message(self, message):
            await self.reports.put((message[35], message[150], message[39], message[11]))

    def sell_to_it():
        with connect(venue, "OTHER", prefix="YO") as other:
            other.sell("ACME", 7, "1.50")
            assert fields_of(other, 2, 150) == [("0",), ("F",)]

    client = Client()
    await client.connect()
    await asyncio.wait_for(client.logged_on.wait(), BOUND_S)
    fields = dict(order("Y1", t38="7", t44="1.50"))  # better than what other tests leave
    await client.send_msg(asyncfix.FIXMessage("D", fields))
    assert await asyncio.wait_for(client.reports.get(), BOUND_S) == ("8", "0", "0", "Y1")
    await client.disconnect(ConnectionState.DISCONNECTED_BROKEN_CONN)
    await asyncio.to_thread(sell_to_it)
    client.logged_on.clear()
    await client.connect()
    await asyncio.wait_for(client.logged_on.wait(), BOUND_S)
    assert await asyncio.wait_for(client.reports.get(), BOUND_S) == ("8", "F", "2", "Y1")
    await client.send_msg(asyncfix.FIXMessage("5"))
    for task in (client._aio_task_socket_read, client._aio_task_heartbeat):
        task.cancel()
