"""Instruments are suspended, close-only and delisted by command: kernels and plain core agree."""

import itertools

import numpy as np
import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.instrument_state import BITS, state_in, state_of
from openoutcry.risk.region import RiskError, setting
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason, Side
from openoutcry.wire.instrument_states import (
    NEXT_BITS,
    REQUESTS,
    STATES,
    InstrumentState,
    next_state,
    taken_by,
)
from tests import ROOT
from tests.support.risk.contracts import contract_pair
from tests.support.risk.portfolio import portfolio_pair
from tests.support.risk.risk_core import Operator, Pair, bits
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_reference import operator_command, pair
from tests.support.risk.spot import BTC, SPOT, USD, in_asset, spot_pair

PRE_OPEN, TRADING, SUSPENDED, CLOSE_ONLY, EXPIRED, DELISTED = (
    InstrumentState.PRE_OPEN,
    InstrumentState.TRADING,
    InstrumentState.SUSPENDED,
    InstrumentState.CLOSE_ONLY,
    InstrumentState.EXPIRED,
    InstrumentState.DELISTED,
)
DONE = 1 << 8
SYMBOLS = instruments()["symbol"].tolist()


def enter(both, state, symbol, price=None, count=0):
    """INSTRUMENT_STATE; the events of what it cancelled, None if the core refused it."""
    terms = (0, 0) if price is None else (count << 1 | 1, price)
    record = setting(Setting.INSTRUMENT_STATE, int(state), terms[0], symbol, terms[1])
    both.kernels.cancelled = np.zeros(0)
    verdict, _ = both.process(record)
    return both.kernels.cancelled if verdict & 0xFF00 else None


class Trader:
    """Orders of participants in one instrument."""

    def __init__(self, both, symbol):
        self.both, self.symbol, self.ids = both, symbol, 0

    def order(self, who, side, qty, price):
        """The checks that refuse it; [] if it is taken."""
        self.ids += 1
        fields = {"participant": who, "symbol": self.symbol, "side": side, "qty_lots": qty}
        more = {"price_ticks": price, "order_id": self.ids, "order_type": 1, "time_in_force": 4}
        verdict, events = self.both.process(operator_command(1, **fields, **more))
        assert verdict or events["kind"][0] != EventKind.REJECTED
        return bits(verdict)

    def replace(self, number, who, qty, price):
        fields = {"participant": who, "symbol": self.symbol, "order_id": number}
        record = operator_command(4, **fields, qty_lots=qty, price_ticks=price)
        return bits(self.both.process(record)[0])

    def trade(self, buyer, seller, qty, price):
        assert self.order(seller, Side.SELL, qty, price) == []
        assert self.order(buyer, Side.BUY, qty, price) == []


# The table


def test_the_core_finds_each_state_in_the_bits_of_a_halt():
    """Whatever else stops the instrument."""
    for on in itertools.product((0, 1), repeat=len(BITS)):
        halt = sum(bit * is_on for bit, is_on in zip(BITS.values(), on, strict=True))
        for other in (0, 1, 2, 8, 11):
            assert state_of(halt | other) == state_in(halt | other)
    assert state_in(0) is TRADING


def test_what_may_follow_a_state_is_in_the_table_alone():
    for state in InstrumentState:
        following = {next_state(state, request) for request in taken_by(state)}
        assert {one for one in InstrumentState if NEXT_BITS[state] >> one & 1} == following
    assert all(next_state(state, "delist") for state in InstrumentState if state is not DELISTED)
    assert taken_by(DELISTED) == []
    assert set(REQUESTS) <= set(STATES.doors)


def test_the_core_takes_the_changes_of_the_table_and_no_others():
    """From every state that a command leads to."""
    for way in ((), (SUSPENDED,), (CLOSE_ONLY,), (DELISTED,), (SUSPENDED, TRADING)):
        for wanted in range(-1, 10):
            both = pair()
            for state in way:
                assert enter(both, state, SYMBOLS[0]) is not None
            at_hand = way[-1] if way else TRADING
            leads = {next_state(at_hand, request) for request in REQUESTS}
            taken = enter(both, wanted, SYMBOLS[0]) is not None
            assert taken is (wanted in leads), (way, wanted)
            both.same()


