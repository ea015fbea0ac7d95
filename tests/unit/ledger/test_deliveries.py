"""Physically settled futures: after their last variation longs buy the asset from shorts at the
final price, and settlement takes it as any trade."""

from datetime import date
from random import Random

import pytest

from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.settlement.holdings import holdings_before
from openoutcry.ledger.settlement.journal import DELIVERIES, deliveries_of, paired, trades_of
from openoutcry.ledger.settlement.trades import read_trades
from openoutcry.risk import layout as lay
from openoutcry.risk.contract_layout import ContractRow
from openoutcry.risk.region import View
from openoutcry.venue.contract_desk import ContractDesk
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import check_structure, hook_settings
from openoutcry.venue.risk_tables import LimitsError
from openoutcry.wire.enums import Side
from tests.support.user_commands import run
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order

UNITS = 100
DELIVERED = f"""
[[asset]]
name = "XAU"
decimals = 3
[[contract]]
symbol = "GOLD"
delivered_asset = "XAU"
delivered_units = {UNITS}
"""
TEXT = CONTRACT_VENUE.replace('[[contract]]\nsymbol = "GOLD"\n', DELIVERED)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    """Participants 1 and 3 are long 3 and 2, participant 2 is short 5, and the future ends."""
    made = InlineFloor(tmp_path_factory.mktemp("delivered"), TEXT)
    made.send(
        order(1, Side.BUY, 3, 5_000, who=1),
        order(2, Side.BUY, 2, 5_000, who=3),
        order(3, Side.SELL, 5, 5_000, who=2),
    )
    made.at("2026-11-23T16:00")
    made.wait_for(lambda s: s["risk"]["contracts"]["GOLD"]["expired"])
    made.ask("contract", "expire", "GOLD", "5100")
    yield made
    made.close()


def test_an_expiry_obliges_to_deliver_at_the_final_price(floor: InlineFloor) -> None:
    rows = list(deliveries_of(floor.journal_path, "24/7"))
    day = date(2026, 11, 23)
    assert [row[1:] for row in rows] == [
        (day, "24/7", "1", "2", "XAU", 3 * UNITS, "USD", 3 * 10 * 5_100),
        (day, "24/7", "3", "2", "XAU", 2 * UNITS, "USD", 2 * 10 * 5_100),
    ]
    assert all(row[0] >= DELIVERIES for row in rows)
    assert rows[1][0] == rows[0][0] + 1
    assert list(trades_of(floor.journal_path, "24/7")) == []
    # The variation is paid; the price is not.
    assert floor.view.of(1, lay.BALANCE) == 60_000 + 3 * 10 * 100


def no_reference(symbol: str, price: int) -> Work:
    raise AssertionError(f"{symbol} has a new reference price")


def test_a_price_below_0_is_refused_at_the_desk(floor: InlineFloor) -> None:
    file = read_venue(floor.file)
    view = View(floor.shared.regions[0].copy())
    view.contracts.rows[0, ContractRow.offset("state") // 8] = 0
    desk = ContractDesk(list(file.symbols), view, lambda: 20261123, file.risk, no_reference)
    request = {"do": "contract-expire", "instrument": "GOLD"}
    with pytest.raises(DeskError, match="GOLD is delivered: its final price is not below 0"):
        desk.work_of(request | {"price": -1}, 0)
    assert desk.work_of(request | {"price": 0}, 0).done == ["GOLD: 0 lots are settled at 0 ticks"]


def test_settlement_takes_it_as_any_trade(floor: InlineFloor, tmp_path) -> None:
    """Participant 2 has 300 of the 500 units: one delivery settles, the other fails."""
    line = f"outcry settlement trades {floor.journal_path} --market 24/7 --out trades.csv"
    run(line, tmp_path)
    trades = read_trades(tmp_path / "trades.csv", scales={"USD": 2, "XAU": 3})
    held = {row[:2]: row[2] for row in holdings_before(at(floor.journal_path).books, trades)}
    assert held["1", "USD"] == 60_000 + 3_000, "the ledger has not moved the deliveries"
    rows = [("1", "USD", 200_000), ("2", "XAU", 300), ("3", "USD", 200_000)]
    columns = "member,asset,balance_units"
    text = "\n".join([columns, *(",".join(map(str, row)) for row in rows), ""])
    (tmp_path / "balances.csv").write_text(text)
    day = "--balances balances.csv --day 2026-11-23 --out done"
    run(f"outcry settlement settle trades.csv --decimals USD=2 --decimals XAU=3 {day}", tmp_path)
    settled = (tmp_path / "done" / "settled.csv").read_text().splitlines()[1:]
    fails = (tmp_path / "done" / "fails.csv").read_text().splitlines()[1:]
    assert [len(settled), len(fails)] == [1, 1]
    assert ",1,2,XAU,0.300," in settled[0]
    assert ",3,2,XAU,0.200," in fails[0]


@pytest.mark.parametrize("seed", range(3))
def test_every_lot_is_paired_once(seed: int) -> None:
    rng = Random(seed)
    for _ in range(200):
        held = {who: rng.randint(-50, 50) for who in rng.sample(range(1, 60), rng.randint(1, 12))}
        held[99] = -sum(held.values())
        pairs = list(paired(held))
        for who, lots in held.items():
            bought = sum(one for long, _, one in pairs if long == who)
            sold = sum(one for _, short, one in pairs if short == who)
            assert bought - sold == lots
            assert min(bought, sold) == 0
        assert len(pairs) < max(1, sum(lots != 0 for lots in held.values()))
        assert pairs == list(paired(dict(reversed(held.items()))))
        assert all(lots > 0 for *_, lots in pairs)


def test_what_is_delivered_is_the_journals(tmp_path) -> None:
    """Another asset or another number of units needs another journal."""
    path = tmp_path / "venue.toml"
    path.write_text(TEXT)
    file = read_venue(path)
    hooks = hook_settings([1, 2, 3, 9], file.order_capacity, file.risk)
    check_structure(hooks, file.risk, [1, 2, 3, 9])
    for text in (TEXT.replace(f"units = {UNITS}\n", "units = 5\n"), CONTRACT_VENUE):
        path.write_text(text)
        with pytest.raises(LimitsError, match="are fixed by the journal"):
            check_structure(hooks, read_venue(path).risk, [1, 2, 3, 9])
    assert "delivered" not in hook_settings([1, 2, 3, 9], 4_096, read_venue(path).risk)
