"""The generated flows are the same bytes everywhere, and are the markets they claim to be."""

import hashlib

import numpy as np
import pytest

from openoutcry.flow import FLOWS, FlowError, GeneratedFlow
from openoutcry.matcher.engine import Engine
from openoutcry.wire.enums import CommandKind, EventKind, Reason, Side, TimeInForce
from tests.support.flow import generate as shared

million = shared.million

PINNED = {
    "static": "0c84fa212c76354c7355efa8bbab7272",
    "normal": "1d419108cad52a1e726b4736f5927f81",
    "swing-25": "814f356d0ef7f401ef7f2afb334ee1cc",
    "swing-40": "e91d233626362f4932e270ff4077d612",
    "flash-crash": "8c2b370f4239df7bc05521035dec80b2",
}
"""blake2b (16 bytes) of 100,000 commands with seed 7."""


@pytest.mark.parametrize("flow", FLOWS)
def test_same_seed_gives_the_pinned_bytes(flow: str) -> None:
    """Same flow, size and seed give the same bytes on every machine and in every release."""
    digest = hashlib.blake2b(digest_size=16)
    for chunk in GeneratedFlow(flow, 100_000, 7).chunks():
        digest.update(chunk.tobytes())
    assert digest.hexdigest() == PINNED[flow]


def test_another_seed_gives_other_bytes() -> None:
    """The seed reaches the commands."""
    first, second = (next(GeneratedFlow("normal", 1_000, seed).chunks()) for seed in (1, 2))
    assert first.tobytes() != second.tobytes()


@pytest.mark.parametrize("chunk_orders", [1, 7, 4_096, 1_000_000])
def test_chunk_boundaries_do_not_change_the_bytes(chunk_orders: int) -> None:
    """The stream does not depend on how it is cut."""
    source = GeneratedFlow("flash-crash", 20_000, 3)
    whole = np.concatenate(list(source.chunks()))
    account = source.account
    cut = np.concatenate(list(source.chunks(chunk_orders)))
    assert cut.tobytes() == whole.tobytes()
    assert source.account == account


@pytest.mark.parametrize("flow", FLOWS)
def test_shares_of_kinds_are_those_of_a_real_market(flow: str, million: dict) -> None:
    """Cancels are about 47 % where the mid is still and never far below; trades are few."""
    source, orders = million[flow]
    share = np.bincount(orders["kind"], minlength=5) / len(orders)
    low = 0.45 if flow == "static" else 0.42
    assert low < share[CommandKind.CANCEL] < 0.48
    assert 0.005 < share[CommandKind.REPLACE] < 0.03
    assert 0.002 < share[CommandKind.REDUCE] < 0.01
    assert sum(source.account.values()) == len(orders)
    aggressive = orders["time_in_force"] != TimeInForce.DAY
    assert 0.025 < aggressive.mean() < 0.04


@pytest.mark.parametrize("flow", FLOWS)
def test_book_stays_near_ten_thousand_orders(flow: str) -> None:
    """After the ramp-up the number of open orders stays within a tenth of 10,000."""
    source = GeneratedFlow(flow, 1_000_000, 5)
    counts = [source.open_orders for _ in source.chunks(10_000)]
    assert min(counts[3:]) > 9_000
    assert max(counts) < 11_000


@pytest.mark.parametrize("flow", FLOWS)
def test_matcher_has_the_very_book_that_the_generator_expects(flow: str) -> None:
    """After every chunk the matcher holds as many open orders as the generator's own book, on
    either side of its mid, and unknown orders are only those cancelled too late on purpose."""
    source = GeneratedFlow(flow, 200_000, 11)
    engine = Engine(source.instruments)
    seq = unknown = 0
    for orders in source.chunks(10_000):
        orders["seq"] = np.arange(seq + 1, seq + 1 + len(orders))
        seq += len(orders)
        events = engine.process(orders)
        unknown += int((events["reason"] == Reason.UNKNOWN_ORDER).sum())
        assert engine.open_orders == source.open_orders
        bid, _, ask, _ = engine.best(b"OUTCRY")
        assert bid is not None
        assert ask is not None
        assert bid < source.mid_ticks < ask
        assert (events["kind"] == EventKind.FILLED).any()
    assert unknown == source.account["cancel of an order already gone"]
    assert unknown < 0.01 * seq


