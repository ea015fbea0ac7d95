"""bench risk: the peer in C agrees with the kernels, also where limits bind; from a kill to the
last cancel's release, in a run of its own."""

import numpy as np
import pytest

from openoutcry.bench import risk as bench
from openoutcry.bench.kill import kill_ns
from openoutcry.bench.participants import STARTS, add_participants
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.risk_peer import c_runner
from openoutcry.bench.risk_pipeline import WAYS, add_pipeline
from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import Hooks
from openoutcry.risk import layout as lay
from openoutcry.risk.after import after
from openoutcry.risk.before import before
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.region import View, setting
from openoutcry.wire import OutcryError
from openoutcry.wire.enums import CommandKind, EventKind, OrderType


@pytest.fixture(scope="module")
def peer():
    try:
        return c_runner(bench.BURST, bench.AHEAD)
    except PeerMissing as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("durable", [False, True])
def test_every_open_order_is_cancelled_and_released(durable, tmp_path, monkeypatch):
    """The figure is of a run that lost nothing and left nothing open: else it raises."""
    monkeypatch.chdir(tmp_path)
    assert kill_ns(durable, quick=True) > 0
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_replaces_are_let_in_and_the_peer_agrees(peer):
    """A third of the commands are replaces of open orders; none is refused."""
    stream = bench.Stream(16, 4, 6_000, replaces=True)
    bench.require_agreement(stream, peer)
    replaced = stream.events["kind"] == EventKind.REPLACED
    assert (stream.orders["kind"] == CommandKind.REPLACE).mean() > 0.3
    assert replaced.sum() > 1_000


def test_spot_orders_are_let_in_pay_fees_and_the_peer_agrees(peer):
    """No spot order of a stream is refused, all trade from wallets, and nothing is lost."""
    stream = bench.Stream(16, 4, 6_000, assets=3)
    bench.require_passed(stream)
    bench.require_agreement(stream, peer)
    wallets = View(stream.taken(stream.state(), bench.run_commands).region).wallets
    assert sum(map(wallets.fees, wallets.names)) > 0
    assert stream.ns() > 0


