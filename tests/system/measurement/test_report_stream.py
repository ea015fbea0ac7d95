"""bench/report_stream.py: the report stream of Flash One's matching-engine benchmark."""

import hashlib

from hypothesis import given

from openoutcry.bench.report_stream import (
    CANCEL,
    NEW,
    report_stream,
)
from tests.support.bench.report_stream import BUY, messages, workload


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


@given(drawn=messages())
def test_the_stream_is_that_of_a_plain_book(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    book = PlainBook()
    for seq, message in enumerate(drawn):
        book.process(seq, *message)
    line = report_stream(workload(folder / "orders.bin", drawn), folder / "out.txt")
    assert (folder / "out.txt").read_text() == book.text()
    assert line == f"{hashlib.sha256(book.text().encode()).hexdigest()}  orders_reports.txt"