def test_cancels_are_mostly_of_young_orders(million: dict) -> None:
    """Half of the cancels hit orders younger than 1,000 commands, yet some are very old, and all
    carry the owner's number."""
    _, orders = million["normal"]
    is_new = orders["kind"] == CommandKind.NEW
    born = np.zeros(orders["order_id"].max() + 1, dtype=np.int64)
    owner = np.zeros_like(born)
    born[orders["order_id"][is_new]] = np.flatnonzero(is_new)
    owner[orders["order_id"][is_new]] = orders["participant"][is_new]
    cancels = np.flatnonzero(orders["kind"] == CommandKind.CANCEL)
    cancels = cancels[cancels > 500_000]
    ids = orders["order_id"][cancels]
    age = cancels - born[ids]
    assert age.min() > 0
    assert np.median(age) < 1_000
    assert np.quantile(age, 0.95) > 10_000
    assert (orders["participant"][cancels] == owner[ids]).all()
    assert 64 < len(np.unique(orders["participant"])) < 500


def test_a_static_mid_does_not_move(million: dict) -> None:
    """All resting orders of the static flow keep to one side of 100,000 ticks."""
    source, orders = million["static"]
    resting = (orders["time_in_force"] == TimeInForce.DAY) & (orders["order_type"] == 1)
    buys = orders["price_ticks"][resting & (orders["side"] == Side.BUY)]
    sells = orders["price_ticks"][resting & (orders["side"] == Side.SELL)]
    assert buys.max() < 100_000 < sells.min()
    assert source.mid_ticks == 100_000


def mids(flow: str) -> np.ndarray:
    source = GeneratedFlow(flow, 1_000_000, 9)
    return np.array([source.mid_ticks for _ in source.chunks(10_000)])


def test_normal_mid_walks_gently() -> None:
    """The mid moves, but less than 2 % in a million commands."""
    path = mids("normal")
    assert len(np.unique(path)) > 20
    assert abs(path - 100_000).max() < 2_000


@pytest.mark.parametrize(("flow", "percent"), [("swing-25", 25), ("swing-40", 40)])
def test_swing_reaches_its_height_on_both_sides(flow: str, percent: int) -> None:
    """The mid swings by that many percent up and down and comes back."""
    path = mids(flow)
    assert abs(path.max() / 100_000 - (1 + percent / 100)) < 0.01
    assert abs(path.min() / 100_000 - (1 - percent / 100)) < 0.01
    assert abs(path[-1] - 100_000) < 5_000


def test_flash_crash_halves_within_a_tenth_and_recovers() -> None:
    """More than half is lost within a tenth of the run, and regained."""
    path = mids("flash-crash")
    falls = [path[k + 10] / path[k] for k in range(len(path) - 10)]
    assert min(falls) < 0.5
    assert path[-1] / path[0] > 0.97


@pytest.mark.parametrize("orders", [1, 2, 33, 1_000])
@pytest.mark.parametrize("flow", FLOWS)
def test_short_runs_are_whole(flow: str, orders: int) -> None:
    """A run of a few commands has exactly these, all valid."""
    whole = np.concatenate(list(GeneratedFlow(flow, orders, 1).chunks()))
    assert len(whole) == orders
    assert whole["price_ticks"].min() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("calm", 10, 1), "no flow named 'calm': there are static, normal"),
        (("normal", 0, 1), "at least 1 order, not 0"),
        (("normal", 10, -1), "a seed is 0 to"),
        (("normal", 10, 2**63), "a seed is 0 to"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple, message: str) -> None:
    """An unknown flow, an empty run and a seed out of range say so."""
    with pytest.raises(FlowError, match=message):
        GeneratedFlow(*arguments)
