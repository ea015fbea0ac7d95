"""A row without a symbol becomes a spot pair with one command: kernels and plain core agree, and
what makes no sense changes nothing."""

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.rule_changes import FIELDS, PAIR, SYMBOL, TICK_UNITS
from tests.support.risk.risk_core import PARTICIPANTS, Pair
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_reference import operator_command
from tests.support.risk.spot import (
    ASSETS,
    BTC,
    DOGE,
    ETH,
    MULTIPLIERS,
    ROOM,
    SPOT,
    USD,
    SpotOperator,
    in_asset,
)

BOUNDS = {"min_price_ticks": 1, "max_price_ticks": 1, "max_qty_lots": 1, "initial_phase": 6}
SLOTS = make_instruments([{"symbol": f"+{n}", **BOUNDS} for n in (1, 2, 3)])
FIRST = len(instruments())
LOWEST, HIGHEST, LARGEST = (
    FIELDS.index(name) for name in ("min_price_ticks", "max_price_ticks", "max_qty_lots")
)


def slot_pair():
    """A core with three rows without a symbol, of any pair."""
    table = np.concatenate([instruments(), SLOTS])
    spot = SPOT | {FIRST + n: (BTC, USD, 1) for n in range(len(SLOTS))}
    more = {"multipliers": [*MULTIPLIERS, 1, 1, 1], "leveraged": (4,), "assets": ASSETS}
    more |= {"spot": spot, "asset_capacity": ROOM, "announced": range(FIRST, FIRST + 3)}
    return Pair(table, rules=True, **more)


def word(symbol):
    return int.from_bytes(symbol.ljust(8, b"\0"), "little", signed=True)


def staging(symbol=b"NEW", base=ETH, quote=USD, lot=7, tick=3, low=1, high=200_000, without=""):
    """Number, value and second value of the words that make a row a pair."""
    found = {
        "symbol": (SYMBOL, word(symbol), 0),
        "pair": (PAIR, base | quote << 16, lot),
        "tick": (TICK_UNITS, tick, 0),
        "low": (LOWEST, low, 0),
        "high": (HIGHEST, high, 0),
        "most": (LARGEST, 2**40, 0),
    }
    return [one for name, one in found.items() if name != without]


def announce(both, words, slot=b"+1", count=None):
    """Whether the core has put these words in force."""
    for number, value, second in words:
        both.process(setting(Setting.INSTRUMENT_RULE, value, number, slot, second))
    count = len(words) if count is None else count
    done = both.process(setting(Setting.INSTRUMENT_APPLY, count, 0, slot))[0] != 0
    if not done:
        both.process(setting(Setting.INSTRUMENT_APPLY, 0, 0, slot))
    return done


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 3))])
def test_a_pair_begins_in_the_middle_of_every_flow(seed):
    """Orders, auctions and money of all kinds, before and after; every word of the state is the
    reference's, and a core that is restored goes on alike."""
    both = slot_pair()
    engine = both.kernels.engine
    symbols = engine.instruments["symbol"].tolist()[:FIRST]
    operator = SpotOperator(seed, both, symbols)
    both.process(operator_command(CommandKind.TIME, aux=10**18))
    traded, rng = 0, np.random.default_rng(seed)
    for number, command in enumerate(mixed_commands(4_000, seed)):
        if rng.random() < 0.05:
            both.process(operator.draw())
        if number in (1_000, 2_000):
            slot, symbol = (b"+1", b"NEW") if number == 1_000 else (b"+2", b"SECOND-1")
            assert announce(both, staging(symbol, quote=BTC if number == 2_000 else USD), slot)
            opens = setting(Setting.INSTRUMENT_STATE, InstrumentState.PRE_OPEN, 0, symbol)
            assert both.process(opens)[0]
            both.process(operator_command(CommandKind.PHASE, symbol=symbol, aux=Phase.CONTINUOUS))
            assert both.kernels.engine.instruments["symbol"].tolist()[FIRST:].count(slot) == 0
            symbols.append(symbol)
            operator.symbols = symbols
            for who in range(1, PARTICIPANTS):
                for asset in (USD, BTC, ETH):
                    both.process(in_asset(Setting.DEPOSIT, 10**12, who, asset))
        is_new = command["kind"][0] == CommandKind.NEW
        if len(symbols) > FIRST and is_new and rng.random() < 0.6:
            command["symbol"] = symbols[int(rng.integers(FIRST, len(symbols)))]
        _, events = both.process(command.copy())
        fills = (events["kind"] == EventKind.FILLED) & (events["instrument"] >= FIRST)
        traded += np.count_nonzero(fills)
        if number % 1_000 == 999:
            both.same()
            engine.check()
            again = Engine.restore(engine.snapshot(), 5_000)
            assert again.state_hash() == engine.state_hash()
            assert again.instruments.tolist() == engine.instruments.tolist()
    both.same()
    assert traded > 20