# What each state does


def test_a_suspended_instrument_takes_no_order_and_keeps_what_rests():
    both = pair()
    trader = Trader(both, SYMBOLS[0])
    assert trader.order(1, Side.BUY, 5, 50_000) == []
    assert len(enter(both, SUSPENDED, SYMBOLS[0])) == 0
    assert trader.order(2, Side.SELL, 5, 50_000) == ["INSTRUMENT_SUSPENDED"]
    assert trader.replace(1, 1, 6, 50_000) == ["INSTRUMENT_SUSPENDED"]
    assert both.view.of(1, lay.OPEN) == 1
    assert Trader(both, SYMBOLS[1]).order(2, Side.SELL, 10, 50_000) == []
    assert enter(both, TRADING, SYMBOLS[0]) is not None
    assert trader.order(2, Side.SELL, 6, 50_000) == []
    both.same()


def test_close_only_cancels_what_is_open_and_takes_what_makes_a_position_smaller():
    both = pair()
    trader = Trader(both, SYMBOLS[0])
    trader.trade(1, 2, 10, 50_000)
    assert trader.order(1, Side.BUY, 3, 49_000) == []
    cancelled = enter(both, CLOSE_ONLY, SYMBOLS[0])
    assert cancelled["reason"].tolist() == [Reason.CLOSE_ONLY]
    assert both.view.of(1, lay.OPEN) == 0
    assert trader.order(1, Side.BUY, 1, 49_000) == ["CLOSE_ONLY"]
    assert trader.order(1, Side.SELL, 11, 51_000) == ["CLOSE_ONLY"]
    assert trader.order(1, Side.SELL, 6, 51_000) == []
    number = trader.ids
    assert trader.order(1, Side.SELL, 5, 51_000) == ["CLOSE_ONLY"]
    assert trader.replace(number, 1, 11, 51_000) == ["CLOSE_ONLY"]
    assert trader.replace(number, 1, 10, 51_000) == []
    assert trader.order(3, Side.BUY, 1, 51_000) == ["CLOSE_ONLY"]
    assert trader.order(2, Side.BUY, 10, 51_000) == []
    assert both.view.cell(1, 0, lay.POSITION) == both.view.cell(2, 0, lay.POSITION) == 0
    assert trader.order(1, Side.SELL, 1, 51_000) == ["CLOSE_ONLY"]
    both.same()


def test_close_only_of_spot_takes_a_sale_of_what_is_available_and_no_credit():
    both = spot_pair()
    symbol, (base, quote, lot_units) = SYMBOLS[0], SPOT[0]
    assert (base, quote) == (BTC, USD)
    for who, asset, amount in ((1, BTC, 10 * lot_units), (2, USD, 10**12), (3, USD, 10**12)):
        assert both.process(in_asset(Setting.DEPOSIT, amount, who, asset))[0] == DONE
    assert both.process(in_asset(Setting.ASSET_CREDIT, 50 * lot_units, 1, BTC))[0] == DONE
    trader = Trader(both, symbol)
    assert enter(both, CLOSE_ONLY, symbol) is not None
    assert trader.order(2, Side.BUY, 1, 50_000) == ["CLOSE_ONLY"]
    assert trader.order(1, Side.SELL, 11, 50_000) == ["CLOSE_ONLY"]
    assert trader.order(1, Side.SELL, 10, 50_000) == []
    assert enter(both, TRADING, symbol) is not None
    assert trader.order(2, Side.BUY, 10, 50_000) == []
    # Below 0 by its credit: a buy brings the wallet back, and no further.
    assert trader.order(1, Side.SELL, 4, 50_000) == []
    assert trader.order(3, Side.BUY, 4, 50_000) == []
    assert both.reference.wallets.total[1, BTC] == -4 * lot_units
    assert enter(both, CLOSE_ONLY, symbol) is not None
    assert trader.order(3, Side.SELL, 4, 50_000) == []
    assert trader.order(1, Side.BUY, 5, 50_000) == ["CLOSE_ONLY"]
    assert trader.order(1, Side.BUY, 4, 50_000) == []
    both.same()


