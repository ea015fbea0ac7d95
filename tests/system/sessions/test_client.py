"""The client logs in, trades, loses its connection and recovers, over a real socket, with a venue
made of our kernels and the matcher; and the prompt and the load mode of ``outcry client``."""

import json
import re
from functools import partial

import pytest
from click.testing import CliRunner

from openoutcry.cli.client import client as client_command
from openoutcry.client import ClientError, LoginRejected, OuchClient, SessionEnded
from tests.support.order_entry.ouch_server import OuchServer
from tests.support.waiting import BOUND_S

ACCOUNTS = {"ALICE": "secret", "BOB": "hush"}


@pytest.fixture(params=["4.2", "5.0"])
def server(request):
    with OuchServer(ACCOUNTS, request.param) as server:
        server.version = request.param
        yield server


def connect(server, name="ALICE", **options):
    options.setdefault("version", server.version)
    return OuchClient("127.0.0.1", server.port, name, ACCOUNTS[name], **options)


def kinds(client, count):
    """The next messages, by type; each must come."""
    messages = [client.next(timeout_s=BOUND_S) for _ in range(count)]
    assert None not in messages
    return "".join(message.kind for message in messages), messages


def test_two_participants_trade(server):
    with (
        connect(server, prefix="A", sequence=1, counts=True) as alice,
        connect(server, "BOB", prefix="B", counts=True) as bob,
    ):
        bought = alice.buy("AAPL", 100, "1.2500")
        assert kinds(alice, 1)[0] == "A"
        sold = bob.sell("AAPL", 40, "1.2400")
        assert kinds(bob, 2)[0] == "AE"
        seen, (traded,) = kinds(alice, 1)
        assert seen == "E"
        assert (traded["price"], traded["liquidity"]) == (12_500, "A")
        name = "user_ref" if alice.is_50 else "token"
        assert traded[name] == bought
        assert sold is not None
        new = alice.replace(bought, 90, "1.2600")
        seen, (replaced,) = kinds(alice, 1)
        assert (seen, replaced[name]) == ("U", new)
        assert replaced["quantity" if alice.is_50 else "shares"] == 50
        alice.cancel(new, 70)
        alice.cancel(new)
        seen, messages = kinds(alice, 2)
        assert seen == "CC"
        assert [m["quantity" if alice.is_50 else "shares"] for m in messages] == [20, 30]
        alice.buy("NOPE", 1, "1")
        assert kinds(alice, 1)[0] == "J"
        assert alice.sequence == 7


def test_a_lost_connection_is_recovered_by_sequence(server):
    alice = connect(server, sequence=1, counts=True)
    alice.buy("AAPL", 100, "1.25")
    assert kinds(alice, 1)[0] == "A"
    wanted = alice.sequence
    server.drop()
    with pytest.raises(SessionEnded):
        alice.next(timeout_s=BOUND_S)
    alice.connection.close()
    with connect(server, "BOB", counts=True) as bob:
        bob.sell("AAPL", 30, "1.25")
        assert kinds(bob, 2)[0] == "AE"
    with connect(server, sequence=wanted) as again:
        assert again.sequence == wanted
        seen, (traded,) = kinds(again, 1)
        assert (seen, traded.sequence) == ("E", wanted)
    with connect(server, sequence=1) as whole:
        assert kinds(whole, 2)[0] == "AE"


@pytest.mark.parametrize("sequence", ["next", 0, 1])
def test_a_name_is_not_used_again_after_another_login(server, sequence):
    """Each order of each connection is taken, whichever messages the login asks for."""
    names = []
    wanted = 0
    for _ in range(3):
        with connect(server, sequence=wanted) as client:
            field, taken = "user_ref" if client.is_50 else "token", []

            def until_taken(count, client=client, field=field, taken=taken):
                while len(taken) < count:
                    message = client.next(timeout_s=BOUND_S)
                    assert message is not None, "each order is answered"
                    taken += [message[field]] if message.kind == "A" else []

            if sequence == 1:
                until_taken(len(names))
            made = [client.buy("AAPL", 1, "1.25") for _ in range(4)]
            until_taken(len(taken) + 4)
            assert taken[-4:] == made
            names += made
            wanted = client.sequence if sequence == "next" else sequence
    assert len(set(names)) == 12


