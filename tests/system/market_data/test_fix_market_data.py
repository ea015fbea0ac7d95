"""Market data over FIX at real sockets: QuickFIX's engine rebuilds the books of a day from W and X;
they are, at each message, those of a plain book of the feed's messages."""

import contextlib
import os
import random
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from openoutcry.client import ClientError
from openoutcry.client.fix import FixClient
from openoutcry.flow.mixed import MixedFlow
from openoutcry.market_data.files import JournalFeed
from openoutcry.venue import market_data_door
from openoutcry.venue.contract_figures import Figures
from openoutcry.venue.market_data_messages import WITH_SEQUENCE
from openoutcry.wire.enums import Side
from openoutcry.wire.feed_messages import ITCH50
from openoutcry.wire.load_limits import Rate
from tests.support.documents.fix_dictionary import FILE
from tests.support.market_data.feed_journal import make_journal
from tests.support.market_data.feed_support import fields
from tests.support.market_data.fix_data import Rebuilt, ServedDoor, messages_of, pairs
from tests.support.order_entry.fix_quickfix import quickfix_client
from tests.support.processes import free_port
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import Floor, order
from tests.support.waiting import BOUND_S, wait_until

RESET = "ResetOnLogon=Y\n"


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """The messages of a day with auctions, hidden orders and icebergs, and its symbols."""
    source = MixedFlow(6_000, 5)
    orders = np.concatenate(list(source.chunks()))
    orders["rx_ts_ns"] = 1_700_000_000 * 10**9 + np.arange(len(orders)) * 200_000_000
    home = make_journal(
        tmp_path_factory.mktemp("fix-data") / "j", source.instruments, orders, 1 << 14, 300
    )
    messages = messages_of(JournalFeed(home).parts())
    rows = [fields(one) for one in messages]
    return messages, {row["stock"].strip(): row["locate"] for row in rows if row["kind"] == "R"}


def ask(client, name, symbols, types, depth, **more):
    """Send a V by QuickFIX."""
    terms = {262: name, 263: "1", 264: str(depth), 265: "1", WITH_SEQUENCE: "Y"}
    terms |= {int(tag[1:]): value for tag, value in more.items()}
    client.send(terms, "V", [(267, 269, types), (146, 55, symbols)])


def rebuilt(client, name):
    """What a client's messages of a request come to."""
    book = Rebuilt()
    for text in list(client.market_data):
        message = pairs(text)
        if dict(message)["35"] in "WX" and dict(message)["262"] == name:
            book.take(message)
    return book


def cut(levels, depth):
    return tuple(dict(list(side.items())[:depth]) for side in levels)


def require_true(book, served, depth):
    """Each message left the client with the book that was true at its number of the feed."""
    for symbol, sequence, levels in book.moments:
        assert levels == cut(served.day.truth[sequence][symbol], depth), (symbol, sequence)
    return len(book.moments)


def is_last(book, served):
    """The client knows the end of the day."""
    last = served.day.truth[served.day.sequence]
    return book.books and all(levels == last[name] for name, levels in book.books.items())


@pytest.mark.promise(
    "Market data over FIX are the book at every message: QuickFIX rebuilds it from W and X at each "
    "depth, and has every trade once",
    group="venue",
)
def test_quickfix_rebuilds_the_books_of_a_day_at_each_message(day, tmp_path):
    messages, symbols = day
    names = sorted(symbols)
    with ServedDoor(symbols) as served:
        first = next(n for n, one in enumerate(messages) if chr(one[0]) == "A")
        served.publish(messages[:first])
        (tmp_path / "a").mkdir()
        with quickfix_client(tmp_path / "a", served.port, dictionary=FILE, more=RESET) as client:
            ask(client, "FULL", names, ["0", "1", "2", "4", "7", "8", "B"], 0)
            ask(client, "TOP", names, ["0", "1"], 1)
            ask(client, "FIVE", names, ["0", "1"], 5)
            wait_until(lambda: len(client.market_data) >= 3 * len(names), "all were answered")
            served.publish(messages[first:], random.Random(7))
            wait_until(lambda: is_last(rebuilt(client, "FULL"), served), "the day's end is known")
            book = rebuilt(client, "FULL")
            count = require_true(book, served, 10**9)
            for name, depth in (("TOP", 1), ("FIVE", 5)):
                count += require_true(rebuilt(client, name), served, depth)
            assert count > 1_000
            assert not client.faults
        trades = served.day.trades
        assert sum(map(len, trades.values())) > 500
        for symbol, rows in trades.items():
            if not symbol:
                continue
            plain = [(n, f"{p // 10_000}.{p % 10_000:04}", str(s)) for n, p, s in rows]
            assert book.trades[symbol] == plain, symbol
            prices = [price for _, price, _ in rows]
            expected = {"4": prices[0], "7": max(prices), "8": min(prices)}
            for kind, price in expected.items():
                text = f"{price // 10_000}.{price % 10_000:04}"
                assert book.statistics[symbol, kind] == text, (symbol, kind)
            assert book.statistics[symbol, "B"] == str(sum(size for _, _, size in rows))