def test_a_delisting_cancels_every_order_and_is_for_good():
    both = spot_pair()
    for who in (1, 2):
        for asset in (BTC, USD):
            both.process(in_asset(Setting.DEPOSIT, 10**12, who, asset))
    trader = Trader(both, SYMBOLS[0])
    for who, side, price in ((1, Side.BUY, 49_000), (2, Side.SELL, 51_000), (1, Side.BUY, 48_000)):
        assert trader.order(who, side, 5, price) == []
    cancelled = enter(both, DELISTED, SYMBOLS[0])
    assert cancelled["kind"].tolist() == [EventKind.CANCELLED] * 3
    assert set(cancelled["reason"].tolist()) == {Reason.DELISTED}
    assert trader.order(1, Side.BUY, 5, 49_000) == ["DELISTED"]
    for state in InstrumentState:
        assert enter(both, state, SYMBOLS[0]) is None
    held = both.view.wallets.rows[1, BTC].tolist()
    assert held[:2] == [10**12, 0], "what holders have is available"
    assert both.process(in_asset(Setting.DEPOSIT, -(10**12), 1, BTC))[0] == DONE
    both.same()


def test_a_delisting_with_positions_is_refused_until_they_are_closed():
    both = pair()
    trader = Trader(both, SYMBOLS[0])
    trader.trade(1, 2, 10, 50_000)
    assert enter(both, DELISTED, SYMBOLS[0]) is None
    assert enter(both, DELISTED, SYMBOLS[0], price=50_000) is None, "it is no contract"
    assert trader.order(3, Side.SELL, 1, 50_000) == []
    assert enter(both, CLOSE_ONLY, SYMBOLS[0]) is not None
    trader.trade(2, 1, 10, 50_500)
    assert enter(both, DELISTED, SYMBOLS[0]) is not None
    both.same()