def test_the_pipeline_runs_with_every_limit_and_without(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = []
    add_pipeline(
        0, lambda name, unit, better, value, who="ours": rows.append((name, who, value)), quick=True
    )
    assert {row[:2] for row in rows} == {
        (name, who) for name in ("pipeline_durable", "wire_to_ack_p50") for who in WAYS
    }
    assert all(value > 0 for _, _, value in rows)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_participants_are_added_and_there_after_a_start(tmp_path, monkeypatch):
    """Otherwise it raises; two venues with wallets, one with room for 2,000, one for 255."""
    monkeypatch.chdir(tmp_path)
    rows = []
    add_participants(
        0, lambda name, unit, better, value, who="ours": rows.append((name, who, value)), quick=True
    )
    starts = {(name, who) for name in STARTS for who in ("ours", "few")}
    assert {row[:2] for row in rows} == {("participants_added", "ours"), *starts}
    assert all(value > 0 for _, _, value in rows)
    assert not list(tmp_path.iterdir())


def test_a_peer_that_disagrees_is_no_peer(peer):
    stream = bench.Stream(4, 2, 512)
    ours = stream.taken(stream.state(), bench.run_commands)
    theirs = stream.taken(stream.state(), peer)
    ours.require_same(theirs)
    theirs.region[8 * 40] ^= 1
    with pytest.raises(OutcryError, match="another state"):
        ours.require_same(theirs)
    theirs.verdicts[3] = 1
    with pytest.raises(OutcryError, match="another verdict in C on command 4"):
        ours.require_same(theirs)


def tightened(stream, rng):
    """Limits that bind now and then, and a switch of each kind here and there."""
    region = stream.state()
    view = View(region)
    people, rules, cells = view.participants, view.instruments, view.cells
    drawn = {
        lay.CREDIT: 10**7,
        lay.BUY_EXPOSURE_LIMIT: 10**7,
        lay.SELL_EXPOSURE_LIMIT: 10**7,
        lay.GROSS_LIMIT: 2_000,
        lay.OPEN_LIMIT: 400,
    }
    for word, size in drawn.items():
        people[:, word // 8] = rng.integers(size // 3, size, len(people))
    people[:, lay.RATE_NS // 8] = rng.choice([0, 1, 7], len(people))
    people[:, lay.RATE_BURST // 8] = 3_000
    people[0, lay.FLAGS // 8] = lay.NAMES_SELF_TRADE
    people[1, lay.FLAGS // 8] = lay.KILLED_BY_OPERATOR
    people[2:4, lay.LOSS_LIMIT // 8] = 20_000
    view.groups[:, lay.GROUP_GROSS_LIMIT // 8] = 20_000
    rules[0, lay.DISTANCE_BPS // 8] = 30
    rules[1, lay.ADV // 8], rules[1, lay.ADV_BPS // 8] = 25, 1_000
    rules[2, lay.BAND_LOW // 8], rules[2, lay.BAND_HIGH // 8] = 9_985, 10_015
    if not stream.assets:
        rules[3, lay.LEVERAGED // 8] = 1
    cells[:, :, lay.LONG_LIMIT // 8 :] = rng.integers(
        20, 900, cells[:, :, lay.LONG_LIMIT // 8 :].shape
    )
    cells[:, :, lay.MAX_QTY // 8] = 3
    cells[:, :, lay.MAX_VALUE // 8] = rng.integers(29_900, 30_300, cells.shape[:2])
    cells[5, :, lay.CELL_FLAGS // 8] = np.arange(len(rules)) & 3
    return region


def varied(stream, rng):
    """Some orders of other types, and one cancel in three a replace."""
    orders = stream.orders
    new = orders["kind"] == CommandKind.NEW
    kinds = (OrderType.MARKET, OrderType.POST_ONLY_SLIDE, OrderType.PEG_PRIMARY, OrderType.STOP)
    other = new & (rng.random(len(orders)) < 0.2)
    orders["order_type"][other] = rng.choice([int(kind) for kind in kinds], other.sum())
    orders["aux"][other] = 10_000
    replaces = ~new & (rng.random(len(orders)) < 0.3)
    orders["kind"][replaces] = CommandKind.REPLACE
    orders["qty_lots"][replaces] = rng.integers(1, 5, replaces.sum())
    orders["participant"][rng.random(len(orders)) < 0.01] = stream.participants + 1
    orders["qty_lots"][rng.random(len(orders)) < 0.005] = 2**62


def with_little(stream, region):
    """Wallets that are soon empty, fees of each kind, and a participant that owes an asset."""

    def apply(what, value, who=0, symbol=b"", second=0):
        record = setting(what, value, who, symbol, second)
        assert before(region.ctypes.data, record.ctypes.data) != 0, what

    wallets, symbols = View(region).wallets, stream.table["symbol"].tolist()
    for asset in range(len(stream.assets)):
        wallets.rows[:, asset, 0] = 400_000
        wallets.assets[asset, 3] = 400_000 * stream.participants
    wallets.rows[4, 1] = -5_000, 0, 0, 5_000
    wallets.assets[1, 6] = 5_000
    for schedule, (maker, taker) in enumerate([(-300, 900), (2_000, 2_500), (100, 0)], start=1):
        apply(Setting.LEDGER_TIER, maker & 0xFFFFFFFF | taker << 32, 16 * schedule)
    apply(Setting.LEDGER_MINIMUM, 1_000, 2)
    apply(Setting.LEDGER_FEES, 1, -1, symbols[0])
    apply(Setting.LEDGER_FEES, 2, 6)
    apply(Setting.LEDGER_FEES, 3, 7, symbols[1])
    View(region).participants[8:10, lay.FLAGS // 8] = lay.SUSPENDED_FLAG, lay.CLOSED_FLAG


@pytest.mark.long
@pytest.mark.parametrize(
    ("assets", "kinds", "least"),
    [(0, 18, ()), (3, 16, (RiskBit.BALANCE, RiskBit.SUSPENDED, RiskBit.CLOSED))],
)
def test_the_peer_in_c_refuses_and_reports_what_the_kernels_do(peer, assets, kinds, least):
    rng = np.random.default_rng(3)
    stream = bench.Stream(16, 4, 30_000, assets=assets)
    varied(stream, rng)
    region = tightened(stream, rng)
    if assets:
        with_little(stream, region)
    engine = Engine(stream.table, bench.ORDER_CAPACITY, 1 << 13, hooks=Hooks(region, before, after))
    stream.events = engine.process(stream.orders)
    ends = np.flatnonzero(stream.events["flags"] & 1) + 1
    stream.firsts = np.concatenate([[0], ends]).astype(np.int64)
    ours = stream.taken(region, bench.run_commands)
    ours.require_same(stream.taken(region, peer))
    assert np.array_equal(ours.region, engine.region)
    mask = np.bitwise_or.reduce(ours.verdicts[ours.verdicts & 0xFF != 0]) >> 8
    seen = {bit.name for bit in RiskBit if mask >> int(bit) & 1}
    assert len(seen) >= kinds, sorted(seen)
    assert seen >= {bit.name for bit in least}
    if assets:
        owed = View(ours.region).wallets.rows[4, 1].tolist()
        assert owed[3] == max(-owed[0], 0) < 5_000
    assert 0.1 < np.mean(ours.verdicts != 0) < 0.9
