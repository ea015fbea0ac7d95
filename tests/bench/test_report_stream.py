"""bench/report_stream.py: the report stream of Flash One's matching-engine benchmark."""

import hashlib

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.bench.report_stream import (
    CANCEL,
    HEADER_DTYPE,
    MAGIC,
    MESSAGE_DTYPE,
    MODIFY,
    NEW,
    VERSION,
    WorkloadError,
    report_stream,
)
from openoutcry.cli.main import main

BUY, SELL = 0, 1


def workload(path, messages):
    """Write (type, side, ioc, quantity, order id, price) as the benchmark's generator does."""
    rows = np.zeros(len(messages), MESSAGE_DTYPE)
    for seq, (kind, side, ioc, quantity, order, price) in enumerate(messages):
        rows[seq] = (kind, side, ioc, 0, quantity, seq, order, price, 0)
    path.write_bytes(np.array((MAGIC, VERSION, len(rows)), HEADER_DTYPE).tobytes() + rows.tobytes())
    return path


class PlainBook:
    """The benchmark's rules in the plainest Python: orders in a list, searched each time."""

    def __init__(self):
        self.resting = []
        self.reports = []

    def take(self, seq, order, side, price, quantity):
        """Trade what crosses; returns what is left."""
        while quantity:
            sign = 1 if side == BUY else -1
            crossing = [
                r for r in self.resting if r["side"] != side and sign * (price - r["price"]) >= 0
            ]
            if not crossing:
                break
            maker = min(crossing, key=lambda r: sign * r["price"])  # the oldest of the best
            lots = min(quantity, maker["open"])
            quantity -= lots
            maker["open"] -= lots
            self.reports.append((seq, 1, f"1,{seq},{maker['price']},{lots},{maker['id']},{order}"))
            self.resting = [r for r in self.resting if r["open"]]
        return quantity

    def rest(self, order, side, price, quantity):
        if quantity:
            self.resting.append({"id": order, "side": side, "price": price, "open": quantity})

    def process(self, seq, kind, side, ioc, quantity, order, price):
        matches = [r for r in self.resting if r["id"] == order]
        if kind == NEW:
            self.reports.append((seq, 0, f"0,{seq},{side},{order},{price},{quantity}"))
            left = self.take(seq, order, side, price, quantity)
            if ioc and left:
                self.reports.append((seq, 2, f"2,{seq},{side},{order},{price}"))
            self.rest(order, side, price, 0 if ioc else left)
        elif not matches:
            report = 4 if kind == CANCEL else 5
            self.reports.append((seq, report, f"{report},{seq},{order}"))
        else:
            self.resting.remove(matches[0])
            if kind == CANCEL:
                line = f"2,{seq},{matches[0]['side']},{order},{matches[0]['price']}"
                self.reports.append((seq, 2, line))
                return
            self.reports.append((seq, 3, f"3,{seq},{side},{order},{price},{quantity}"))
            self.rest(order, side, price, self.take(seq, order, side, price, quantity))

    def text(self):
        return "\n".join(line for _, _, line in sorted(self.reports, key=lambda r: r[:2]))


@st.composite
def messages(draw):
    """New orders with their modifies and cancels, also of orders that are gone.  A modify has more
    lots than its order ever had, as in the benchmark's workload."""
    drawn, orders = [], {}
    for number in range(1, draw(st.integers(1, 60)) + 1):
        kind = draw(st.sampled_from([NEW, NEW, CANCEL, MODIFY])) if orders else NEW
        price, quantity = draw(st.integers(95, 105)), draw(st.integers(1, 9))
        if kind == NEW:
            side = draw(st.sampled_from([BUY, SELL]))
            orders[number] = [side, quantity]
            drawn.append((NEW, side, draw(st.integers(0, 1)), quantity, number, price))
            continue
        order = draw(st.sampled_from(sorted(orders)))
        orders[order][1] += kind == MODIFY
        drawn.append((kind, orders[order][0], 0, orders[order][1], order, price))
    return drawn


@given(drawn=messages())
def test_the_stream_is_that_of_a_plain_book(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    book = PlainBook()
    for seq, message in enumerate(drawn):
        book.process(seq, *message)
    line = report_stream(workload(folder / "orders.bin", drawn), folder / "out.txt")
    assert (folder / "out.txt").read_text() == book.text()
    assert line == f"{hashlib.sha256(book.text().encode()).hexdigest()}  orders_reports.txt"


def test_every_kind_of_report_has_its_line(tmp_path):
    """The formats of docs/METHODOLOGY.md, by the command: the hash is printed, the text written."""
    path = workload(
        tmp_path / "normal_seed23.bin",
        [
            (NEW, BUY, 0, 10, 1, 100),
            (NEW, SELL, 1, 15, 2, 99),
            (NEW, SELL, 0, 5, 3, 101),
            (NEW, BUY, 0, 4, 4, 100),
            (MODIFY, BUY, 0, 6, 4, 101),
            (CANCEL, BUY, 0, 4, 4, 100),
            (CANCEL, BUY, 0, 4, 4, 100),
            (MODIFY, SELL, 0, 6, 3, 101),
        ],
    )
    done = CliRunner().invoke(
        main, ["bench", "matcher", "--report-stream", str(path), "--out", str(tmp_path / "reports")]
    )
    assert done.exit_code == 0, done.output
    text = (tmp_path / "reports").read_text()
    assert text.split("\n") == [
        "0,0,0,1,100,10",
        "0,1,1,2,99,15",
        "1,1,100,10,1,2",
        "2,1,1,2,99",
        "0,2,1,3,101,5",
        "0,3,0,4,100,4",
        "1,4,101,5,3,4",
        "3,4,0,4,101,6",
        "2,5,0,4,101",
        "4,6,4",
        "5,7,3",
    ]
    assert (
        done.output == f"{hashlib.sha256(text.encode()).hexdigest()}  normal_seed23_reports.txt\n"
    )


GOOD = (NEW, BUY, 0, 10, 1, 100)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ((3, BUY, 0, 1, 2, 100), "message 1: type is 3"),
        ((NEW, 2, 0, 1, 2, 100), "message 1: side is 2"),
        ((NEW, BUY, 0, 0, 2, 100), "message 1: quantity is 0"),
        ((NEW, BUY, 0, 1, 0, 100), "message 1: order_id is 0"),
        (GOOD, "message 1: REJECTED, reason 5, for which the benchmark has no report"),
    ],
)
def test_a_message_that_makes_no_sense_is_named(tmp_path, bad, message):
    path = workload(tmp_path / "orders.bin", [GOOD, bad])
    with pytest.raises(WorkloadError, match=message) as error:
        report_stream(path, None)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("cut", [3, 16, 55], ids=["the header", "all messages", "half a message"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, cut):
    path = workload(tmp_path / "orders.bin", [GOOD])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WorkloadError, match="header"):
        report_stream(path, None)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "orders.bin"
    path.write_bytes(bytes(56))
    with pytest.raises(WorkloadError, match="no workload of version 1"):
        report_stream(path, None)