def test_a_client_that_connects_again_continues_with_a_snapshot(day, tmp_path):
    messages, symbols = day
    names, rng, begun = sorted(symbols)[:3], random.Random(3), 0
    with ServedDoor(symbols) as served:
        for number, part in enumerate(np.array_split(np.arange(len(messages)), 6)):
            home = tmp_path / str(number)
            home.mkdir()
            with quickfix_client(home, served.port, dictionary=FILE, more=RESET) as client:
                ask(client, "AGAIN", names, ["0", "1", "2"], 0)
                served.publish([messages[int(place)] for place in part], rng)
                wait_until(lambda one=client: is_last(rebuilt(one, "AGAIN"), served), "known")
                book = rebuilt(client, "AGAIN")
                begun += require_true(book, served, 10**9)
                assert book.snapshots >= len(names)
                assert not client.faults
    assert begun > 200


def test_a_reader_that_does_not_read_is_told_less_and_delays_no_other(day):
    messages, symbols = day
    names = sorted(symbols)
    with ServedDoor(symbols) as served:
        slow = FixClient("127.0.0.1", served.port, "SLOW", "any", target="VENUE")
        quick = FixClient("127.0.0.1", served.port, "QUICK", "any", target="VENUE")
        terms = [(262, "A"), (263, "1"), (264, "0"), (265, "0"), (WITH_SEQUENCE, "Y")]
        terms += [(267, "2"), (269, "0"), (269, "1"), (146, str(len(names)))]
        terms += [(55, name) for name in names]
        books = {}
        for one in (slow, quick):
            one.send("V", tuple((tag, str(value)) for tag, value in terms))
            books[one] = Rebuilt()

        def read(one):
            for message in one.arrived():
                if message.kind == "W":
                    books[one].take([(str(tag), value) for tag, value in message.fields])

        rng = random.Random(5)
        half = len(messages) // 2
        served.publish(messages[:half], rng)
        for _ in range(40):  # what one reads and the other does not: 40 times the book
            served.publish(messages[half : half + 1])
            half += 1
            quick.receive()
            read(quick)
        served.publish(messages[half:], rng)

        def known(one):
            one.keep_alive()
            one.receive()
            read(one)
            return is_last(books[one], served)

        wait_until(lambda: known(quick), "the quick one knows the end")
        lines = list(served.door.places)
        waiting = [one.transport.get_write_buffer_size() for one in lines]
        assert max(waiting) < market_data_door.WRITE_LIMIT_BYTES + market_data_door.OUT_BYTES
        wait_until(lambda: known(slow), "the slow one knows the end")
        for one in (slow, quick):
            assert require_true(books[one], served, 10**9)
            one.close()


def test_a_client_that_reads_nothing_is_cut(day, monkeypatch):
    monkeypatch.setattr(market_data_door, "UNREAD_S", 0.5)
    monkeypatch.setattr(market_data_door, "SEND_BUFFER_BYTES", 1 << 12)
    messages, symbols = day
    with ServedDoor(symbols) as served:
        dead = FixClient("127.0.0.1", served.port, "DEAD", "any", target="VENUE")
        dead.market_data(symbols)
        until = time.monotonic() + BOUND_S
        at = 0
        while len(served.door.places):
            assert time.monotonic() < until
            served.publish(messages[at : at + 20])
            at = (at + 20) % len(messages)
            if at < 20:
                served.day.plain.numbers.clear()
        dead.close()