@pytest.mark.parametrize("make", [contract_pair, portfolio_pair], ids=["", "scenario margin"])
@pytest.mark.parametrize("index", [0, 1, 3, 5, 6])
def test_a_contract_is_delisted_at_a_price_that_settles_its_positions(index, make):
    """Perpetuals, a future, a call and an inverse put: as at an expiry, with orders still open."""
    both, symbol = make(), SYMBOLS[index]
    mark = both.reference.contracts.rows[index].mark
    for who in (1, 2):
        both.process(setting(Setting.DEPOSIT, 10**13, who))
    both.process(setting(Setting.DISTANCE, 5_000, 0, symbol))
    trader = Trader(both, symbol)
    trader.trade(1, 2, 100, mark)
    assert trader.order(1, Side.BUY, 200, mark - 100) == []
    assert enter(both, DELISTED, symbol) is None
    assert enter(both, DELISTED, symbol, price=mark, count=1) is None, "prices of other terms"
    assert enter(both, DELISTED, symbol, price=2**40 + 1) is None
    before = sum(one.balance for one in both.reference.participants)
    cancelled = enter(both, DELISTED, symbol, price=mark + 500)
    assert cancelled["reason"].tolist() == [Reason.DELISTED]
    assert not both.view.cells[:, index, lay.POSITION // 8].any()
    assert both.view.contracts.of(index, "final") == mark + 500
    assert sum(one.balance for one in both.reference.participants) == before
    both.same()


def test_a_state_names_no_price_that_it_does_not_use():
    both = pair()
    for state in (SUSPENDED, CLOSE_ONLY):
        assert enter(both, state, SYMBOLS[0], price=50_000) is None
    unknown = setting(Setting.INSTRUMENT_STATE, int(SUSPENDED), 0, b"NONE")
    assert both.process(unknown)[0] == 0
    both.same()


def test_an_announced_instrument_collects_orders_and_opens_with_an_auction():
    """From its command on; the first continuous trading ends the state, and nothing brings it
    back."""
    both = pair(announced=[0])
    trader = Trader(both, SYMBOLS[0])
    assert trader.order(1, Side.BUY, 5, 50_000) == ["HALTED"]
    for state in (TRADING, SUSPENDED, CLOSE_ONLY):
        assert enter(both, state, SYMBOLS[0]) is None
    assert enter(both, PRE_OPEN, SYMBOLS[0]) is not None
    both.process(operator_command(CommandKind.PHASE, symbol=SYMBOLS[0], aux=Phase.PRE_OPEN))
    assert trader.order(1, Side.BUY, 5, 50_100) == []
    assert trader.order(2, Side.SELL, 4, 49_900) == []
    assert state_in(int(both.view.instruments[0, lay.HALT // 8])) is PRE_OPEN
    both.same()
    opens = operator_command(CommandKind.PHASE, symbol=SYMBOLS[0], aux=Phase.CONTINUOUS)
    _, events = both.process(opens)
    assert (events["kind"] == EventKind.FILLED).sum() == 2
    assert state_in(int(both.view.instruments[0, lay.HALT // 8])) is TRADING
    assert enter(both, PRE_OPEN, SYMBOLS[0]) is None
    both.same()


def test_a_contract_is_not_opened_without_its_first_mark():
    both = contract_pair(unlisted=[3])
    assert enter(both, PRE_OPEN, SYMBOLS[3]) is None
    both.same()
    with pytest.raises(RiskError, match="instrument 3 is a contract, or none"):
        contract_pair(announced=[3])


def test_an_announced_contract_that_is_delisted_is_never_listed():
    both = contract_pair(unlisted=[3])
    assert enter(both, DELISTED, SYMBOLS[3]) is not None
    assert both.process(setting(Setting.CONTRACT_LIST, 50_000, 0, SYMBOLS[3], 50_000))[0] == 0
    both.same()


# Any commands


class StateOperator(Operator):
    """Changes states among other settings."""

    def draw(self):
        rng = self.rng
        if rng.random() < 0.6:
            return super().draw()
        index = int(rng.integers(len(self.symbols)))
        drawn = TRADING, TRADING, SUSPENDED, CLOSE_ONLY, CLOSE_ONLY, PRE_OPEN, DELISTED, 9
        wanted = rng.choice(drawn)
        plain, terms, price = self.pair.reference, 0, 0
        if wanted == DELISTED and index < len(self.symbols) // 2:
            wanted = TRADING  # enough is left to trade
        if wanted == DELISTED and plain.contracts and rng.random() < 0.7:
            terms, price = 1, plain.instruments[index].last or 50_000
        return setting(Setting.INSTRUMENT_STATE, int(wanted), terms, self.symbols[index], price)


def worlds():
    yield "plain", pair
    yield "spot", spot_pair
    yield "contracts", contract_pair
    yield "scenario margin", portfolio_pair


@pytest.mark.parametrize(("seed", "world"), list(enumerate(worlds(), 5)))
def test_any_commands_among_changes_of_states(seed, world):
    """Every word of the state equals the plain core's; all that is refused, by the same checks."""
    name, make = world
    both: Pair = make(announced=[3 if name == "spot" else 2, 4])
    if name == "spot":
        for who, asset in itertools.product(range(9), range(4)):
            both.process(in_asset(Setting.DEPOSIT, 10**9, who, asset))
    operator = StateOperator(seed, both, SYMBOLS)
    rng, refused, cancelled = np.random.default_rng(seed), 0, 0
    for number, command in enumerate(mixed_commands(1_500, seed)):
        if rng.random() < 0.06:
            both.kernels.cancelled = np.zeros(0)
            both.process(operator.draw())
            cancelled += len(both.kernels.cancelled)
        verdict, _ = both.process(command.copy())
        wanted = 1 << RiskBit.CLOSE_ONLY | 1 << RiskBit.DELISTED
        refused += bool(verdict & 0xFF and verdict >> 8 & wanted)
        if number % 50 == 0:
            both.same()
    both.same()
    assert refused > 10, name
    assert cancelled > 5, name


def test_the_page_has_the_table():
    """docs/venue.md: what each state takes, and the words of the doors."""
    page = (ROOT / "docs" / "venue.md").read_text()
    table = page.split("<!-- states of instruments -->\n")[1].split("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    doors = "feed", "FIX 326", "Binance", "/v1"
    for state, (name, takes, _, *words) in zip(InstrumentState, rows, strict=True):
        assert name == state.name.lower().replace("_", "-")
        assert takes == (", ".join(taken_by(state)) or "–")
        assert words == [STATES.offered(door).get(state, "as its phase") for door in doors]
