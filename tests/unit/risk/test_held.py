"""Nothing trades in a state that forbids it, whatever is let through and whatever that sets off."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from openoutcry.matcher import Engine
from openoutcry.risk import protection_layout
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import EventKind, InstrumentOption, Phase, Reason
from openoutcry.wire.instrument_states import InstrumentState
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_script import Script, parse_command
from tests.support.risk.held import SYMBOLS, Both, HeldCore, S, trades

PEG = (
    "NEW id=1 SELL 5@998 HIDDEN p1",
    "NEW id=2 SELL 5@971 {a} p2",
    "NEW id=3 SELL 5@1000 p4",
    "NEW id=4 BUY 3@999 PEG_MARKET offset=-1 p3",
)
"""When order 2 goes, the peg moves from 970 to 999, and past the hidden offer."""
STOP = (
    "NEW id=1 SELL 4@1000 p4",
    "NEW id=2 SELL 4@971 {a} p2",
    "NEW id=3 BUY 2 STOP trigger=1000 p3",
    "NEW id=5 SELL 4@1002 p4",
)
"""When order 2 goes, the best offer elects the stop."""
WHOLE = (
    "NEW id=1 SELL 10@990 ALL_OR_NONE p7",
    "NEW id=2 SELL 15@990 {a} p2",
    "NEW id=3 BUY 20@990 ALL_OR_NONE p3",
)
"""With less of order 2 both all-or-none orders fit."""
OWN = (
    "NEW id=2 SELL 3@990 {a} p2",
    "NEW id=4 SELL 3@990 p4",
    "NEW id=3 BUY 3@990 ALL_OR_NONE CANCEL_NEWEST p2",
)
"""An order of its own ends what the all-or-none order can reach, until that is cancelled."""
UNPRICED = ("NEW id=1 BUY 5 MARKET p3", "NEW id=2 SELL 3 MARKET p4")
"""Market orders wait on both sides for a price."""
QUOTES, WAITS = InstrumentOption.STOPS_BY_QUOTE, InstrumentOption.MARKET_WAITS
CANCEL, EXPIRY = "CANCEL id=2 p2", (f"SET_EXPIRY id=2 until={50 * S} p2", f"TIME {60 * S}")
CASCADES = {
    "cancel moves a peg": (PEG, CANCEL, 0),
    "reduction to nothing moves a peg": (PEG, "REDUCE id=2 5 p2", 0),
    "expiry moves a peg": (PEG, EXPIRY, 0),
    "mass cancel moves a peg": (PEG, "MASS_CANCEL p2", 0),
    "mass cancel everywhere moves a peg": (PEG, "MASS_CANCEL everywhere SELL p2", 0),
    "disconnection moves a peg": (PEG, "DISCONNECT p2", 0),
    "cancel elects a stop by quote": (STOP, CANCEL, QUOTES),
    "expiry elects a stop by quote": (STOP, EXPIRY, QUOTES),
    "disconnection elects a stop by quote": (STOP, "DISCONNECT p2", QUOTES),
    "reduction completes an all-or-none order": (WHOLE, "REDUCE id=2 5 p2", 0),
    "cancel of its own order completes it": (OWN, CANCEL, 0),
    "mass cancel of its own side completes it": (OWN, "MASS_CANCEL SELL p2", 0),
    "a reference price for those that wait": (UNPRICED, "PHASE CONTINUOUS ref=990", WAITS),
}


def nothing(core):
    pass


def other_pauses(core):
    """BB moves too far, and A halts together with it."""
    for symbol in SYMBOLS:
        core.set(Setting.HALT_GROUP, 1, symbol=symbol)
    core.set(Setting.VELOCITY, 20, symbol=b"BB", second=10)
    for price in (950, 971):
        core.send(f"NEW id=90 SELL 1@{price} p5 sym=BB")
        core.send(f"NEW id=91 BUY 1@{price} p6 sym=BB")
    assert core.view.protection.of(0, protection_layout.STATE) == protection_layout.PAUSED


def market_breaks(core):
    """The index, which is BB, falls by level 1: everything pauses."""
    core.set(Setting.INDEX_WEIGHT, 1, symbol=b"BB")
    core.set(Setting.BREAKER, 700, who=1, symbol=b"", second=900 * S)
    for price, day in ((1_000, 1), (900, 0)):
        core.send(f"NEW id=90 SELL 1@{price} p5 sym=BB")
        core.send(f"NEW id=91 BUY 1@{price} p6 sym=BB")
        if day:
            core.set(Setting.TRADING_DAY, day, symbol=b"", second=10**15)
    assert core.view.protection.of(0, protection_layout.WHY) == protection_layout.BY_MARKET


def limit_state_ends(core):
    """BB stands at its band for 15 s, and A pauses with it: at a TIME, before what that does."""
    for symbol in SYMBOLS:
        core.set(Setting.HALT_GROUP, 1, symbol=symbol)
    core.set(Setting.LULD, 500, symbol=b"BB")
    core.send("NEW id=90 SELL 1@1000 p5 sym=BB")
    core.send("NEW id=91 BUY 1@1000 p6 sym=BB")
    core.send("NEW id=92 BUY 1@1050 p6 sym=BB")
    core.send(f"TIME {15 * S}")
    assert core.view.protection.of(0, protection_layout.STATE) == protection_layout.PAUSED


def halted(core):
    core.set(Setting.HALT, 1)


def halted_in_phase(core):
    core.set(Setting.HALT, 1)
    core.send("PHASE HALT")


def suspended(core):
    core.set(Setting.INSTRUMENT_STATE, InstrumentState.SUSPENDED)


def market_killed(core):
    core.set(Setting.MARKET_KILL, 1, symbol=b"")


def emergency(core):
    core.set(Setting.MARKET_KILL, 1, symbol=b"")
    core.set(Setting.EMERGENCY, 1, symbol=b"")


def phase(name):
    def enter(core):
        core.send(f"PHASE {name}")

    return enter


STATES = {
    "pause": other_pauses,
    "market-wide halt": market_breaks,
    "limit state": limit_state_ends,
    "halt": halted,
    "halt and its phase": halted_in_phase,
    "suspension": suspended,
    "market kill": market_killed,
    "emergency close": emergency,
} | {
    name: phase(name)
    for name in (
        "HALT",
        "CLOSED",
        "PRE_OPEN",
        "OPENING_AUCTION",
        "VOLATILITY_AUCTION",
        "CLOSING_AUCTION",
    )
}


def begun(cascade):
    """The core as it stands before the command, and the commands that set it off."""
    book, commands, options = CASCADES[cascade]
    core = HeldCore(options)
    for line in book:
        assert core.send(line.format(a="GTC"))["kind"][0] == EventKind.ACCEPTED, line
    return core, (commands,) if isinstance(commands, str) else commands


@pytest.mark.parametrize("cascade", CASCADES)
def test_the_cascade_trades_where_nothing_forbids_it(cascade):
    core, commands = begun(cascade)
    assert sum(trades(core.send(line)) for line in commands) > 0


@pytest.mark.parametrize("again", [False, True], ids=["", "from a snapshot"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("cascade", CASCADES)
def test_nothing_trades_in_a_state_that_forbids_it(state, cascade, again):
    """Every state that forbids trading, every kind of cascade."""
    core, commands = begun(cascade)
    STATES[state](core)
    if again:
        core.again()
    for line in commands:
        if state in Phase.__members__ and line.startswith("PHASE"):
            continue
        events = core.send(line)
        assert trades(events) == 0
        assert not (events["kind"] == EventKind.REJECTED).any() or state == "CLOSED", line


def test_a_pause_by_its_own_trade_holds_from_the_next_command():
    """The pause of the issue: a cancel moved a peg, which traded until the phase came."""
    core = HeldCore()
    core.set(Setting.VELOCITY, 20, second=10)
    for line in (
        "NEW id=90 SELL 1@950 p5",
        "NEW id=91 BUY 1@950 p6",
        "NEW id=1 SELL 5@998 HIDDEN p1",
        "NEW id=2 SELL 5@971 p2",
        "NEW id=3 SELL 5@1000 p2",
        "NEW id=4 BUY 3@999 PEG_MARKET offset=-1 p3",
        "NEW id=5 BUY 1@971 p1",
    ):
        core.send(line)
    assert core.view.protection.of(0, protection_layout.STATE) == protection_layout.PAUSED
    (event,) = core.send("CANCEL id=2 p2")
    assert event["kind"] == EventKind.CANCELLED
    core.send("PHASE HALT")
    core.send(f"TIME {400 * S}")
    core.send("PHASE VOLATILITY_AUCTION")
    events = core.send("PHASE CONTINUOUS")
    assert core.view.protection.of(0, protection_layout.STATE) == protection_layout.NORMAL
    assert trades(events) == 1


@pytest.mark.parametrize("again", [False, True], ids=["", "from a snapshot"])
@pytest.mark.parametrize("cascade", [c for c in CASCADES if "reference" not in c])
def test_what_a_halt_kept_back_happens_as_it_ends(cascade, again):
    """With the command that ends it, before its answer; and only then."""
    core, commands = begun(cascade)
    halted(core)
    for line in commands:
        core.send(line)
    if again:
        core.again()
    events = core.set(Setting.HALT, 0)
    assert trades(events) > 0
    assert events["kind"][-1] == EventKind.COMPLETED
    assert len(set(events["cause_seq"].tolist())) == 1
    assert [bool(flags & 1) for flags in events["flags"]] == [False] * (len(events) - 1) + [True]


def test_a_halt_of_the_operator_outlives_what_else_ends():
    """A market that is opened again leaves what is halted."""
    core, (line,) = begun("cancel moves a peg")
    halted(core)
    market_killed(core)
    core.send(line)
    for operator in (1, 2):
        assert trades(core.set(Setting.MARKET_KILL, 0, symbol=b"", operator=operator)) == 0
    assert trades(core.send("CANCEL id=3 p4")) == 0
    core.set(Setting.HALT, 0)


CALL = ("PHASE OPENING_AUCTION", "NEW id=1 BUY 5@100 GTC p1", "NEW id=2 SELL 5@99 GTC p2")


@pytest.mark.parametrize("phase", [Phase.CONTINUOUS, Phase.TRADING_AT_LAST])
def test_a_phase_that_begins_with_trades_is_refused_while_nothing_may_trade(phase):
    core = HeldCore(reference_price_ticks=100)
    for line in CALL:
        core.send(line)
    halted(core)
    (event,) = core.send(f"PHASE {phase.name}")
    assert (event["kind"], event["reason"]) == (EventKind.REJECTED, Reason.WRONG_PHASE)
    core.set(Setting.HALT, 0)
    assert trades(core.send(f"PHASE {phase.name}")) == 1


def test_a_phase_without_trades_is_entered_while_nothing_may_trade():
    """What the calendar asks for in a market that is killed, and whose book is empty."""
    core = HeldCore()
    market_killed(core)
    for name in ("PRE_OPEN", "OPENING_AUCTION", "CONTINUOUS", "CLOSING_AUCTION", "CLOSED"):
        assert core.send(f"PHASE {name}")["kind"][0] == EventKind.PHASE_CHANGED


@pytest.mark.parametrize("state", ["halt", "halt and its phase", "HALT", "market kill"])
def test_a_market_that_closes_out_of_a_halt_does_not_trade(state):
    """What a call had collected trades at the next auction, of what is good for longer than a
    day."""
    core = HeldCore()
    for line in CALL:
        core.send(line)
    STATES[state](core)
    events = core.send("PHASE CLOSED")
    assert events["kind"].tolist() == [EventKind.PHASE_CHANGED]
    core.again()
    if state in ("halt", "halt and its phase"):
        core.set(Setting.HALT, 0)
    if state == "market kill":
        for operator in (1, 2):
            core.set(Setting.MARKET_KILL, 0, symbol=b"", operator=operator)
    core.send("PHASE PRE_OPEN")
    assert trades(core.send("PHASE CONTINUOUS")) == 1


@pytest.mark.parametrize("engine", [Engine, ReferenceEngine])
def test_a_matcher_without_risk_closes_out_of_a_halt_in_the_same_way(engine):
    script = Script(engine(make_instruments(["A"]), 8))
    for line in (*CALL, "PHASE HALT"):
        script.send(line)
    events = script.send("PHASE CLOSED")
    assert events["kind"].tolist() == [EventKind.PHASE_CHANGED]


def test_what_waited_at_the_speed_bump_is_held_too():
    core, _ = begun("cancel moves a peg")
    core = HeldCore(delayed=16)
    for line in PEG:
        core.send(line.format(a="GTC"))
    core.send(setting(Setting.SPEED_BUMP, 1_000_000))
    assert core.send("CANCEL id=2 p2", 10**6)["kind"].tolist() == [EventKind.DELAYED]
    halted(core)
    events = core.send(f"TIME {S}", 10**7)
    assert EventKind.ENTERED in events["kind"].tolist()
    assert EventKind.CANCELLED in events["kind"].tolist()
    assert trades(events) == 0
    assert trades(core.set(Setting.HALT, 0)) == 1


def test_a_clone_and_a_restored_core_hold_what_the_core_holds():
    core, (line,) = begun("cancel moves a peg")
    halted(core)
    other = core.engine.clone()
    record = parse_command(line, core.engine.last_seq + 1)
    assert trades(other.process(record)) == 0
    assert trades(core.send(line)) == 0
    assert other.state_hash() == core.engine.state_hash()


# Any commands in any states: kernels and plain core alike, and no trade where none may be

TYPES = ("LIMIT DAY", "LIMIT GTC", "LIMIT IOC", "MARKET DAY", "HIDDEN GTC", "ALL_OR_NONE DAY",
         "PEG_MARKET DAY aux=-1", "PEG_PRIMARY DAY aux=0", "PEG_PRIMARY DAY aux=1",
         "PEG_MIDPOINT GTC", "STOP DAY", "STOP_LIMIT GTC", "TRAILING_STOP DAY trail=3",
         "ICEBERG DAY aux=1", "POST_ONLY DAY", "MARKET_TO_LIMIT DAY", "LIMIT GTD")  # fmt: skip
OPTIONS = (
    0,
    QUOTES,
    InstrumentOption.STOPS_BY_TRADE_OR_QUOTE,
    WAITS,
    InstrumentOption.SELF_TRADE_FIRST,
)
PHASES = (
    *["CONTINUOUS"] * 5,
    "HALT",
    "VOLATILITY_AUCTION",
    "CLOSED",
    "TRADING_AT_LAST",
    "PRE_OPEN",
)


class Drawn:
    """Commands from numbers."""

    def __init__(self, rng):
        self.rng, self.ids, self.now = rng, 0, 0

    def next(self):
        rng, kind = self.rng, self.rng.integers(0, 100)
        symbol = "BB" if rng.integers(0, 4) == 0 else "A"
        who, order_id = rng.integers(1, 5), rng.integers(1, self.ids + 2)
        tail = f"id={order_id} p{who} sym={symbol}"
        if kind < 55:
            self.ids += 1
            price, qty = rng.integers(95, 106), rng.integers(1, 9)
            side, what = ("BUY", "SELL")[rng.integers(0, 2)], TYPES[rng.integers(0, len(TYPES))]
            if what.startswith("STOP"):
                what += f" trigger={rng.integers(95, 106)}"
            if what == "LIMIT GTD":
                what += f" until={self.now + int(rng.integers(0, 30 * S))}"
            mode = ("ALLOW", "CANCEL_NEWEST", "CANCEL_OLDEST", "DECREMENT")[rng.integers(0, 4)]
            return parse_command(
                f"NEW id={self.ids} {side} {qty}@{price} {what} {mode} p{who} sym={symbol}", 0
            )
        if kind < 72:
            return parse_command(f"CANCEL {tail}", 0)
        if kind < 80:
            return parse_command(f"REDUCE {rng.integers(1, 4)} {tail}", 0)
        if kind < 83:
            price = rng.integers(95, 106)
            return parse_command(f"REPLACE {rng.integers(1, 9)}@{price} {tail}", 0)
        if kind < 86:
            return parse_command(f"MASS_CANCEL p{who} sym={symbol}", 0)
        if kind < 87:
            return parse_command(f"DISCONNECT p{who}", 0)
        if kind < 91:
            self.now += int(rng.integers(0, 30 * S))
            return parse_command(f"TIME {self.now}", 0)
        if kind < 96:
            return parse_command(f"PHASE {PHASES[rng.integers(0, len(PHASES))]} sym={symbol}", 0)
        on, named = int(rng.integers(0, 2)), symbol.encode()
        if rng.integers(0, 3) == 0:
            return setting(Setting.INSTRUMENT_STATE, int(rng.choice(OF_OPERATOR)), 0, named)
        if rng.integers(0, 3) == 0:
            return setting(Setting.MARKET_KILL, on, operator=int(rng.integers(1, 3)))
        if rng.integers(0, 4) == 0:
            return setting(Setting.KILL, on, int(who))
        return setting(Setting.HALT, on, 0, named)


TRADING, SUSPENDED, CLOSE_ONLY, DELISTED = (
    InstrumentState.TRADING,
    InstrumentState.SUSPENDED,
    InstrumentState.CLOSE_ONLY,
    InstrumentState.DELISTED,
)
OF_OPERATOR = [int(state) for state in (TRADING, SUSPENDED, CLOSE_ONLY) for _ in range(5)] + [
    DELISTED
]


@given(seed=st.integers(0, 2**32 - 1), options=st.sampled_from(OPTIONS))
def test_any_commands_in_any_states(seed, options):
    """Kernels and plain core answer alike, and no trade is where none may be."""
    both, rng = Both(options), np.random.default_rng(seed)
    drawn = Drawn(rng)
    for symbol in SYMBOLS:
        both.send(setting(Setting.HALT_GROUP, 1, 0, symbol))
        both.send(setting(Setting.VELOCITY, int(rng.integers(1, 6)), 0, symbol, 10))
        both.send(setting(Setting.PAUSE, 20 * S, 0, symbol, S))
    for _ in range(50):
        both.send(drawn.next())
    both.same()