WRONG = {
    "a symbol that another has": staging(instruments()["symbol"][0]),
    "no symbol": staging(b""),
    "a slot's symbol": staging(b"+9"),
    "a symbol with a gap": staging(b"A\0B"),
    "a symbol that is no text": staging(b"A\x07"),
    "one asset twice": staging(base=USD),
    "an asset without wallets": staging(base=len(ASSETS)),
    "another one": staging(quote=len(ASSETS)),
    "no lot": staging(lot=0),
    "no tick": staging(tick=0),
    "a lot that is too large": staging(lot=2**62 + 1),
    "prices of nothing": staging(low=0),
    "limits that bound nothing": staging(high=2**51),
    "limits out of order": staging(low=10, high=9),
    "without its assets": staging(without="pair"),
    "without its tick": staging(without="tick"),
    "without its symbol": staging(without="symbol"),
}


@pytest.mark.parametrize("words", WRONG.values(), ids=list(WRONG))
def test_what_makes_no_sense_changes_nothing(words):
    both = slot_pair()
    before = both.kernels.region.copy()
    assert not announce(both, words)
    both.same()
    view = both.view
    rules = view.word(lay.RULES_AT)
    after = both.kernels.region.copy()
    # What was staged and dropped is no state; the count of commands that were refused is none.
    assert np.array_equal(after[: lay.INSTRUMENT_AT], before[: lay.INSTRUMENT_AT])
    assert view.rules.word("staged") == 0
    assert view.rules.table.tolist() == np.concatenate([instruments(), SLOTS]).tolist()
    assert rules
    assert announce(both, staging(base=DOGE))
    both.same()


def test_words_that_are_not_applied_have_no_effect():
    """As after a kill between the words and the APPLY: the next request drops them."""
    both = slot_pair()
    for number, value, second in staging():
        both.process(setting(Setting.INSTRUMENT_RULE, value, number, b"+1", second))
    order = {"participant": 1, "symbol": b"NEW", "side": 1, "qty_lots": 1, "price_ticks": 5}
    _, events = both.process(operator_command(1, order_id=1, order_type=1, **order))
    assert events["reason"][0] == Reason.UNKNOWN_INSTRUMENT
    assert not announce(both, staging(), b"+2")
    both.process(setting(Setting.INSTRUMENT_APPLY, 0, 0, b"+1"))
    assert announce(both, staging(), b"+2")
    both.same()


def test_a_row_without_a_symbol_takes_no_state_and_gets_one_symbol():
    both = slot_pair()
    for state in (InstrumentState.PRE_OPEN, InstrumentState.DELISTED):
        assert both.process(setting(Setting.INSTRUMENT_STATE, state, 0, b"+1"))[0] == 0
    assert announce(both, staging())
    assert not announce(both, staging(b"OTHER"), b"NEW")
    assert not announce(both, staging(b"OTHER"), b"+1")
    assert not announce(both, staging(b"NEW"), b"+2")
    both.same()
