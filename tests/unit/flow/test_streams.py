"""Streams are the same bytes everywhere, are what they claim to be, and fit the recorded days."""

import csv
import hashlib
import io
import lzma

import numpy as np
import pytest

from openoutcry.flow import FLOWS, FlowError
from openoutcry.flow.streams import QUANTILES, SHAPES, Stream
from openoutcry.matcher import Engine
from openoutcry.wire.enums import CommandKind, EventKind, TimeInForce
from tests import ROOT

DATA = ROOT.parent / "shared" / "data"
PINNED = "9bed1bc8b7b33b61d1e037b5b1309b30"
"""blake2b (16 bytes) of every shape and path, 2,000 commands on 1,000 orders, seed 7."""


def whole(*args, **kwargs):
    """A stream and all of its commands."""
    source = Stream(*args, **kwargs)
    commands = np.concatenate(list(source.chunks()))
    commands["seq"] = np.arange(1, len(commands) + 1)
    return source, commands


def test_same_arguments_give_the_pinned_bytes():
    """On every machine and in every release, however they are cut."""
    digest = hashlib.blake2b(digest_size=16)
    for shape in SHAPES:
        for path in FLOWS:
            source = Stream(path, 2_000, 7, 1_000, shape)
            for chunk in source.chunks(777):
                digest.update(chunk.tobytes())
    assert digest.hexdigest() == PINNED


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", FLOWS)
def test_every_command_is_carried_out(path, shape):
    """Nothing is refused, and the generator's book is the engine's."""
    source, commands = whole(path, 20_000, 3, 5_000, shape)
    engine = Engine(source.instruments, 1 << 14)
    events = engine.process(commands)
    assert not (events["kind"] == EventKind.REJECTED).any()
    assert engine.open_orders == source.open_orders
    assert len(commands) == source.prefill + 20_000


@pytest.mark.parametrize("path", FLOWS)
def test_the_mix_is_that_of_the_public_benchmark(path):
    """Shares of the stream proper; the book stays about as large as it began; ids are scattered."""
    source, commands = whole(path, 50_000, 1, 20_000)
    stream = commands[source.prefill :]
    assert (commands["kind"][: source.prefill] == CommandKind.NEW).all()
    takes = (stream["time_in_force"] == TimeInForce.IOC).mean()
    share = np.bincount(stream["kind"], minlength=5) / len(stream)
    assert 0.40 < share[CommandKind.NEW] - takes < 0.50
    assert 0.33 < share[CommandKind.CANCEL] < 0.41
    assert 0.07 < share[CommandKind.REPLACE] < 0.09
    assert 0.06 < takes < 0.10
    assert source.open_orders > 0.7 * source.live
    assert len(np.unique(commands["price_ticks"])) > 20_000
    new = commands["order_id"][commands["kind"] == CommandKind.NEW]
    assert len(np.unique(new)) == len(new)
    assert new.min() > 0
    assert (np.diff(new) > 0).mean() == pytest.approx(0.5, abs=0.02)


def test_ids_count_upwards_if_asked_to():
    """Then, and only then, is an id the one before and one."""
    _, commands = whole("static", 1_000, 1, 100, "stock", shuffled=False)
    new = commands["order_id"][commands["kind"] == CommandKind.NEW]
    assert new.tolist() == list(range(1, len(new) + 1))


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", 1, 1),
        ("static", 0, 1),
        ("static", 1, -1),
        ("static", 1, 1, 0),
        ("static", 1, 1, 10, "round"),
    ],
)
def test_what_cannot_be_is_refused(arguments):
    """Each wrong argument is named."""
    with pytest.raises(FlowError):
        Stream(*arguments)


def stock_day():
    """(kind of change, id, price distance from its side's best in ticks at 100,000) of AAPL."""
    folder = DATA / "lobster_aapl_hour"
    best = np.loadtxt(folder / "bbo_after_each_message.csv", delimiter=",", dtype=np.int64)
    rows = csv.reader((folder / "messages.csv").read_text().splitlines())
    for at, (_, kind, order_id, _, price, direction) in enumerate(rows):
        ask, _, bid, _ = best[max(at - 1, 0)].tolist()
        behind = bid - int(price) if direction == "1" else int(price) - ask
        yield {"1": "new", "3": "gone"}.get(kind), order_id, behind / int(price) * 100_000


def coin_day():
    """The same of BTC/USD; what is traded whole goes without being cancelled."""
    text = lzma.decompress((DATA / "bitstamp" / "orders.csv.xz").read_bytes()).decode()
    rows = sorted(csv.DictReader(io.StringIO(text)), key=lambda row: int(row["timestamp"]))
    books = {"bid": {}, "ask": {}}
    for row in rows:
        book, price = books[row["direction"]], float(row["price"])
        if row["action"] == "created":
            behind = float("nan")
            bid, ask = max(books["bid"].values(), default=0), min(books["ask"].values(), default=0)
            if len(books["bid"]) > 20 and len(books["ask"]) > 20 and bid < ask:
                behind = (bid - price if row["direction"] == "bid" else price - ask) / price
            book[row["id"]] = price
            yield "new", row["id"], behind * 100_000
        elif row["action"] == "deleted":
            book.pop(row["id"], None)
            yield "gone" if float(row["volume"]) > 0 else None, row["id"], 0.0


@pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA}")
@pytest.mark.parametrize(("shape", "day"), [("stock", stock_day), ("coin", coin_day)])
def test_shapes_fit_the_recorded_days(shape, day):
    """Share at the touch within 2 %; each quantile of distances and ages (of a coin and a stock
    nearly the same) within a tenth or a few ticks."""
    born, ages, distances, count = {}, [], [], 0
    for what, order_id, behind in day():
        if what == "new":
            count += 1
            born[order_id] = count
            distances.append(behind)
        elif what == "gone" and order_id in born:
            ages.append(count - born[order_id])
    known = np.array(distances[1:])
    known = known[~np.isnan(known)]
    wanted = SHAPES[shape]
    assert (known <= 0).mean() * 1000 == pytest.approx(wanted.touch_per_mille, abs=20)
    inner = QUANTILES[1:-1]
    fitted = np.percentile(known[known > 0], inner)
    assert wanted.distance_ticks[1:-1] == pytest.approx(fitted.tolist(), rel=0.1, abs=2)
    assert wanted.age_orders[1:-1] == pytest.approx(np.percentile(ages, inner), rel=0.1, abs=2)