def test_refused_logins_say_why(server):
    for name, password, session, reason in (
        ("ALICE", "wrong", "", "A"),
        ("NOBODY", "x", "", "A"),
        ("ALICE", "secret", "NOSUCH", "S"),
    ):
        with pytest.raises(LoginRejected) as raised:
            OuchClient("127.0.0.1", server.port, name, password, session=session)
        assert raised.value.reason == reason
    server.listener.close()
    with pytest.raises(ClientError, match="127"):
        OuchClient("127.0.0.1", 1, "ALICE", "secret")


def run(server, *arguments, text=""):
    protocol = "ouch50" if server.version == "5.0" else "ouch"
    to = f"127.0.0.1:{server.port}"
    command, *rest = arguments
    return CliRunner().invoke(
        client_command,
        [command, to, "--protocol", protocol, "--password", "secret", *rest],
        input=text,
    )


def test_the_prompt(server):
    one = "1" if server.version == "5.0" else "C1"
    text = f"help\nbuy AAPL 100 1.25\norders\ncancel {one}\norders\nsell x\nfly\nquit\n"
    result = run(server, "ouch", "--user", "ALICE", text=text)
    assert result.exit_code == 0, result.output
    assert f"order {one}\n" in result.output
    assert "1 accepted " in result.output
    assert f"{one} side=B symbol=AAPL open=100 price=1.2500" in result.output
    assert "2 canceled " in result.output
    assert "fly: there is no such command" in result.output
    # The next prompt hears the day so far, and uses other names.
    result = run(server, "ouch", "--user", "ALICE", text="buy AAPL 1 1\n")
    assert "2 canceled " in result.output
    assert "3 accepted " in result.output


def test_the_prompt_says_every_message_of_its_protocol(server):
    one = "1" if server.version == "5.0" else "C1"
    text = f"sell AAPL 100 1.25\nmodify {one} T 60\nmass-cancel\ndisable\nenable\nquery\nstatus\n"
    result = run(server, "ouch", "--user", "ALICE", text=text)
    assert result.exit_code == 0, result.output
    assert "not understood" not in result.output
    assert result.output.count("OUCH 4.2 has no") == (4 if server.version == "4.2" else 0)
    assert "status: OUCH reports an order's state only when it changes" in result.output


def test_every_message_of_the_protocol_can_be_said(server):
    with connect(server, counts=True) as alice:
        order = alice.sell("AAPL", 100, "1.25")
        alice.modify(order, "T", 60)
        seen, (_, modified) = kinds(alice, 2)
        assert (seen, modified["side"]) == ("AM", "T")
        if server.version == "4.2":
            for say in (alice.query, alice.mass_cancel, partial(alice.switch_entry, False)):
                with pytest.raises(ClientError, match=r"OUCH 4\.2 has no"):
                    say()
            return
        assert alice.next_user_ref() == 2
        alice.switch_entry(False)
        alice.switch_entry(True)
        assert kinds(alice, 2)[0] == "GK"
        alice.mass_cancel()
        assert kinds(alice, 2)[0] == "CX"


def test_the_load_mode_counts_every_order(server):
    result = run(
        server,
        "load",
        "--user",
        "ALICE",
        "--orders",
        "300",
        "--rate",
        "0",
        "--symbol",
        "AAPL",
        "--price",
        "100",
        "--json",
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert (report["sent"], report["accepted"], report["unanswered"]) == (300, 300, 0)
    assert set(report["latency_us"]) == {"p50", "p90", "p99", "p99.9", "p99.99", "max"}
    result = run(server, "load", "--user", "ALICE", "--symbol", "NOPE", "--orders", "10")
    assert re.search(r"rejected 10: (S|23) \(no such instrument\)", result.output)
