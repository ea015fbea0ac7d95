"""What the exchange operator may ask for about an instrument's state: it is suspended, takes only
what makes positions smaller, trades again, or is delisted.

Each request is one command, with the effect in the core; then comes the phase that goes with it.
``wire/instrument_states.py`` has the states, and which requests each of them takes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import LIVE, MAX_PRICE
from openoutcry.risk.instrument_state import WITH_PRICE, state_in
from openoutcry.risk.region import View, setting
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.requests import EFFECTIVE, NOTHING
from openoutcry.venue.risk_tables import RiskSpec
from openoutcry.wire.instrument_states import REQUESTS, InstrumentState, next_state, taken_by
from openoutcry.wire.symbols import code_of

PREFIX = "instrument-"
INSTRUMENT_REQUESTS = tuple(f"{PREFIX}{request}" for request in REQUESTS)
DONE = {
    "open": "is listed: it collects orders, and opens with an auction",
    "suspend": "is suspended: new orders are rejected, resting orders stay",
    "close-only": "takes only orders that make a position or a holding smaller; all open orders "
    "are cancelled",
    "resume": "trades again",
    "delist": "is delisted; all open orders are cancelled",
}
Request = dict[str, Any]
CALL_S, LONGEST_CALL_S = 600, 86_400
"""How long an instrument that is listed collects orders, if the request does not say it; and at
most."""
Phases = Callable[[str, InstrumentState, int], Iterable[npt.NDArray[Any]]]


def words(state: InstrumentState) -> str:
    """Return the state as people read it."""
    return state.name.lower().replace("_", "-")


def state_of(symbol: str, states: Mapping[str, str]) -> str:
    """Return the state of an instrument as people read it.  ``states``: as in the venue's status,
    of those that do not trade as their phase says."""
    return states.get(symbol, words(InstrumentState.TRADING))


def rows_of(
    phases: Mapping[str, str],
    states: Mapping[str, str],
    rules: Mapping[str, Mapping[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """Return the instruments with phase, state and the requests that it takes.  ``rules``: as in
    the venue's status, those that are others than the file's."""
    by_words = {words(state): state for state in InstrumentState}
    rows = []
    for symbol, phase in phases.items():
        state = by_words[state_of(symbol, states)]
        takes = taken_by(state)
        row = {"symbol": symbol, "state": words(state), "phase": phase, "takes": takes}
        changed = (rules or {}).get(symbol)
        rows.append(row | ({"rules": dict(changed)} if changed else {}))
    return rows


class InstrumentsDesk:
    """Turns requests about the states of instruments into work."""

    def __init__(self, symbols: list[str], view: View, spec: RiskSpec, entered: Phases) -> None:
        """``entered(symbol, state, call_s)``: the calendar takes note that an instrument has a new
        state, and gives the PHASE commands that go with it.  ``call_s``: how long it collects
        orders before its first trade."""
        self.symbols, self.view, self.spec, self.entered = symbols, view, spec, entered

    def state(self, symbol: str) -> InstrumentState:
        """Return the state of an instrument in the core."""
        row = self.view.instruments[self.symbols.index(symbol)]
        return state_in(int(row[lay.HALT // 8]))

    def work_of(
        self, request: Request, operator: int, had_effect: Callable[[], bool] = lambda: False
    ) -> Work:
        """``had_effect()``: the core has applied the command, whatever state another request has
        led to since.  Raises :class:`DeskError` naming what cannot be."""
        symbol, asked = str(request.get("instrument") or ""), request["do"].removeprefix(PREFIX)
        if symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        state, call_s = self.state(symbol), _call_s(request)
        if request.get(EFFECTIVE):
            return self._phases(symbol, state, call_s)
        wanted = next_state(state, asked)
        if wanted is None:
            taken = ", ".join(taken_by(state)) or "no request any more"
            raise DeskError(f"{symbol} is {words(state)}: it takes {taken}, not {asked}")
        if self.view.word(lay.PARTITIONS) > 1:
            raise DeskError(
                f"{symbol}: states of instruments need one partition ([venue] partitions)"
            )
        row = self.view.instruments[self.symbols.index(symbol)]
        calls = int(row[lay.MARKET_RESTS // 8]) & lay.RESTS_IN_CALL
        if wanted is InstrumentState.CLOSE_ONLY and calls:
            raise DeskError(
                f"{symbol} is in a call, whose orders it would cancel: ask again after its "
                "auction, or suspend it first"
            )
        if wanted is InstrumentState.PRE_OPEN and int(row[lay.CONTRACT_AT // 8]):
            raise DeskError(f"{symbol} is a contract of a series: its rule lists it, at a mark")
        terms, price = 0, request.get("price")
        if wanted is InstrumentState.DELISTED:
            terms, price = self._settlement(symbol, price)
        elif price is not None:
            raise DeskError(f"{asked} takes no settlement price; only delist does")
        record = setting(
            Setting.INSTRUMENT_STATE, int(wanted), terms, code_of(symbol), price or 0, operator
        )

        def refused() -> str:
            if self.state(symbol) is wanted or had_effect():
                return ""
            return f"{symbol}: the core rejected it; see `outcry venue instrument list`"

        shown = f" Positions are settled at {price} ticks." if terms else ""
        return Work(
            record,
            [f"{symbol} {DONE[asked]}.{shown}" if shown else f"{symbol} {DONE[asked]}"],
            refused,
            lambda: self._phases(symbol, self.state(symbol), call_s),
        )

    def _phases(self, symbol: str, state: InstrumentState, call_s: int) -> Work:
        """The phase of a state that is in force."""
        records = list(self.entered(symbol, state, call_s))
        return Work(np.concatenate([NOTHING, *records]), [])

    def _settlement(self, symbol: str, price: Any) -> tuple[int, int]:
        """Return ``qty_lots`` and ``price_ticks`` of a delisting.  Raises :class:`DeskError` if
        positions are open and nothing settles them."""
        index, contracts = self.symbols.index(symbol), self.view.contracts
        row = self.view.instruments[index]
        is_spot = bool(row[lay.SPOT_AT // 8])
        holders = 0 if is_spot else np.count_nonzero(self.view.cells[:, index, lay.POSITION // 8])
        is_contract = contracts is not None and index in contracts.number
        if price is None:
            if holders:
                how = "give a settlement price with --price" if is_contract else "close them first"
                raise DeskError(
                    f"{symbol}: {holders} participants hold positions, and there is no settlement "
                    f"price: {how} (`outcry venue instrument close-only {symbol}` lets them)"
                )
            return 0, 0
        if not is_contract:
            raise DeskError(f"{symbol} is not a contract: a price settles positions of contracts")
        assert contracts is not None
        if type(price) is not int or abs(price) > MAX_PRICE:
            raise DeskError(f"price: {price!r} is not -{MAX_PRICE} to {MAX_PRICE} ticks")
        if contracts.of(index, "state") != LIVE:
            raise DeskError(f"{symbol} was settled at {contracts.of(index, 'final')} ticks")
        terms = self.spec.contracts.get(symbol)
        if holders and terms is not None and terms.contract.physical:
            raise DeskError(f"{symbol} is delivered: positions end at its expiry, or are closed")
        return contracts.of(index, "adjustments") << 1 | WITH_PRICE, price


def _call_s(request: Request) -> int:
    value = request.get("call_s", CALL_S)
    if type(value) is not int or not 1 <= value <= LONGEST_CALL_S:
        raise DeskError(f"call_s: {value!r} is not 1 to {LONGEST_CALL_S} seconds")
    if "call_s" in request and request["do"] != f"{PREFIX}open":
        raise DeskError("call_s: only open collects orders")
    return value
