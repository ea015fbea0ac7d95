"""`outcry feed`: what is wrong with its arguments, what it listened to, and the ladder it shows."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from openoutcry.cli.feed import account, ladder
from openoutcry.cli.feed_depth import account as depth_account
from openoutcry.cli.feed_depth import ladder as depth_ladder
from openoutcry.cli.feed_ladder import price_text
from openoutcry.cli.main import main
from openoutcry.market_data.depth import DEPTH_DTYPE, DepthBook, View, records_of
from openoutcry.market_data.receiver import Receiver
from openoutcry.wire.feed_messages import ITCH50
from tests.support.processes import free_port

ROWS = (
    ("R", {"locate": 1, "stock": "GOLD"}),
    ("H", {"locate": 1, "stock": "GOLD", "state": "T"}),
    ("A", {"locate": 1, "reference": 1, "side": "B", "shares": 70, "price": 99_0000}),
    ("A", {"locate": 1, "reference": 2, "side": "S", "shares": 30, "price": 101_5000}),
    ("A", {"locate": 1, "reference": 3, "side": "S", "shares": 1234, "price": 102_0000}),
    ("E", {"locate": 1, "reference": 1, "shares": 20, "match": 4}),
)


def shown(drawn):
    console = Console(width=100, record=True)
    console.print(drawn)
    return console.export_text()


def test_the_ladder_has_the_book_the_spread_and_the_last_trade():
    receiver = Receiver([("127.0.0.1", free_port())])
    assert "nothing yet" in shown(ladder(receiver, None, 5))
    for kind, fields in ROWS:
        message = ITCH50.from_server(kind).pack(**fields)
        receiver.book.apply(len(message).to_bytes(2, "big") + message)
    text = shown(ladder(receiver, None, 5))
    places = [text.index(word) for word in ("102.0000", "101.5000", "99.0000")]
    assert places == sorted(places)
    assert "GOLD T" in text
    assert "last 20 @ 99.0000 · volume 20 · spread 2.5000" in " ".join(text.split())
    assert "1,234" in text
    assert "LEAD is not in it" in shown(ladder(receiver, "LEAD", 5))
    document = account(receiver, 5)
    assert document["instruments"][0]["bids"] == [(990_000, 50, 1)]
    receiver.close()
    assert [price_text(-12_345, places) for places in (4, 12, 0)] == [
        "-1.2345",
        "-0.000000012345",
        "-12,345",
    ]


def test_listening_ends_by_itself_and_says_what_came():
    done = CliRunner().invoke(
        main, ["feed", "listen", "-a", f"127.0.0.1:{free_port()}", "--seconds", "0.1", "--json"]
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["messages"], document["next_sequence"], document["missing"]) == (0, 1, 0)


def test_the_conflated_feed_is_shown_and_reported():
    port = free_port()
    done = CliRunner().invoke(
        main, ["feed", "listen", "--depth", f"127.0.0.1:{port}", "--seconds", "0.1", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "ended": False,
        "records": 0,
        "gaps": 0,
        "itch_seq": 0,
        "instruments": [],
    }
    for words in ([], ["-a", f"127.0.0.1:{port}", "--depth", f"127.0.0.1:{port}"]):
        done = CliRunner().invoke(main, ["feed", "listen", *words])
        assert done.exit_code == 2
        assert "give one of -a" in done.output
    book = DepthBook()
    assert "nothing yet" in shown(depth_ladder(book, None))
    view = View(1, "GOLD", "T", ((99_0000, 50, 1),), ((101_5000, 30, 2),), 99_0000, 20, 3)
    for number, (side, level, price, shares, orders) in enumerate(records_of(None, view), start=1):
        record = np.zeros(1, DEPTH_DTYPE)
        record["seq"], record["symbol"], record["locate"] = number, b"GOLD", 1
        record["state"], record["side"], record["level"] = ord("T"), side, level
        record["price"], record["shares"], record["orders"] = price, shares, orders
        book.take(record.tobytes())
    text = " ".join(shown(depth_ladder(book, "GOLD")).split())
    assert "last 20 @ 99.0000 · spread 2.5000" in text
    assert "LEAD is not in it" in shown(depth_ladder(book, "LEAD"))
    assert depth_account(book)["instruments"][0]["bids"] == ((99_0000, 50, 1),)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("-a", "239.193.0.1:26400", "--interface", "eth0"),
            "239.193.0.1:26400 by the interface eth0: ",
        ),
        (
            ("-a", "239.193.0.1:26400", "--interface", "192.0.2.9"),
            "239.193.0.1:26400 by the interface 192.0.2.9: No such device",
        ),
        (("-a", "192.0.2.9:26400"), "192.0.2.9:26400: Cannot assign requested address"),
        (
            ("--depth", "239.193.0.1:26400", "--interface", "lo"),
            "239.193.0.1:26400 by the interface lo: ",
        ),
        (
            ("-a", "[ff15::1]:26400", "--interface", "nope0"),
            "[ff15::1]:26400 by the interface nope0: ",
        ),
        (("-a", "127.0.0.1:26399", "-b", "192.0.2.9:1"), "192.0.2.9:1: Cannot"),
    ],
)
def test_what_cannot_be_listened_to_is_reported_in_a_line(words, says):
    done = CliRunner().invoke(main, ["feed", "listen", *words, "--seconds", "0.1"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"outcry: cannot listen to {says}")
    assert done.stderr.count("\n") == 1
    done = CliRunner().invoke(main, ["feed", "listen", *words, "--seconds", "0.1", "--json"])
    assert json.loads(done.stdout)["error"].startswith(f"cannot listen to {says}")
