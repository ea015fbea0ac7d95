"""What contracts need without a request: an expired contract's orders are cancelled, each day has a
settlement price, and perpetuals with a schedule are funded at its times.

The core's state alone decides, so a venue that was killed at any point continues with what is due.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import EXPIRED_HALT, LIVE, PAUSED_HALT, UNLISTED_HALT
from openoutcry.risk.region import ADJUSTED_TERMS, ContractsView, View, at_once, setting
from openoutcry.venue.calendar import Calendar
from openoutcry.venue.contract_desk import cancel_all
from openoutcry.venue.funding_schedule import FundingSpec
from openoutcry.wire.enums import Phase
from openoutcry.wire.symbols import code_of

Put = Callable[[npt.NDArray[Any]], int]


class ContractTimer:
    """Timer of one run of a venue with contracts."""

    def __init__(
        self,
        calendar: Calendar,
        symbols: list[str],
        note: Callable[[str], None],
        funding: Sequence[FundingSpec] = (),
    ) -> None:
        self.calendar, self.symbols, self.note, self.funding = calendar, symbols, note, funding
        self.under_way = 0
        """The operator's lane, up to here, is what was sent last."""
        self.told: set[str] = set()

    def poll(self, view: View, now_ns: int, put: Put, is_processed: Callable[[int], bool]) -> None:
        """Send what is due: one instrument's cancels, or all settlement prices or fundings at
        once."""
        if self.under_way and not is_processed(self.under_way):
            return
        self.under_way = 0
        contracts = view.contracts
        assert contracts is not None
        settled: list[npt.NDArray[Any]] = []
        for index in contracts.number:
            if contracts.of(index, "state") != LIVE:
                continue
            symbol, halt = self.symbols[index], int(view.instruments[index, lay.HALT // 8])
            if halt & (UNLISTED_HALT | lay.DELISTED_HALT):
                continue
            if halt & EXPIRED_HALT:
                if symbol not in self.told:
                    self.told.add(symbol)
                    self.note(f"{symbol} has expired: `outcry venue contract expire` settles it")
                orders = view.cells[:, index, [lay.BUY_LOTS // 8, lay.SELL_LOTS // 8]]
                if orders.any():
                    self.under_way = put(cancel_all(symbol))
                    return
                continue
            day, ended_ns = self.day_due(symbol, now_ns)
            had, marks = contracts.of(index, "day"), contracts.of(index, "marks")
            count = contracts.of(index, "adjustments")
            # The first mark of all does not settle the day before it.
            began = had or 0 < contracts.of(index, "marked_ns") <= ended_ns
            if marks and began and had < day:
                price = contracts.of(index, "mark")
                self.note(f"{symbol}: the settlement price of {day} is its mark, {price} ticks")
                settle, code = Setting.CONTRACT_SETTLE, code_of(symbol)
                settled.append(setting(settle, price, count << 1, code, day))
        due = settled or self._fundings(view, contracts, now_ns)
        if due:
            self.under_way = put(at_once(due))

    def _fundings(
        self, view: View, contracts: ContractsView, now_ns: int
    ) -> list[npt.NDArray[Any]]:
        """Return the commands of the periods that are due.  Of several times that have passed, for
        instance while the venue was closed, only the last is.  What was delisted has none: one
        command that the core refuses would keep all of them from being applied."""
        found = []
        for one in self.funding:
            index = self.symbols.index(one.contract)
            if int(view.instruments[index, lay.HALT // 8]) & lay.DELISTED_HALT:
                continue
            due = one.due(contracts, index, now_ns)
            if due is None:
                continue
            period, rate = due
            text = f"{one.contract}: period {period} is funded at {rate} billionths"
            if text not in self.told:
                self.told.add(text)
                self.note(text)
            code = code_of(one.contract)
            found.append(setting(Setting.CONTRACT_FUNDING, rate, 0, code, period))
        return found

    def day_due(self, symbol: str, now_ns: int) -> tuple[int, int]:
        """Number and end of the last trading day whose trading in an instrument has ended; 0: none
        has."""
        today = self.calendar.current_or_next(now_ns)
        closes = [
            phase.ts_ns
            for phase in today.phases
            if phase.symbol == symbol and phase.phase is Phase.CLOSED
        ]
        if today.begin_ns <= now_ns and closes and max(closes) <= now_ns:
            return int(today.day.strftime("%Y%m%d")), max(closes)
        ended = self.calendar.last_ended(now_ns)
        return (0, 0) if ended is None else (int(ended.day.strftime("%Y%m%d")), ended.end_ns)


def contract_status(view: View, symbols: list[str]) -> dict[str, Any]:
    """Marks, what has ended, the insurance fund, and which deficits are not paid."""
    contracts = view.contracts
    if contracts is None:
        return {}
    names = ["mark", "index", "day", "settlement", "rate", "period", "adjustments", *ADJUSTED_TERMS]
    rows = {}
    for index in contracts.number:
        row: dict[str, Any] = {name: contracts.of(index, name) for name in names}
        halt = int(view.instruments[index, lay.HALT // 8])
        row["paused"], row["expired"] = bool(halt & PAUSED_HALT), bool(halt & EXPIRED_HALT)
        row["listed"] = not halt & UNLISTED_HALT
        final = contracts.of(index, "final")
        row["final"] = final if contracts.of(index, "state") != LIVE else None
        rows[symbols[index]] = row
    pledges = view.portfolio is not None and view.portfolio.can_be_pledged
    totals = ("covers", "covered", "fees", "takeovers", "taken_over", "losses")
    fund = contracts.word("fund")
    return {
        "contracts": rows,
        "insurance_fund": {"participant": fund, "balance": view.of(fund, lay.BALANCE)}
        | {name: contracts.word(name) for name in totals},
        **({"margin_changes": view.portfolio.word("applied")} if view.portfolio else {}),
        "deficits": {str(who): far for who, far in view.deficits().items()},
        **({"debts": {str(who): far for who, far in view.debts().items()}} if pledges else {}),
    }
