"""What the exchange operator may ask for about contracts: marks, the day's settlement, funding, the
end, and a pause while an index has too few sources.

Each request is one command, and the desk reads in the core's state that it was done.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from openoutcry.derivatives.contracts import Contract, adjusted
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import MAX_TERM, Setting
from openoutcry.risk.contract_layout import (
    EXPIRED_HALT,
    FUTURE,
    MAX_PRICE,
    PAUSED_HALT,
    PERPETUAL,
    RATE_UNIT,
    WITH_MARK,
)
from openoutcry.risk.contract_terms import CLOSED
from openoutcry.risk.protection_layout import OPERATORS_HALT
from openoutcry.risk.region import ContractsView, View, at_once, setting
from openoutcry.venue.collateral_desk import COLLATERAL_REQUESTS, CollateralDesk
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.margin_file import changing_commands, margin_parameters
from openoutcry.venue.requests import EFFECTIVE, NOTHING
from openoutcry.venue.risk_tables import RiskSpec
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.symbols import code_of

CONTRACT_REQUESTS = (
    "contract-mark",
    "contract-settle",
    "contract-fund",
    "contract-expire",
    "contract-pause",
    "contract-resume",
    "contract-margin",
    "contract-adjust",
    *COLLATERAL_REQUESTS,
)
TOGETHER = {
    "contract-mark": "price",
    "contract-settle": "price",
    "contract-fund": "rate",
    "contract-expire": "price",
}
"""What several contracts can have at once, and which value each of them has then."""
PRICED = ("contract-mark", "contract-settle", "contract-expire")
"""What gives positions another price."""
MOST_PREMIUM = 7_500_000
"""A rate that is worked out from mark and index is at most 0.75 %, either way."""
Request = dict[str, Any]


class ContractDesk:
    """Turns requests about contracts into work."""

    def __init__(
        self,
        symbols: list[str],
        view: View,
        today: Callable[[], int],
        spec: RiskSpec,
        reference: Callable[[str, int], Work],
    ) -> None:
        """``today``: number of the trading day, YYYYMMDD.  ``reference``: the work that gives a
        halted instrument another reference price."""
        self.symbols, self.view, self.today, self.spec = symbols, view, today, spec
        self.reference = reference
        self.collateral = CollateralDesk(view, spec)

    def work_of(self, request: Request, operator: int) -> Work:
        """Raises :class:`DeskError` naming what cannot be."""
        if request["do"] == "contract-margin":
            return self._margin(operator)
        if request["do"] == "contract-adjust":
            return self._adjust(request, operator)
        if request["do"] in COLLATERAL_REQUESTS:
            return self.collateral.work_of(request, operator)
        if request.get("also"):
            return self._together(request, operator)
        symbol = str(request.get("instrument") or "")
        if symbol not in self.symbols:
            raise DeskError(f"there is no instrument {symbol!r}")
        index, contracts = self.symbols.index(symbol), self.view.contracts
        if contracts is None or index not in contracts.number:
            raise DeskError(
                f"{symbol} is not a contract: the venue file has no [[contract]] for it"
            )
        if request.get(EFFECTIVE):
            return Work(NOTHING, [f"{symbol}: done"])
        if request["do"] in ("contract-pause", "contract-resume") and self._is_indexed(symbol):
            raise DeskError(f"{symbol} has an [[index]], which pauses it and ends the pause")
        if contracts.of(index, "state"):
            raise DeskError(f"{symbol} was settled at {contracts.of(index, 'final')} ticks")
        does: dict[str, Callable[[Request, str, int, ContractsView], tuple[Any, str]]] = {
            "contract-mark": self._mark,
            "contract-settle": self._settle,
            "contract-fund": self._fund,
            "contract-expire": self._expire,
            "contract-pause": self._pause,
            "contract-resume": self._resume,
        }
        record, done = does[request["do"]](request, symbol, index, contracts)
        record["order_id"][-1] = operator
        if request["do"] in PRICED and self.spec.liquidation is not None:
            # A hedge between a contract and another instrument is judged by both.
            record["qty_lots"][-1] |= WITH_MARK
        before = self._counts(contracts, index)

        def refused() -> str:
            moved = self._counts(contracts, index) != before
            return "" if moved else f"{done}: the core rejected it"

        return Work(record, [done], refused)

    def _together(self, request: Request, operator: int) -> Work:
        """The same of several contracts, in force at once: no participant is judged by a part."""
        does, also = request["do"], str(request["also"]).split()
        if does not in TOGETHER:
            raise DeskError(f"{does} is for one instrument")
        one = {key: value for key, value in request.items() if key != "also"}
        values = {str(one.get("instrument") or ""): one.get(TOGETHER[does])}
        for word in also:
            symbol, _, value = word.partition("=")
            if value and not value.removeprefix("-").isdecimal():
                raise DeskError(f"{word}: {value!r} is not a whole number")
            values[symbol] = int(value) if value else None
        if len(values) != len(also) + 1:
            raise DeskError("each instrument may be named once")
        parts = [one | {"instrument": symbol, TOGETHER[does]: v} for symbol, v in values.items()]
        works = [self.work_of(part, operator) for part in parts]
        if request.get(EFFECTIVE):
            return Work(NOTHING, [line for work in works for line in work.done])
        records = np.concatenate([work.records for work in works])
        settings = records["kind"] == CommandKind.RISK
        with_mark = bool((records["qty_lots"][settings] & WITH_MARK).any())
        batch = np.concatenate([records[~settings], at_once([records[settings]], with_mark)])

        def refused() -> str:
            return "; ".join(filter(None, (work.refused() for work in works)))

        return Work(batch, [line for work in works for line in work.done], refused)

    def _is_indexed(self, symbol: str) -> bool:
        return any(symbol in index_.contracts for index_ in self.spec.indices)

    def _margin(self, operator: int) -> Work:
        """The values of the margin file are in force from here on, for all at once."""
        portfolio, file = self.view.portfolio, self.spec.margin_file
        if portfolio is None or file is None:
            raise DeskError("the venue file has no [margin]: each contract has one margin a lot")
        contracts = {
            s: self.spec.contracts[s].contract for s in self.symbols if s in self.spec.contracts
        }
        view, places = self.view.contracts, map(self.symbols.index, contracts)
        assert view is not None
        in_force = {s: view.terms(n, contracts[s]) for s, n in zip(contracts, places, strict=True)}
        try:
            new = margin_parameters(file, contracts, self.spec.collateral, in_force)
            records = changing_commands(portfolio.parameters, new, list(contracts))
        except OutcryError as error:
            raise DeskError(str(error)) from None
        if not records:
            return Work(NOTHING, [f"scenario margin already matches {file}"])
        applied, done = portfolio.word("applied"), f"scenario margin now matches {file}"
        batch = np.concatenate(records)
        batch["order_id"] = operator

        def refused() -> str:
            moved = portfolio.word("applied") != applied
            return "" if moved else f"{done}: the core rejected it: a position is too large for it"

        return Work(batch, [done], refused)

    def _adjust(self, request: Request, operator: int) -> Work:
        """The terms of every contract on an underlying that was split, at once."""
        name, contracts = str(request.get("underlying") or ""), self.view.contracts
        new, old = (ratio_term(term, request) for term in ("new", "old"))
        rows = {
            self.symbols.index(symbol): one.contract
            for symbol, one in self.spec.contracts.items()
            if one.contract.underlying == name
        }
        if contracts is None or not rows:
            known = sorted(
                {contract.contract.underlying for contract in self.spec.contracts.values()}
            )
            raise DeskError(f"no contract is on {name!r}; there are {', '.join(known) or 'none'}")
        live = [index for index in rows if not contracts.of(index, "state")]
        if request.get(EFFECTIVE):
            return self._references(live)
        if name in self.spec.collateral:
            raise DeskError(f"{name} can be pledged: what is pledged would have another value")
        for index in live:
            self._can_adjust(index, contracts.terms(index, rows[index]), new, old)
        if not live:
            raise DeskError(f"every contract on {name} is settled")
        counts = {index: contracts.of(index, "adjustments") for index in live}
        adjust, codes = Setting.CONTRACT_ADJUST, [code_of(self.symbols[index]) for index in live]
        batch = at_once([setting(adjust, new << 32 | old, 0, code) for code in codes])
        batch["order_id"] = operator
        done = f"{name}: {len(live)} contracts are adjusted, {new} new units for {old} old ones"

        def refused() -> str:
            moved = all(contracts.of(index, "adjustments") > n for index, n in counts.items())
            return "" if moved else f"{done}: the core rejected it; open orders are cancelled"

        return Work(
            np.concatenate([*(cancel_all(self.symbols[index]) for index in live), batch]),
            [f"{name}: all open orders in its contracts are cancelled", done],
            refused,
            lambda: self._references(live),
            more={"new": new, "old": old},
        )

    def _can_adjust(self, index: int, terms: Contract, new: int, old: int) -> None:
        """Raises :class:`DeskError` naming what forbids it."""
        symbol, row, view = terms.symbol, self.view.instruments[index], self.view.contracts
        if not int(row[lay.HALT // 8]) & CLOSED:
            raise DeskError(f"{symbol} is not halted: `outcry venue halt {symbol}` first")
        try:
            adjusted(terms, new, old)
        except ValueError as error:
            raise DeskError(str(error)) from None
        assert view is not None
        if not terms.is_option:
            price = half_even(view.of(index, "mark") * old, new)
            low, high = (int(row[at // 8]) for at in (lay.WORST_SELL, lay.WORST_BUY))
            if not max(low, 1) <= price <= high:
                raise DeskError(f"{symbol}: its mark would be {price} ticks, not {low} to {high}")

    def _references(self, places: list[int]) -> Work:
        """The matcher's reference price of each future that people halted: its adjusted mark."""
        contracts = self.view.contracts
        assert contracts is not None
        works = [
            self.reference(self.symbols[index], contracts.of(index, "mark"))
            for index in places
            if contracts.of(index, "kind") in (FUTURE, PERPETUAL)
            and int(self.view.instruments[index, lay.HALT // 8]) & OPERATORS_HALT
        ]
        return Work(
            np.concatenate([NOTHING, *(work.records for work in works)]),
            [line for work in works for line in work.done] or ["no reference price is another"],
            lambda: "; ".join(filter(None, (work.refused() for work in works))),
        )

    def _counts(self, contracts: ContractsView, index: int) -> tuple[int, ...]:
        """Return the counts that change with each command about a contract."""
        names = ("marks", "day", "period", "state")
        halt = int(self.view.instruments[index, lay.HALT // 8])
        return *(contracts.of(index, name) for name in names), halt & PAUSED_HALT

    def _mark(
        self, request: Request, symbol: str, index: int, contracts: ContractsView
    ) -> tuple[Any, str]:
        price = _price(request, "price")
        of_index = _price(request, "index") if request.get("index") is not None else 0
        shown = f" (index {of_index})" if of_index else ""
        done = f"{symbol}: every position is valued at {price} ticks{shown}"
        count = contracts.of(index, "adjustments")
        return setting(Setting.CONTRACT_MARK, price, count << 1, code_of(symbol), of_index), done

    def _settle(
        self, request: Request, symbol: str, index: int, contracts: ContractsView
    ) -> tuple[Any, str]:
        given, count = request.get("price"), contracts.of(index, "adjustments")
        price = contracts.of(index, "mark") if given is None else _price(request, "price")
        day = self.today()
        if day <= contracts.of(index, "day"):
            raise DeskError(f"{symbol} already has the settlement price of day {day}")
        done = f"{symbol}: the settlement price of {day} is {price} ticks"
        return setting(Setting.CONTRACT_SETTLE, price, count << 1, code_of(symbol), day), done

    def _fund(
        self, request: Request, symbol: str, index: int, contracts: ContractsView
    ) -> tuple[Any, str]:
        if contracts.of(index, "kind") != PERPETUAL:
            raise DeskError(f"{symbol} is not a perpetual: it has no funding")
        if any(one.contract == symbol for one in self.spec.funding):
            raise DeskError(f"{symbol} has a schedule ([[funding]]): the venue funds it by itself")
        rate, period = request.get("rate"), contracts.of(index, "period") + 1
        if rate is None:
            rate = premium_rate(contracts.of(index, "mark"), contracts.of(index, "index"))
            if rate is None:
                raise DeskError(f"{symbol} has no index yet: give the rate with --rate")
        if type(rate) is not int or abs(rate) > RATE_UNIT:
            raise DeskError(f"a rate of {rate} billionths is not -{RATE_UNIT} to {RATE_UNIT}")
        done = f"{symbol}: period {period} is funded at {rate} billionths"
        return setting(Setting.CONTRACT_FUNDING, rate, 0, code_of(symbol), period), done

    def _expire(
        self, request: Request, symbol: str, index: int, contracts: ContractsView
    ) -> tuple[Any, str]:
        price, terms = _price(request, "price"), self.spec.contracts.get(symbol)
        if price < 0 and terms is not None and terms.contract.physical:
            raise DeskError(f"{symbol} is delivered: its final price is not below 0")
        if not int(self.view.instruments[index, lay.HALT // 8]) & EXPIRED_HALT:
            raise DeskError(f"{symbol} has not expired yet")
        held = int(np.abs(self.view.cells[:, index, lay.POSITION // 8]).sum()) // 2
        done = f"{symbol}: {held} lots are settled at {price} ticks"
        count = contracts.of(index, "adjustments")
        end = setting(Setting.CONTRACT_EXPIRE, price, count << 1, code_of(symbol))
        return np.concatenate([cancel_all(symbol), end]), done

    def _pause(
        self, request: Request, symbol: str, index: int, contracts: ContractsView
    ) -> tuple[Any, str]:
        record = setting(Setting.CONTRACT_PAUSE, 1, 0, code_of(symbol))
        return record, f"{symbol}: its index has too few sources; new orders are rejected"

    def _resume(
        self, request: Request, symbol: str, index: int, contracts: ContractsView
    ) -> tuple[Any, str]:
        record = setting(Setting.CONTRACT_PAUSE, 0, 0, code_of(symbol))
        return record, f"{symbol}: its index has enough sources again"


def cancel_all(symbol: str) -> Any:
    """The command that cancels every order in an instrument."""
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["symbol"], record["aux"] = CommandKind.MASS_CANCEL, code_of(symbol), 1
    return record


def ratio_term(name: str, request: Request, most: int = MAX_TERM) -> int:
    """A term of a ratio.  Raises :class:`DeskError`."""
    value = request.get(name)
    if type(value) is not int or not 1 <= value <= most:
        raise DeskError(f"{name}: {value!r} is not 1 to {most}")
    return value


def half_even(amount: int, by: int) -> int:
    """The nearest whole number to ``amount`` / ``by``, of two the even one."""
    whole, rest = divmod(amount, by)
    return whole + (2 * rest > by or (2 * rest == by and whole % 2 == 1))


def premium_rate(mark: int, index: int) -> int | None:
    """Return how far the mark is above the index, in billionths of the index, MOST_PREMIUM at
    most; None: there is no index."""
    if index < 1:
        return None
    return max(-MOST_PREMIUM, min(MOST_PREMIUM, (mark - index) * RATE_UNIT // index))


def _price(request: Request, name: str) -> int:
    value = request.get(name)
    if type(value) is not int or abs(value) > MAX_PRICE:
        raise DeskError(f"{name}: {value!r} is not -{MAX_PRICE} to {MAX_PRICE} ticks")
    return value
