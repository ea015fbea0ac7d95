"""Spot accounting: the kernels are the plain reference in flows of every order type with deposits,
withdrawals, credit and changing fees; after every command all accounts of an asset are what came in
less what went out, and nobody is below the credit that was granted."""

import numpy as np
import pytest

from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk.bits import LARGEST, RiskBit, Setting
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.wire import make_instruments
from tests.oracles.risk.wallets import word
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.spot import (
    ASSETS,
    BTC,
    MULTIPLIERS,
    SPOT,
    USD,
    SpotOperator,
    funded,
    in_asset,
    run_spot,
    spot_pair,
)
from tests.support.risk.spot_loop import hostile
from tests.support.risk.spot_page import EXAMPLES, SpotMarket


@pytest.mark.parametrize("seed", range(4))
def test_kernels_and_reference_hold_the_same_in_every_wallet(seed):
    """Every second seed with a speed bump, the others with changing limits and kills, too."""
    both = spot_pair(delayed=64 * (seed % 2))
    funded(both, 10**7)
    symbols = instruments()["symbol"].tolist()
    operator = SpotOperator(seed, both, symbols, share=(0.5, 1.0)[seed % 2])
    run_spot(both, mixed_commands(400, seed), operator, 0.3, seed)
    refused = [verdict for verdict in both.verdicts if verdict >> 8 >> RiskBit.BALANCE & 1]
    assert len(refused) > 10


def test_a_snapshot_continues_with_the_same_wallets():
    """Restored from bytes, the core gives the same events and wallets; its hash has the wallets."""
    table = instruments()
    settings = {
        "participants": PARTICIPANTS,
        "order_capacity": 5_000,
        "multipliers": MULTIPLIERS,
        "assets": [list(one) for one in ASSETS],
        "spot": [[index, *terms] for index, terms in SPOT.items()],
    }
    hooks = risk_hooks(settings, table)
    one = Engine(table, 5_000, hooks=hooks)
    rows = [in_asset(Setting.DEPOSIT, 10**9, who, asset) for who in range(9) for asset in range(4)]
    one.process(np.concatenate(rows))
    commands = np.concatenate([row.copy() for row in mixed_commands(2_000, 5)])
    one.process(commands[:1_000])
    other = Engine.restore(one.snapshot(), 5_000, hooks=hooks)
    assert np.array_equal(one.process(commands[1_000:]), other.process(commands[1_000:]))
    assert one.state_hash() == other.state_hash()
    before = one.state_hash()
    assert View(one.region).wallets.rows[:, :, 0].max() > 10**9
    View(one.region).wallets.rows[3, BTC, 0] += 1
    assert one.state_hash() != before


def test_a_state_without_spot_is_what_it_was():
    """Not a byte more, and none that is another: its hash and snapshots stay."""
    table = instruments()
    plain = make_region(table, 9, multipliers=MULTIPLIERS)
    assert np.array_equal(plain, make_region(table, 9, multipliers=MULTIPLIERS, assets=ASSETS))
    assert View(plain).wallets is None
    spot = make_region(table, 9, multipliers=MULTIPLIERS, assets=ASSETS, spot=SPOT)
    assert len(spot) > len(plain)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page(example, tmp_path):
    market = SpotMarket(tmp_path)
    for line in example.splitlines():
        command, _, wanted = line.partition(" -> ")
        if not command.startswith("#"):
            assert market.line(command) == wanted, line
            assert market.balanced(), line


def test_the_page_has_the_triangle():
    assert len(EXAMPLES) == 2
    assert all(symbol in EXAMPLES[0] for symbol in ("BTC-USD", "ETH-USD", "ETH-BTC"))


def row(**more):
    return {"symbol": "AB", "min_price_ticks": 1, "max_price_ticks": 1_000} | more