def test_figures_of_contracts_lists_and_states(day, tmp_path):
    messages, symbols = day
    name = "PLAIN"
    figures = {name: Figures(mark=1_234_500, index=1_200_000, settlement=0, open_interest=7)}
    with ServedDoor(symbols, lambda: figures) as served:
        served.door.has_contracts = True
        served.publish(messages[: len(messages) // 2])
        with quickfix_client(tmp_path, served.port, dictionary=FILE, more=RESET) as client:

            def answers(kind):
                return [
                    dict(pairs(t)) for t in list(client.market_data) if dict(pairs(t))["35"] == kind
                ]

            ask(client, "MARK", [name], ["3", "6", "C", "k"], 1)
            wait_until(lambda: answers("W"), "the figures")
            known = rebuilt(client, "MARK").statistics
            assert known == {(name, "k"): "123.4500", (name, "3"): "120.0000", (name, "C"): "7"}
            figures[name] = Figures(1_234_600, 1_200_000, 1_230_000, 7)
            served.publish(messages[len(messages) // 2 : len(messages) // 2 + 1])
            wait_until(lambda: answers("X"), "the changes")
            known = rebuilt(client, "MARK").statistics
            assert (known[name, "k"], known[name, "6"]) == ("123.4600", "123.0000")

            client.send({320: "L", 559: "4"}, "x")
            (listed,) = wait_until(lambda: answers("y"), "the list")
            assert (listed["560"], listed["393"]) == ("0", str(len(symbols)))
            client.send({320: "D", 321: "0", 55: name}, "c")
            (defined,) = wait_until(lambda: answers("d"), "the definition")
            assert (defined["323"], defined["55"], defined["15"]) == ("1", name, "USD")
            client.send({324: "S", 55: name, 263: "1"}, "e")
            client.send({335: "T", 263: "1"}, "g")
            wait_until(lambda: answers("f") and answers("h"), "the states")
            assert answers("f")[-1]["326"] == "17"
            for state, reason, status, venue in (
                ("H", "T1", "2", "2"), ("Q", "PREO", "21", "2"), ("H", "CLSD", "18", "3"),
            ):  # fmt: skip
                every = symbols.values() if reason == "CLSD" else [symbols[name]]
                served.publish([halted(locate, state, reason) for locate in every])
                wait_until(lambda one=status: answers("f")[-1]["326"] == one, reason)
                wait_until(lambda one=venue: answers("h")[-1]["340"] == one, reason)
            assert answers("f")[-1]["325"] == "Y"
            assert not client.faults


def halted(locate, state, reason):
    """An H of an instrument."""
    return ITCH50.from_server("H").pack(
        locate=locate, tracking=0, timestamp=0, stock="", state=state, reserved=" ", reason=reason
    )


def test_what_was_sent_is_not_sent_again_and_a_session_asks_so_much(day, monkeypatch):
    monkeypatch.setattr(market_data_door, "MAX_ASKED", 2)
    messages, symbols = day
    names = sorted(symbols)
    with ServedDoor(symbols) as served:
        served.publish(messages[: len(messages) // 2])
        client = FixClient("127.0.0.1", served.port, "ASKS", "any", target="VENUE")

        def answer(kind):
            while (message := client.next(BOUND_S)).kind != kind:
                assert message.kind == "W"
            return message

        def wish(name, *asked, **more):
            terms = {262: name, 263: "1", 264: "1", 265: "1"} | {
                int(tag[1:]): value for tag, value in more.items()
            }
            groups = [(267, "1"), (269, "0"), (146, str(len(asked))), *((55, n) for n in asked)]
            client.send("V", (*terms.items(), *groups))

        wish("A", *names[:2])
        assert answer("W")[262] == "A"
        wish("B", names[2])
        refused = answer("Y")
        assert (refused[262], refused[281]) == ("B", "2")
        wish("A", names[0])
        assert answer("Y")[281] == "1"
        wish("A", names[0], t263="2")
        wish("B", *names[2:4])
        assert [answer("W")[262] for _ in "12"] == ["B", "B"]
        client.send("D", ((11, "1"), (55, names[0])))
        assert answer("j")[372] == "D"
        for kind, name in (("e", 324), ("g", 335)):
            client.send(kind, ((name, "S"), (263, "1"), *([(55, names[0])] if kind == "e" else [])))
            assert answer("j")[380] == "0"
        client.send("2", ((7, "1"), (16, "0")))
        wish("B", names[0], t263="2")
        wish("C", names[3], t263="0")
        assert answer("W")[262] == "C", "what was sent comes as a gap, and the next message follows"
        client.close()
    for wrong in ({"target": "OTHER"}, {"version": "4.2"}):
        with ServedDoor(symbols) as served, pytest.raises(ClientError):
            FixClient("127.0.0.1", served.port, "A", "any", **{"target": "VENUE"} | wrong)


def test_what_a_request_is_answered_with_and_names_is_paid_for(day, monkeypatch):
    """A request of a hundred bytes asks for all instruments, and needs no password."""
    monkeypatch.setattr(market_data_door, "READS", Rate(per_s=0.001, at_once=9))
    monkeypatch.setattr(market_data_door, "SYMBOLS_A_PIECE", 1)
    messages, symbols = day
    names = sorted(symbols)
    with ServedDoor(symbols) as served:
        served.publish(messages[:200])
        greedy, other = (
            FixClient("127.0.0.1", served.port, name, "any", target="VENUE")
            for name in ("GREEDY", "OTHER")
        )
        for _ in range(2):
            asked = greedy.market_data(names[:4], depth=1, updates=False)
            assert [greedy.next(BOUND_S)[262] for _ in range(4)] == [asked] * 4
        greedy.market_data(names[:1], depth=1, updates=False)
        asked = other.market_data(names[:1], depth=1, updates=False)
        assert other.next(BOUND_S)[262] == asked
        assert greedy.next(0.1) is None
        for client in (greedy, other):
            client.close()


def test_an_address_logs_on_so_often_and_holds_so_many_connections(day, monkeypatch):
    monkeypatch.setattr(market_data_door, "address_of", lambda peer: "10.0.0.1")
    monkeypatch.setattr(market_data_door, "LOGONS", Rate(per_s=1e-6, at_once=3))
    with ServedDoor(day[1]) as served:
        terms = ("127.0.0.1", served.port, "A", "any")
        clients = [FixClient(*terms, target="VENUE") for _ in range(3)]
        with pytest.raises(ClientError):
            FixClient(*terms, target="VENUE")
        assert served.door.refused == 1
    for one in clients:
        one.close()
    monkeypatch.setattr(market_data_door, "LOGONS", Rate(per_s=1e6, at_once=100))
    monkeypatch.setattr(market_data_door, "MAX_LINES_EACH", 2)
    with ServedDoor(day[1]) as served:
        terms = ("127.0.0.1", served.port, "A", "any")
        clients = [FixClient(*terms, target="VENUE") for _ in range(2)]
        with pytest.raises(ClientError):
            FixClient(*terms, target="VENUE")
        clients.pop().close()
        wait_until(lambda: len(served.door.places) == 1, "its place is free")
        clients.append(FixClient(*terms, target="VENUE"))
    for one in clients:
        one.close()


FEED = """
[market_data]
a = "239.193.9.4:{feed}"
interface = "127.0.0.1"
heartbeat_ms = 50
interval_ms = 20
fix = "127.0.0.1:{port}"
"""


@pytest.mark.promise(
    "A venue that is served tells QuickFIX book, mark, settlement price and open interest of its "
    "contracts, also after the process that serves it was killed",
    group="venue",
)
def test_a_served_venue_with_contracts_over_a_kill(tmp_path):
    port = free_port()
    (tmp_path / "margin.toml").write_text(MARGIN_FILE)
    most = "min_price_ticks = 1\nmax_qty_lots = 1_000_000\n"
    text = SCENARIO_VENUE.replace("min_price_ticks = 1\n", most)
    floor = Floor(tmp_path, text + FEED.format(feed=free_port(), port=port))
    trades = [
        order(1, Side.BUY, 4, 5_000, who=1),
        order(2, Side.SELL, 3, 5_000, who=2),
    ]
    floor.publish(np.concatenate(trades))
    (tmp_path / "a").mkdir()
    require_known(tmp_path / "a", port)
    (depth,) = processes(floor, "depth")
    os.kill(depth, signal.SIGKILL)
    wait_until(lambda: processes(floor, "depth") not in ([], [depth]), "there is another one")
    (tmp_path / "b").mkdir()
    require_known(tmp_path / "b", port)
    last = floor.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)


def require_known(home, port):
    """A client is told the rest of the order, and the contract's figures."""
    wait_until(lambda: is_open(port), "the door listens")
    with quickfix_client(home, port, target="TEST", dictionary=FILE, more=RESET) as client:
        ask(client, "ALL", ["GOLD", "TIN"], ["0", "1", "2", "6", "B", "C", "k"], 0)

        def said():
            book = rebuilt(client, "ALL")
            rows = book.statistics.items()
            figures = {kind: text for (name, kind), text in rows if name == "GOLD"}
            return book.books.get("GOLD"), figures

        expected = {"B": "3", "C": "3", "k": "50.00"}
        wait_until(lambda: said() == (({"50.00": 1}, {}), expected), "book and figures")
        assert not client.faults


def is_open(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def processes(floor, name):
    """Processes of a venue by a part of their names."""
    pids = floor.venue.children()
    return [pid for pid in pids if name in Path(f"/proc/{pid}/comm").read_text()]