@pytest.mark.parametrize(
    ("table", "assets", "spot", "more", "word_of_it"),
    [
        (row(), ASSETS, {0: (0, 0, 1)}, {}, "two of the 4 assets"),
        (row(), ASSETS, {0: (0, 4, 1)}, {}, "two of the 4 assets"),
        (row(), ASSETS, {1: (0, 1, 1)}, {}, "two of the 4 assets"),
        (row(), ASSETS, {0: (0, 1, 0)}, {}, "a lot of 0 units"),
        (row(), (("USD", 2),) * 2, {0: (0, 1, 1)}, {}, "one name"),
        (row(), (), {0: (0, 1, 1)}, {}, "0 assets"),
        (row(min_price_ticks=0), ASSETS, {0: (0, 1, 1)}, {}, "prices of spot are 1 or more"),
        (row(max_price_ticks=2**62), ASSETS, {0: (0, 1, 1)}, {}, "price limits"),
        (row(), ASSETS, {0: (0, 1, 1)}, {"leveraged": (0,)}, "no leverage"),
        (row(), ASSETS, {0: (0, 1, 1)}, {"participants": 1 << 16}, ""),
    ],
)
def test_a_state_that_cannot_be_is_refused_by_its_word(table, assets, spot, more, word_of_it):
    given = {"participants": 4, "order_capacity": 64} | more
    if not word_of_it:
        assert View(make_region(make_instruments([table]), assets=assets, spot=spot, **given))
        return
    with pytest.raises(RiskError, match=word_of_it):
        make_region(make_instruments([table]), assets=assets, spot=spot, **given)


def test_spot_in_partitions_is_refused_by_its_word():
    settings = {
        "participants": 4,
        "order_capacity": 64,
        "assets": [["USD", 2], ["BTC", 8]],
        "spot": [[0, 1, 0, 5]],
        "partitions": 2,
    }
    with pytest.raises(RiskError, match="spot accounting needs one partition, not 2"):
        risk_hooks(settings, make_instruments([row()]))


def test_of_an_asset_no_more_comes_in_than_fits():
    """The bound is of deposits and credit together, whoever has them."""
    both = spot_pair()
    for what, value, who, done in (
        (Setting.DEPOSIT, 2**61 - 5, 1, True),
        (Setting.ASSET_CREDIT, 6, 2, False),
        (Setting.ASSET_CREDIT, 5, 2, True),
        (Setting.DEPOSIT, 1, 3, False),
        (Setting.DEPOSIT, -(2**61 - 5), 1, True),
        (Setting.DEPOSIT, -1, 1, False),
        (Setting.DEPOSIT, -1, 2, False),
        (Setting.DEPOSIT, LARGEST, 1, False),
    ):
        verdict, _ = both.process(in_asset(what, value, who, USD))
        assert (verdict == 1 << 8) is done, (what, value, who)
    both.same()


@pytest.mark.parametrize(
    "what", [Setting.FEE, Setting.MARGIN, Setting.SHORT_SALE, Setting.POSITION, Setting.SPLIT]
)
def test_what_spot_has_none_of_is_no_setting_of_it(what):
    both, symbols = spot_pair(), instruments()["symbol"].tolist()
    both.process(setting(Setting.HALT, 1, 0, symbols[0]))
    both.process(setting(Setting.HALT, 1, 0, symbols[7]))
    value = 2 << 32 | 1 if what is Setting.SPLIT else 1
    for index, done in ((0, False), (7, True)):
        record = setting(what, value, 1, symbols[index], 50_000)
        assert (both.process(record)[0] == 1 << 8) is done
    both.same()


def test_a_deposit_that_names_no_asset_is_margin():
    both = spot_pair()
    both.process(setting(Setting.DEPOSIT, 70, 2))
    assert both.view.of(2, 0) == 70
    assert not both.view.wallets.rows.any()
    verdict, _ = both.process(setting(Setting.DEPOSIT, 70, 2, second=word("EUR")))
    assert verdict == 0
    both.same()


def test_hostile_commands_lose_and_make_nothing():
    """Every wallet is looked at after every command."""
    done, refused, events, fees, (movements, short) = hostile(20_000, 3)
    assert done > 20_000
    assert 0.05 * done < refused < 0.9 * done
    assert events > 10_000
    assert sum(map(bool, fees)) >= 3
    assert movements > 20
    assert short > 0
